// SPDX-License-Identifier: Apache-2.0
// The names of JSON members are the API's, in snake case.
// swift-format-ignore-file: AlwaysUseLowerCamelCase

import Core
import Foundation
import Identity
import TestKit
import Testing

@Suite(.serialized) struct DomainTests {
    private struct Page: Decodable {
        var total: Int
        var domains: [EntityBody]
    }

    private struct Assignment: Encodable {
        var user_ids: [String]
        var role: String
    }

    @Test func aTokenActsInItsDomainWithTheRoleOfItsMember() async throws {
        try await UsersFixture.with { users in
            let owner = try await users.register("owner")
            let guest = try await users.register("guest")
            let pair = try await users.logIn("owner")
            let created = try users.expect(
                201,
                await users.client.post("/domains", json: ["name": "Plant", "route": "plant-1"], headers: pair.bearer))
            let domain: EntityBody = try created.json()
            #expect(created.headers["location"] == "/domains/\(domain.id)" && domain.route == "plant-1")
            #expect(owner.default_domain != domain.id)

            // Not a member: no token for it, and the domain is not there.
            let login = ["identity": "guest", "secret": "a long secret", "domain_id": domain.id]
            #expect(try await users.client.post("/users/tokens/issue", json: login).status == 403)
            let stranger = try await users.logIn("guest")
            #expect(try await users.client.get("/domains/\(domain.id)", headers: stranger.bearer).status == 404)

            func assign(_ role: String, as who: TokenPair) async throws -> Int {
                try await users.client.post(
                    "/domains/\(domain.id)/users/assign", json: Assignment(user_ids: [guest.id], role: role),
                    headers: who.bearer
                ).status
            }
            #expect(try await assign("viewer", as: pair) == 201)
            try await users.withVerifier { verifier in
                let viewer = try await users.logIn("guest", domain: domain.id)
                let principal = try await verifier.verify(viewer.access_token)
                #expect(principal.domain?.description == domain.id && principal.role == .viewer)
                #expect(try await users.client.get("/domains/\(domain.id)", headers: viewer.bearer).status == 200)
                #expect(try await assign("admin", as: viewer) == 403)

                // Another role ends the session that carries the old one.
                #expect(try await assign("editor", as: pair) == 201)
                try await eventually("the old role is refused") {
                    await refusal(viewer.access_token, by: verifier) == "token-revoked"
                }
                let editor = try await users.logIn("guest", domain: domain.id)
                #expect(try await verifier.verify(editor.access_token).role == .editor)

                // So does leaving.
                try users.expect(
                    204,
                    await users.client.post(
                        "/domains/\(domain.id)/users/unassign", json: ["user_ids": [guest.id]], headers: pair.bearer))
                try await eventually("the former member is refused") {
                    await refusal(editor.access_token, by: verifier) == "token-revoked"
                }
            }
            let mine: Page = try users.expect(200, await users.client.get("/domains", headers: pair.bearer)).json()
            #expect(mine.total == 2 && mine.domains.contains { $0.id == domain.id })
        }
    }

    @Test func aDomainThatIsSwitchedOffIsLeftByAll() async throws {
        try await UsersFixture.with { users in
            let admin = try await users.admin()
            try await users.register("owner")
            let home = try await users.logIn("owner")
            let domain: EntityBody = try users.expect(
                201, await users.client.post("/domains", json: ["name": "Plant"], headers: home.bearer)
            ).json()
            func turn(_ verb: String, as who: TokenPair) async throws -> Int {
                try await users.client.post("/domains/\(domain.id)/\(verb)", text: "", headers: who.bearer).status
            }
            try await users.withVerifier { verifier in
                let inside = try await users.logIn("owner", domain: domain.id)
                #expect(try await turn("disable", as: home) == 200)
                try await eventually("tokens of the domain are refused") {
                    await refusal(inside.access_token, by: verifier) == "token-revoked"
                }
                #expect(await refusal(home.access_token, by: verifier) == nil)
            }
            let login = ["identity": "owner", "secret": "a long secret", "domain_id": domain.id]
            #expect(try await users.client.post("/users/tokens/issue", json: login).status == 403)
            #expect(try await turn("enable", as: home) == 200)
            _ = try await users.logIn("owner", domain: domain.id)

            // Frozen by the installation's administrator, it is not the owner's to enable.
            #expect(try await turn("freeze", as: home) == 403)
            #expect(try await turn("freeze", as: admin) == 200)
            #expect(try await turn("enable", as: home) == 403)
            #expect(try await turn("enable", as: admin) == 200)
        }
    }

    @Test func routesAreUniqueAndChecked() async throws {
        try await UsersFixture.with { users in
            try await users.register("owner")
            let pair = try await users.logIn("owner")
            func create(_ route: String) async throws -> Int {
                try await users.client.post("/domains", json: ["name": "x", "route": route], headers: pair.bearer)
                    .status
            }
            #expect(try await create("plant") == 201)
            #expect(try await create("plant") == 409)
            for route in ["", "Plant", "a b", "a/b", "*", ">", "#", DomainID.new().description] {
                #expect(try await create(route) == 400, "\(route)")
            }
        }
    }
}
