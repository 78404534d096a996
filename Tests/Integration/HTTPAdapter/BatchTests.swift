// SPDX-License-Identifier: Apache-2.0
import Core
import Messaging
import NIOCore
import TestKit
import Testing

@Suite("HTTP adapter: batches")
struct BatchTests {
    private static let type = "application/x-ndjson"

    @Test("each line is a message of its own: packs as SenML, the rest as JSON")
    func lines() async throws {
        try await withAdapter { stack in
            let body = "[{\"n\":\"t\",\"v\":1},{\"n\":\"u\",\"v\":2}]\r\n\n{\"a\":[1]}\n 3\n\"text\"\n\n"
            let response = try await stack.answer(
                to: stack.request(path: stack.path + "/hall", contentType: Self.type, body: body))
            #expect(response.status == 202, "\(response.body)")
            #expect(response.fields["martlet-sequence"] == "1")
            #expect(response.fields["martlet-last-sequence"] == "4")
            #expect(response.fields["martlet-messages"] == "4")
            #expect(response.fields["idempotency-replayed"] == nil)
            let stored = try await stack.stored()
            #expect(stored.map(\.message.contentType) == [.senmlJSON, .json, .json, .json])
            #expect(
                stored.map { String(buffer: $0.message.payload) }
                    == ["[{\"n\":\"t\",\"v\":1},{\"n\":\"u\",\"v\":2}]\r", "{\"a\":[1]}", " 3", "\"text\""])
            #expect(Set(stored.map(\.message.subtopic)) == ["hall"])
        }
    }

    @Test("one bad line and nothing is published; the answer names it")
    func allOrNothing() async throws {
        try await withAdapter(["thing-messages-per-second": "1"]) { stack in
            let good = #"[{"n":"t","v":1}]"#
            let cases: [(body: String, status: Int, reason: String, line: String?)] = [
                ("\(good)\n\n\(good)\n{\"a\":", 400, "json-truncated", "4"),
                ("\(good)\n[{\"n\":\"t\",\"v\":\"x\"}]", 400, "senml-wrong-type", "2"),
                ("\(good)\n[]", 400, "senml-empty", "2"),
                ("\n \n\r\n", 400, "batch-empty", nil),
                ("", 400, "batch-empty", nil),
                (String(repeating: "1\n", count: 1001), 413, "batch-too-long", "1001"),
                (String(repeating: "1\n", count: 1000), 429, "thing-rate-limit", nil),
            ]
            for (body, status, reason, line) in cases {
                let response = try await stack.answer(to: stack.request(contentType: Self.type, body: body))
                #expect(response.status == status, "\(reason)")
                #expect(response.reason == reason)
                if let line { #expect(response.member("line") == line, "\(reason)") }
            }
            #expect(try await stack.stored().isEmpty)
        }
    }

    @Test("a batch of the greatest length, and its retry by the same key")
    func idempotency() async throws {
        try await withAdapter { stack in
            let body = (1...1000).map { "{\"v\":\($0)}\n" }.joined()
            let request = stack.request(contentType: Self.type, fields: ["Idempotency-Key: b"], body: body)
            let first = try await stack.answer(to: request)
            #expect(first.status == 202)
            #expect(first.fields["martlet-last-sequence"] == "1000")
            let again = try await stack.answer(to: request)
            #expect(again.status == 202)
            #expect(again.fields["martlet-sequence"] == "1")
            #expect(again.fields["martlet-last-sequence"] == "1000")
            #expect(again.fields["idempotency-replayed"] == "true")
            // As after a batch of which the bus took a part: what is new is stored, what was there is not stored again.
            let longer = stack.request(
                contentType: Self.type, fields: ["Idempotency-Key: c"], body: "1\n2\n")
            let part = stack.request(contentType: Self.type, fields: ["Idempotency-Key: c"], body: "1\n")
            #expect(try await stack.answer(to: part).fields["martlet-sequence"] == "1001")
            let whole = try await stack.answer(to: longer)
            #expect(whole.fields["martlet-sequence"] == "1001")
            #expect(whole.fields["martlet-last-sequence"] == "1002")
            #expect(whole.fields["idempotency-replayed"] == nil)
            #expect(try await stack.stored().count == 1002)
        }
    }

    @Test("with the bus away nothing is promised")
    func busAway() async throws {
        try await withAdapter(["acknowledgement-timeout-milliseconds": "300"]) { stack in
            let request = stack.request(contentType: Self.type, body: "1\n2\n")
            #expect(try await stack.answer(to: request).status == 202)
            stack.bus.suspend()
            #expect(try await stack.answer(to: request).reason == "acknowledgement-overdue")
            await stack.bus.kill()
            try await eventually("the adapter says that the bus is away") {
                try await stack.answer(to: request).reason == "bus-unavailable"
            }
        }
    }
}
