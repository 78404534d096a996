// SPDX-License-Identifier: Apache-2.0
import Foundation
import TestKit
import Testing

/// A member whose role in the domain grants next to nothing works in one group of things, through `users` and `things`.
@Suite(.serialized) struct GroupJourneyTests {
    private struct Created: Decodable { let id: String }
    private struct Token: Decodable {
        enum CodingKeys: String, CodingKey { case accessToken = "access_token" }
        let accessToken: String
    }
    private static let json = ["Content-Type": "application/json"]

    @Test func aRoleOnAGroupReachesWhatIsBelowItAndNothingElse() async throws {
        let stack = try await Stack.start(settings: ["users": ["MARTLET_USERS_PASSWORD_COST": "10"]])
        let plain = stack.client("users", headers: ["Authorization": "Bearer \(try await stack.adminToken())"])
        let domain = try await create(plain, "/domains", #"{"name":"plant"}"#)
        let admin = ["Authorization": "Bearer \(try await stack.adminToken(domain: domain))"]
        let (users, things) = (stack.client("users", headers: admin), stack.client("things", headers: admin))

        let login = #""identity":"fitter@example.com","secret":"torque wrench 17""#
        let person = try await create(users, "/users", "{\"name\":\"fitter\",\"credentials\":{\(login)}}")
        let role = try await create(
            users, "/domains/\(domain)/roles", #"{"name":"visitor","actions":["domain:read"]}"#)
        let assignment = #"{"user_ids":["\#(person)"],"role":"\#(role)"}"#
        try Stack.expect(
            201, await users.post("/domains/\(domain)/users/assign", text: assignment, headers: Self.json), "assign")

        let hall = try await create(things, "/groups", #"{"name":"hall 3"}"#)
        let line = try await create(things, "/groups", #"{"name":"line 1","parent_id":"\#(hall)"}"#)
        let inside = try await create(things, "/things", #"{"name":"press","parent_group_id":"\#(line)"}"#)
        let outside = try await create(things, "/things", #"{"name":"boiler"}"#)
        let grant = #"{"user_ids":["\#(person)"],"relation":"editor"}"#
        try Stack.expect(
            201, await things.post("/groups/\(hall)/users/assign", text: grant, headers: Self.json), "give a role")

        let tokens = try await stack.client("users").post(
            "/users/tokens/issue", text: "{\(login),\"domain_id\":\"\(domain)\"}", headers: Self.json)
        let token = try Stack.expect(201, tokens, "log in").json(Token.self).accessToken
        let own = stack.client("things", headers: ["Authorization": "Bearer \(token)"])
        #expect(try await own.get("/things/\(inside)").status == 200)
        #expect(try await own.get("/things/\(outside)").status == 404)
        let list = try await own.get("/things").text
        #expect(list.contains(inside) && !list.contains(outside), "\(list)")
        #expect(try await rename(own, inside) == 200)
        #expect(try await rename(own, outside) == 404)

        try Stack.expect(
            204, await things.post("/groups/\(hall)/users/unassign", text: grant, headers: Self.json), "take it back")
        #expect(try await own.get("/things/\(inside)").status == 404)
        #expect(try await rename(own, inside) == 404)
        try await stack.stop()
    }

    private func create(_ client: HTTPClient, _ path: String, _ body: String) async throws -> String {
        try Stack.expect(201, await client.post(path, text: body, headers: Self.json), "POST \(path)")
            .json(Created.self).id
    }

    private func rename(_ client: HTTPClient, _ thing: String) async throws -> Int {
        try await client.send("PATCH", "/things/\(thing)", headers: Self.json, body: Array(#"{"name":"x"}"#.utf8))
            .status
    }
}
