// SPDX-License-Identifier: Apache-2.0
// The names of JSON members are the API's, in snake case.
// swift-format-ignore-file: AlwaysUseLowerCamelCase

import Core
import Foundation
import Identity
import TestKit
import Testing

/// Roles of named actions, given to members and to groups of them.
@Suite(.serialized) struct RoleTests {
    struct Entity: Decodable {
        var id: String
        var actions: [String]?
        var role: String?
        var role_ids: [String]?
    }

    struct Members: Decodable {
        var total: Int
        var users: [Entity]?
        var members: [Entity]?
    }

    /// An owner with a domain of the own and a guest in it.
    private struct Place {
        var users: UsersFixture
        var owner: TokenPair
        var guestID: String
        var path: String
        var domain: String

        func role(_ name: String, _ actions: [String]) async throws -> Entity {
            let list = actions.map { "\"\($0)\"" }.joined(separator: ",")
            let body = #"{"role_name":"\#(name)","optional_actions":[\#(list)]}"#
            return try users.expect(201, await users.send("POST", path + "/roles", body, as: owner)).json()
        }

        func assign(_ role: String, to user: String? = nil, as who: TokenPair? = nil) async throws -> Int {
            let body = #"{"user_ids":["\#(user ?? guestID)"],"role":"\#(role)"}"#
            return try await users.send("POST", path + "/users/assign", body, as: who ?? owner).status
        }

        var guest: TokenPair { get async throws { try await users.logIn("guest", domain: domain) } }

        var list: String { #"{"user_ids":["\#(guestID)"]}"# }

        func isAlive(_ token: TokenPair) async throws -> Bool {
            try await users.send("GET", "/users/profile", as: token).status == 200
        }
    }

    private static func with(_ body: (Place) async throws -> Void) async throws {
        try await UsersFixture.with { users in
            let owner = try await users.register("owner")
            let guest = try await users.register("guest")
            let domain = try #require(owner.default_domain)
            try await body(
                Place(
                    users: users, owner: try await users.logIn("owner"), guestID: guest.id,
                    path: "/domains/\(domain)", domain: domain))
        }
    }

    @Test func theActionsAreListed() async throws {
        try await Self.with { place in
            struct Available: Decodable {
                struct BuiltIn: Decodable {
                    var role: String
                    var actions: [String]
                }
                var available_actions: [String]
                var built_in: [BuiltIn]
            }
            let answer = try await place.users.send("GET", "/domains/roles/available-actions", as: place.owner)
            let available: Available = try place.users.expect(200, answer).json()
            #expect(available.available_actions.contains("things:write"))
            let actions = Dictionary(uniqueKeysWithValues: available.built_in.map { ($0.role, Set($0.actions)) })
            #expect(actions["admin"] == Set(available.available_actions))
            #expect(actions["viewer"]?.allSatisfy { $0.hasSuffix(":read") } == true)
            #expect(actions["editor"]?.contains("domain:manage") == false)
        }
    }

    @Test func aCustomRoleIsInTheTokenAndHoldsElsewhere() async throws {
        try await Self.with { place in
            let users = place.users
            try await users.withThings { things, ready in
                try await ready(place.owner)
                func status(_ method: String, _ path: String, _ json: String = "", as who: TokenPair) async throws
                    -> Int
                {
                    try await things.send(method, path, headers: who.bearerJSON, body: Array(json.utf8)).status
                }
                let role = try await place.role("operator", ["things:read", "messages:read"])
                #expect(try await place.assign(role.id) == 201)
                let guest = try await place.guest
                #expect(try await status("GET", "/things", as: guest) == 200)
                #expect(try await status("POST", "/things", #"{"name":"t"}"#, as: guest) == 403)
                #expect(try await status("GET", "/channels", as: guest) == 403)
                // More: the session goes on, and knows it when it is refreshed.
                let path = place.path + "/roles/\(role.id)"
                let write = #"{"actions":["things:write"]}"#
                try users.expect(200, await users.send("POST", path + "/actions", write, as: place.owner))
                #expect(try await place.isAlive(guest))
                let refreshed: TokenPair = try users.expect(201, await users.refresh(guest.refresh_token)).json()
                #expect(try await status("POST", "/things", #"{"name":"t"}"#, as: refreshed) == 201)
                // Less: the session ends, everywhere.
                try users.expect(200, await users.send("POST", path + "/actions/delete", write, as: place.owner))
                #expect(try await !place.isAlive(refreshed))
                try await eventually("things refuses it") { try await status("GET", "/things", as: refreshed) == 401 }
                let last = try await place.guest
                #expect(try await status("POST", "/things", #"{"name":"t"}"#, as: last) == 403)
                // A built-in role beside it: both count.
                #expect(try await place.assign("viewer") == 201)
                let viewer = try await place.guest
                #expect(try await status("GET", "/channels", as: viewer) == 200)
                try users.expect(204, await users.send("DELETE", path, as: place.owner))
                #expect(try await !place.isAlive(viewer))
                #expect(try await status("GET", "/things", as: try await place.guest) == 200)
            }
        }
    }

    @Test func rolesAreChecked() async throws {
        try await Self.with { place in
            let users = place.users
            _ = try await place.role("one", [])
            let bad = [
                #"{"name":"ONE"}"#: 409, #"{"name":"admin"}"#: 400, #"{"name":"Viewer"}"#: 400, #"{"name":""}"#: 400,
                #"{"name":"x","actions":["things:fly"]}"#: 400, #"{"actions":[]}"#: 400,
                #"{"name":"\#(UserID.new())"}"#: 400, #"{"name":"x","members":["\#(place.guestID)"]}"#: 422,
                #"{"name":"x","members":["\#(UserID.new())"]}"#: 422, #"{"name":"a\u202eb"}"#: 400,
            ]
            for (body, status) in bad {
                let answer = try await users.send("POST", place.path + "/roles", body, as: place.owner)
                #expect(answer.status == status, "\(body): \(answer.text)")
            }
            #expect(try await place.assign(UserID.new().description) == 422)
            #expect(try await place.assign("none") == 400)
            // What a refused role would have changed is not changed: the guest is no member.
            #expect(try await users.send("GET", place.path + "/users", as: place.owner).json(Members.self).total == 1)
            let renamed = try await place.role("two", ["things:read"])
            let path = place.path + "/roles/\(renamed.id)"
            #expect(try await users.send("PUT", path, #"{"name":"One"}"#, as: place.owner).status == 409)
            try users.expect(200, await users.send("PUT", path, #"{"name":"three"}"#, as: place.owner))
            // A role of another domain does not exist here.
            let guest = try await users.logIn("guest")
            let own = try #require(
                try await users.send("GET", "/users/profile", as: guest).json(EntityBody.self).default_domain)
            #expect(try await users.send("GET", "/domains/\(own)/roles/\(renamed.id)", as: guest).status == 404)
            let foreign = #"{"user_ids":["\#(place.guestID)"],"role":"\#(renamed.id)"}"#
            #expect(try await users.send("POST", "/domains/\(own)/users/assign", foreign, as: guest).status == 422)
        }
    }

    /// Who manages members gives and takes no more than the own rights.
    @Test func nobodyGivesWhatHeHasNot() async throws {
        try await Self.with { place in
            let users = place.users
            let manager = try await place.role("manager", ["users:manage", "users:read", "things:read", "domain:read"])
            let small = try await place.role("small", ["things:read"])
            let large = try await place.role("large", ["things:write"])
            #expect(try await place.assign(manager.id) == 201)
            let third = try await users.register("third")
            let guest = try await place.guest
            #expect(try await place.assign("admin", as: guest) == 403, "not the own promotion")
            #expect(try await place.assign("viewer", to: third.id, as: guest) == 403)
            #expect(try await place.assign(large.id, to: third.id, as: guest) == 403)
            #expect(try await place.assign(large.id, as: guest) == 403)
            #expect(try await place.assign(small.id, to: third.id, as: guest) == 201)
            let members = place.path + "/roles/\(large.id)/members"
            #expect(try await users.send("POST", members, place.list, as: guest).status == 403)
            let owner = try await users.send("GET", "/users/profile", as: place.owner).json(EntityBody.self)
            let remove = #"{"user_ids":["\#(owner.id)"]}"#
            #expect(try await users.send("POST", place.path + "/users/unassign", remove, as: guest).status == 403)
            let create = #"{"name":"x","actions":["things:read"]}"#
            #expect(try await users.send("POST", place.path + "/roles", create, as: guest).status == 403)
            let widen = #"{"actions":["domain:manage"]}"#
            let actions = place.path + "/roles/\(manager.id)/actions"
            #expect(try await users.send("POST", actions, widen, as: guest).status == 403)
            // Nor by way of a group.
            let group: Entity = try users.expect(
                201, await users.send("POST", place.path + "/groups", #"{"name":"g"}"#, as: guest)
            ).json()
            let roles = place.path + "/groups/\(group.id)/roles"
            #expect(try await users.send("PUT", roles, #"{"role":"editor"}"#, as: guest).status == 403)
            #expect(try await users.send("PUT", roles, #"{"role_ids":["\#(large.id)"]}"#, as: guest).status == 403)
            try users.expect(200, await users.send("PUT", roles, #"{"role_ids":["\#(small.id)"]}"#, as: guest))
            try users.expect(200, await users.send("PUT", roles, #"{"role":"editor"}"#, as: place.owner))
            let join = place.path + "/groups/\(group.id)/users/assign"
            #expect(try await users.send("POST", join, place.list, as: guest).status == 403)
        }
    }

    @Test func aGroupsRolesAreItsMembers() async throws {
        try await Self.with { place in
            let users = place.users
            let role = try await place.role("operator", ["twins:write"])
            let group: Entity = try users.expect(
                201,
                await users.send(
                    "POST", place.path + "/groups", #"{"name":"shift","metadata":{"n":1}}"#, as: place.owner)
            ).json()
            let path = place.path + "/groups/\(group.id)"
            #expect(try await users.send("POST", path + "/users/assign", place.list, as: place.owner).status == 422)
            let twice = try await users.send("POST", place.path + "/groups", #"{"name":"SHIFT"}"#, as: place.owner)
            #expect(twice.status == 409)
            #expect(try await place.assign("viewer") == 201)
            try users.expect(204, await users.send("POST", path + "/users/assign", place.list, as: place.owner))
            let both = #"{"role":"editor","role_ids":["\#(role.id)"]}"#
            let set: Entity = try users.expect(200, await users.send("PUT", path + "/roles", both, as: place.owner))
                .json()
            #expect(set.role == "editor" && set.role_ids == [role.id])
            try await users.withVerifier { verifier in
                let guest = try await place.guest
                let principal = try await verifier.verify(guest.access_token)
                #expect(principal.role == .editor && principal.allows(.twinsWrite) && !principal.allows(.usersManage))
                let less = #"{"role_ids":["\#(role.id)"]}"#
                try users.expect(200, await users.send("PUT", path + "/roles", less, as: place.owner))
                #expect(try await !place.isAlive(guest))
                let again = try await place.guest
                let narrower = try await verifier.verify(again.access_token)
                #expect(narrower.role == .viewer && narrower.allows(.twinsWrite) && !narrower.allows(.thingsWrite))
                let members: Members = try users.expect(
                    200, await users.send("GET", path + "/users", as: again)
                ).json()
                #expect(members.users?.map(\.id) == [place.guestID])
                try users.expect(204, await users.send("POST", path + "/users/unassign", place.list, as: place.owner))
                #expect(try await !place.isAlive(again))
                // A group that goes takes its rights along.
                try users.expect(204, await users.send("POST", path + "/users/assign", place.list, as: place.owner))
                let last = try await place.guest
                try users.expect(204, await users.send("DELETE", path, as: place.owner))
                #expect(try await !place.isAlive(last))
                let alone = try await verifier.verify(try await place.guest.access_token)
                #expect(alone.role == .viewer && alone.grants == nil)
            }
            // Who leaves the domain leaves its groups and roles.
            try users.expect(
                204, await users.send("POST", place.path + "/users/unassign", place.list, as: place.owner))
            #expect(try await place.assign("viewer") == 201)
            let listed = try users.expect(
                200, await users.send("GET", place.path + "/users?name=GUEST", as: place.owner))
            #expect(try listed.json(Members.self).users?.first?.role_ids == [])
        }
    }

    @Test func aDomainKeepsAnAdministrator() async throws {
        try await Self.with { place in
            let users = place.users
            let owner = try await users.send("GET", "/users/profile", as: place.owner).json(EntityBody.self)
            let own = #"{"user_ids":["\#(owner.id)"]}"#
            let alone = try await users.send("POST", place.path + "/users/unassign", own, as: place.owner)
            #expect(alone.problem?.reason == "last-administrator")
            #expect(try await place.assign("viewer", to: owner.id) == 422)
            #expect(try await place.isAlive(place.owner), "what was refused ended no session")
            // Each takes the other's right, at the same time: one of them stays.
            #expect(try await place.assign("admin") == 201)
            let guest = try await place.guest
            async let one = users.send("POST", place.path + "/users/unassign", own, as: guest).status
            async let two = users.send("POST", place.path + "/users/unassign", place.list, as: place.owner).status
            let statuses = try await [one, two].sorted()
            #expect(statuses[0] == 204 && [401, 403, 404, 422].contains(statuses[1]), "\(statuses)")
        }
    }

    /// A login that looked up its rights before they changed does not become a session with those of before.
    @Test func noSessionBeginsWithRightsOfBefore() async throws {
        try await Self.with { place in
            struct Claims: Decodable { var role: String }
            for round in 0..<20 {
                let role = round.isMultiple(of: 2) ? "viewer" : "editor"
                async let change = place.assign(role)
                async let login = place.users.client.post(
                    "/users/tokens/issue",
                    json: ["identity": "guest", "secret": "a long secret", "domain_id": place.domain])
                #expect(try await change == 201)
                guard let pair = try? await login.json(TokenPair.self), try await place.isAlive(pair) else { continue }
                let parts = pair.access_token.split(separator: ".")
                let claims = try JSONDecoder().decode(Claims.self, from: try #require(Base64URL.decode(parts[1])))
                #expect(claims.role == role, "round \(round)")
            }
        }
    }
}
