// SPDX-License-Identifier: Apache-2.0
import Foundation
import TestKit
import Testing

/// `martlet trace`: where a message got to, and why it, or a part of it, is not in the database.
@Suite(.serialized) struct CLITraceTests {
    @Test func refusedMessagesSayWhy() async throws {
        let stack = try await Stack.start()
        let door = try await FrontDoor.start(stack)
        let client = try MartletClient(url: door.url)
        try await client.expect(
            0, "login", "--identity", Stack.adminEmail, "--password-stdin", input: Stack.adminPassword + "\n")
        try await client.expect(0, "things", "create", "press")
        try await client.expect(0, "channels", "create", "hall", "--route", "hall")
        try await client.expect(0, "connect", "press", "hall")

        // Accepted, as it is JSON; refused by what stores it.
        let whole = try await publish(client, #"{"label":"\u0000"}"#, "json")
        let partial = try await publish(
            client, #"[{"n":"a","v":1},{"n":"b","vs":"x\u0000"},{"n":"c","v":3}]"#, "application/senml+json")
        let stored = try await publish(client, #"{"label":"fine"}"#, "json")
        try await eventually("the last one is stored") {
            try await client.run(["trace", "hall", "\(stored)"]).status == .exited(0)
        }

        let lost = try await client.expect(1, "trace", "hall", "\(whole)", "--json").json()
        #expect(Self.state(lost, "log") == "found")
        #expect(Self.state(lost, "database") == "missing")
        #expect(Self.state(lost, "dead_letters") == "refused")
        let letter = try #require((lost["letters"] as? [[String: Any]])?.first)
        #expect(letter["reason"] as? String == "null-character")
        #expect(letter["payload"] as? String == Data(#"{"label":"\u0000"}"#.utf8).base64EncodedString())
        let table = try await client.expect(1, "trace", "hall", "\(whole)")
        #expect(table.output.contains("refused") && table.output.contains("null-character: A text holds"))

        let half = try await client.expect(5, "trace", "hall", "\(partial)", "--json").json()
        #expect((half["stored"] as? [[String: Any]])?.map { $0["name"] as? String } == ["a", "c"])
        let detail = (half["database"] as? [String: Any])?["detail"] as? String
        #expect(detail == "2 of 3 records; missing: b")
        #expect((half["letters"] as? [[String: Any]])?.first?["record"] as? Int == 1)

        let good = try await client.expect(0, "trace", "hall", "\(stored)", "--json").json()
        #expect(Self.state(good, "dead_letters") == "none")
        #expect((good["stored"] as? [Any])?.count == 1)

        let now = ISO8601DateFormatter().string(from: Date())
        let about = try await client.expect(5, "trace", "hall", "--at", now, "--within", "3600", "--json").json()
        #expect((about["letters"] as? [Any])?.count == 2)
        // A thing may see what it may subscribe to.
        try await client.expect(1, "trace", "hall", "\(whole)", "--thing", "press")
        try await client.expect(1, "trace", "hall", "0")
        try await stack.stop()
    }

    private func publish(_ client: MartletClient, _ payload: String, _ type: String) async throws -> Int {
        let answer = try await client.expect(
            0, "publish", "hall", "--file", "-", "--type", type, "--json", input: payload)
        return try #require(answer.json()["sequence"] as? Int)
    }

    private static func state(_ trace: [String: Any], _ station: String) -> String? {
        (trace[station] as? [String: Any])?["state"] as? String
    }
}
