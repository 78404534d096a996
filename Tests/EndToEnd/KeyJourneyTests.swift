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
}
