// SPDX-License-Identifier: Apache-2.0
import Foundation
import TestKit
import Testing

/// A program's key through all services: it reads what its scopes say, and nothing once it is taken back.
@Suite(.serialized) struct KeyJourneyTests {
    private struct Key: Decodable {
        let id: String
        let secret: String
    }

    @Test func aKeyReadsOneChannelUntilItIsTakenBack() async throws {
        let stack = try await Stack.start()
        let token = try await stack.adminToken()
        let device = try await stack.makeDevice(token: token)
        let other = try await stack.makeDevice(token: token)
        let adapter = stack.client("http-adapter")
        for device in [device, other] {
            let headers = device.authorization.merging(["Content-Type": "application/senml+json"]) { $1 }
            let answer = try await adapter.post(device.publishPath, text: #"[{"n":"t","v":1}]"#, headers: headers)
            try Stack.expect(202, answer, "publish")
        }
        let users = stack.client("users", headers: ["Authorization": "Bearer \(token)"])
        let scopes =
            #"{"name":"dashboard","duration":"1h","scopes":[{"action":"messages:read","entity_ids":["\#(device.channel)"]}]}"#
        let made = try await users.post("/pats", text: scopes, headers: ["Content-Type": "application/json"])
        let key: Key = try Stack.expect(201, made, "make a key").json()
        let bearer = ["Authorization": "Bearer \(key.secret)"]
        let (reader, things) = (
            stack.client("reader-postgres", headers: bearer), stack.client("things", headers: bearer)
        )

        try await eventually("the key reads the channel") {
            let answer = try await reader.get(device.publishPath)
            return answer.status == 200 && answer.text.contains(#""total":1"#)
        }
        #expect(try await reader.get(other.publishPath).status == 403)
        #expect(try await things.get("/things").status == 403)
        #expect(try await things.get("/channels/\(device.channel)").status == 403)
        #expect(try await stack.client("users", headers: bearer).get("/pats").status == 403)

        let begin = ContinuousClock.now
        try Stack.expect(204, await users.send("DELETE", "/pats/\(key.id)"), "take the key back")
        try await eventually("the key is refused", interval: .milliseconds(2)) {
            try await reader.get(device.publishPath).status == 401
        }
        print("a key was refused by the reader \(ContinuousClock.now - begin) after its revocation was asked for")
        // Each service hears of it by itself.
        try await eventually("the key is refused by things too", interval: .milliseconds(2)) {
            try await things.get("/things").status == 401
        }
        try await stack.stop()
    }

    /// A search is a POST, because its parameters do not fit a query; it changes nothing all the same.
    @Test func aKeyThatOnlyReadsMaySearch() async throws {
        let stack = try await Stack.start()
        let token = try await stack.adminToken()
        let device = try await stack.makeDevice(token: token)
        let users = stack.client("users", headers: ["Authorization": "Bearer \(token)"])
        let json = ["Content-Type": "application/json"]
        let body = #"{"name":"inventory","scopes":[{"action":"things:read"}]}"#
        let made = try await users.post("/pats", text: body, headers: json)
        let key: Key = try Stack.expect(201, made, "make a key").json()
        let things = stack.client("things", headers: ["Authorization": "Bearer \(key.secret)"])
        let found = try await things.post("/things/search", text: "{}", headers: json)
        #expect(found.status == 200 && found.text.contains(device.thing), "\(found.status) \(found.text)")
        let path = "/things/\(device.thing)"
        #expect(try await things.get(path).status == 200)
        #expect(try await things.send("PATCH", path, headers: json, body: Array(#"{"name":"x"}"#.utf8)).status == 403)
        #expect(try await things.post("/things", text: "{}", headers: json).status == 403)
        #expect(try await things.get("/channels").status == 403)
        try await stack.stop()
    }
}
