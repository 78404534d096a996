// SPDX-License-Identifier: Apache-2.0
import Foundation
import TestKit
import Testing

/// A member whose role in the domain grants next to nothing works in one group of things, through `users`, `things`,
/// the reader and live streams.
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
        let adminToken = try await stack.adminToken(domain: domain)
        let admin = ["Authorization": "Bearer \(adminToken)"]
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
        let device = try await stack.makeDevice(token: adminToken)
        let messages = "\(device.publishPath)?limit=1"
        let reader = stack.client("reader-postgres", headers: ["Authorization": "Bearer \(token)"])
        try Stack.expect(403, await reader.get(messages), "read beside the group")
        let parent = #"{"parent_id":"\#(line)"}"#
        try Stack.expect(
            200, await things.post("/channels/\(device.channel)/parent", text: parent, headers: Self.json), "move")
        let sent = try await stack.client("http-adapter").post(
            device.publishPath, text: #"[{"n":"pressure","v":4}]"#,
            headers: device.authorization.merging(["Content-Type": "application/senml+json"]) { $1 })
        try Stack.expect(202, sent, "publish")
        try await eventually("the message can be read") {
            try Stack.expect(200, await reader.get(messages), "read below the group").text.contains("pressure")
        }
        let events = try await wire(stack.ports["http-adapter"] ?? 0) { port in
            try EventClient(port: port, path: device.publishPath, fields: ["Authorization: Bearer \(token)"])
        }
        #expect(events.response.status == 200)
        let list = try await own.get("/things").text
        #expect(list.contains(inside) && !list.contains(outside), "\(list)")
        #expect(try await rename(own, inside) == 200)
        #expect(try await rename(own, outside) == 404)

        async let ended = wire(events) { client in (try client.next(), ContinuousClock.now) }
        try Stack.expect(
            204, await things.post("/groups/\(hall)/users/unassign", text: grant, headers: Self.json), "take it back")
        let limit = ContinuousClock.now + .seconds(1)
        // Not even a page more is read.
        try Stack.expect(403, await reader.get(messages), "read without a role")
        let (end, endedAt) = try await ended
        #expect(end?.name == "end")
        #expect(end?.member("reason") == "action-not-granted", "\(end?.data ?? "")")
        #expect(endedAt <= limit, "the stream ended too late")
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
