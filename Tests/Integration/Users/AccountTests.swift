// SPDX-License-Identifier: Apache-2.0
// The names of JSON members are the API's, in snake case.
// swift-format-ignore-file: AlwaysUseLowerCamelCase

import Core
import Foundation
import Identity
import TestKit
import Testing

@Suite(.serialized) struct AccountTests {
    private struct Page: Decodable {
        var total: Int
        var offset: Int
        var limit: Int
        var next_cursor: String?
        var users: [EntityBody]
    }

    @Test func everyDialectRegistersAndLogsIn() async throws {
        try await UsersFixture.with { users in
            // D1: e-mail and password, a single token.
            struct D1Token: Decodable { var token: String }
            let d1 = try users.expect(
                201, await users.client.post("/users", json: ["email": "d1@example.com", "password": "d1 password"]))
            let created: EntityBody = try d1.json()
            #expect(d1.headers["location"] == "/users/\(created.id)")
            let single: D1Token = try users.expect(
                201, await users.client.post("/tokens", json: ["email": "d1@example.com", "password": "d1 password"])
            ).json()
            let profile: EntityBody = try users.expect(
                200, await users.client.get("/users/profile", headers: ["Authorization": "Bearer \(single.token)"])
            ).json()
            #expect(profile.id == created.id && profile.credentials?.identity == "d1@example.com")

            // D2: credentials, a pair; D4 logs in with other names.
            let d2 = try await users.register("device-owner")
            let pair = try await users.logIn("Device-Owner")
            #expect(pair.access_type == "Bearer")
            try users.expect(
                201,
                await users.client.post(
                    "/users/tokens/issue", json: ["username": "device-owner", "password": "a long secret"]))
            let own = try users.expect(200, await users.client.get("/users/\(d2.id)", headers: pair.bearer))
            #expect(!own.text.contains("secret") && !own.text.contains("scrypt"))
            // Another's account is not there for an ordinary user.
            #expect(try await users.client.get("/users/\(created.id)", headers: pair.bearer).status == 404)
            // The identity is taken, whatever its case.
            let again = ["email": "D1@Example.com", "password": "d1 password"]
            #expect(try await users.client.post("/users", json: again).status == 409)
        }
    }

    @Test func theFirstAdministratorIsThereAndSeesAll() async throws {
        try await UsersFixture.with { users in
            let admin = try await users.admin()
            for index in 0..<12 { try await users.register("user-\(index)") }
            func list(_ query: String) async throws -> Page {
                try users.expect(200, await users.client.get("/users\(query)", headers: admin.bearer)).json()
            }
            let first = try await list("")
            #expect(first.total == 13 && first.offset == 0 && first.limit == 10 && first.users.count == 10)
            let cursor = try #require(first.next_cursor)
            let second = try await list("?cursor=\(cursor)")
            #expect(second.users.count == 3 && second.next_cursor == nil)
            #expect(Set(first.users.map(\.id)).isDisjoint(with: second.users.map(\.id)))
            #expect(try await list("?offset=10&limit=2").users.map(\.id) == second.users.prefix(2).map(\.id))
            #expect(try await list("?name=SER-1&limit=100").total == 3, "user-1, user-10, user-11")
            #expect(try await list("?metadata=%7B%22absent%22%3A1%7D").total == 0)
            // Only administrators see the list.
            let ordinary = try await users.logIn("user-1")
            #expect(try await users.client.get("/users", headers: ordinary.bearer).status == 403)
        }
    }

    @Test func selfRegistrationCanBeClosed() async throws {
        try await UsersFixture.with(["self.register": false]) { users in
            let body = ["email": "x@example.com", "password": "password"]
            #expect(try await users.client.post("/users", json: body).status == 401)
            let admin = try await users.admin()
            try users.expect(201, await users.client.post("/users", json: body, headers: admin.bearer))
            let ordinary = try await users.logIn("x@example.com", secret: "password")
            let other = ["email": "y@example.com", "password": "password"]
            #expect(try await users.client.post("/users", json: other, headers: ordinary.bearer).status == 403)
        }
    }

    @Test func aUserIsChangedAndAPasswordReplaced() async throws {
        try await UsersFixture.with { users in
            let user = try await users.register("u")
            let pair = try await users.logIn("u")
            let other = try await users.logIn("u")
            let json = #"{"name":"New","tags":["a","b"],"metadata":{"k":{"n":1}}}"#
            let changed = try users.expect(
                200,
                await users.client.send("PATCH", "/users/\(user.id)", headers: pair.bearerJSON, body: Array(json.utf8)))
            #expect(try changed.json(EntityBody.self).name == "New" && changed.text.contains(#""n":1"#))

            func change(_ old: String) async throws -> Int {
                let body = Array(#"{"old_secret":"\#(old)","new_secret":"another secret"}"#.utf8)
                return try await users.client.send("PATCH", "/users/secret", headers: pair.bearerJSON, body: body)
                    .status
            }
            #expect(try await change("not it at all") == 403)
            #expect(try await change("a long secret") == 200)
            // The session that changed it goes on, the other one ended.
            #expect(try await users.client.get("/users/profile", headers: pair.bearer).status == 200)
            #expect(try await users.client.get("/users/profile", headers: other.bearer).status == 401)
            #expect(try await users.refresh(other.refresh_token).status == 401)
            _ = try await users.logIn("u", secret: "another secret")
        }
    }

    @Test func unknownUserAndWrongPasswordLookAlike() async throws {
        try await UsersFixture.with { users in
            try await users.register("known")
            func attempt(_ identity: String) async throws -> HTTPClient.Response {
                try await users.client.post(
                    "/users/tokens/issue", json: ["identity": identity, "secret": "wrong secret"])
            }
            let wrong = try await attempt("known")
            let unknown = try await attempt("unknown")
            #expect(wrong.status == 401 && unknown.status == 401)
            let first: ProblemBody = try wrong.json()
            let second: ProblemBody = try unknown.json()
            #expect(first.error == second.error && first.reason == second.reason)
            #expect(wrong.headers["www-authenticate"]?.hasPrefix("Bearer") == true)
        }
    }

    @Test func guessingIsSlowedForOneIdentityAndSuccessIsNot() async throws {
        try await UsersFixture.with(["logins.per.minute": 5]) { users in
            try await users.register("target")
            for _ in 0..<20 { _ = try await users.logIn("target") }
            var answers: [HTTPClient.Response] = []
            // However slow the machine: nobody waits for an answer before the next guess.
            try await withThrowingTaskGroup(of: HTTPClient.Response.self) { group in
                for _ in 0..<30 {
                    group.addTask {
                        try await users.client.post(
                            "/users/tokens/issue", json: ["identity": "target", "secret": "wrong secret"])
                    }
                }
                for try await answer in group { answers.append(answer) }
            }
            #expect(answers.allSatisfy { $0.status == 401 || $0.status == 429 })
            #expect(answers.contains { $0.status == 401 })
            let limited = try #require(answers.first { $0.status == 429 })
            let seconds = try #require(limited.headers["retry-after"].flatMap { Int($0) })
            #expect((1...12).contains(seconds))
            // Others are not punished for it.
            try await users.register("bystander")
            _ = try await users.logIn("bystander")
        }
    }
}
