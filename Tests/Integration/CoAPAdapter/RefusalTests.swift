// SPDX-License-Identifier: Apache-2.0
import Foundation
import TestKit
import Testing

@Suite("CoAP adapter: refusals")
struct RefusalTests {
    @Test("Every refusal has its code, its words, and its counter")
    func codes() async throws {
        try await withCoAP(["payload-maximum-bytes": "100"]) { stack in
            let client = try CoAPClient(port: stack.port)
            let key = "auth=\(stack.things.publisher.key)"
            func post(_ path: [String], _ query: [String]) -> CoAPMessage {
                CoAPMessage(.confirmable, CoAPMessage.post, path: path, query: query)
            }
            var conditional = stack.post("a")
            conditional.options.append((5, []))
            var critical = stack.post("a")
            critical.options.append((9, [1]))
            var repeated = stack.post("a", format: 50)
            repeated.options.append((12, [42]))
            let cases: [(CoAPMessage, String, String)] = [
                (post(stack.path(), []), "4.01", "missing-credential"),
                (post(stack.path(), ["auth=nobody"]), "4.01", "unknown-key"),
                (post(stack.path(), [key, key]), "4.00", "query-repeated"),
                (stack.post("a", key: stack.things.listener.key), "4.03", "publish-not-allowed"),
                (
                    post(["channels", "00000000-0000-4000-8000-000000000000", "messages"], [key]), "4.04",
                    "unknown-channel"
                ),
                (post(["nothing", "here"], [key]), "4.04", "path-unknown"),
                (post([], [key]), "4.04", "path-unknown"),
                (post(stack.path(["a.b"]), [key]), "4.00", "path-dot"),
                (post(stack.path(["+"]), [key]), "4.00", "path-wildcard"),
                (post(["things", "\(stack.things.publisher.id)", "state"], [key]), "4.04", "thing-path"),
                (CoAPMessage(.confirmable, CoAPMessage.delete, path: stack.path(), query: [key]), "4.05", "method"),
                (CoAPMessage(.confirmable, 5, path: stack.path(), query: [key]), "4.05", "method"),
                (conditional, "4.12", "conditional"),
                (repeated, "4.02", "option-malformed"),
                (stack.post("a", format: 40), "2.04", ""),
                (stack.post("a", format: 99), "4.15", "content-format"),
                (stack.post("no senml", format: 110), "4.00", "senml-json-syntax"),
                (stack.post(String(repeating: "x", count: 101)), "4.13", "payload-too-large"),
            ]
            for (request, code, reason) in cases {
                let answer = try await client.exchange(request)
                #expect(answer.codeText == code, "\(reason): \(answer.text)")
                #expect(answer.kind == .acknowledgement)
                #expect(answer.token == request.token)
                guard !reason.isEmpty else { continue }
                #expect(!answer.text.isEmpty, "\(reason)")
                #expect(
                    try await stack.metric(#"martlet_coap_refused_total{reason="\#(reason)"}"#) > 0, "\(answer.text)")
                if code == "4.13" { #expect(answer.uint(60) == 100) }
            }
            // What must be understood and is not is refused by the library, before anything of it is looked at.
            #expect(try await client.exchange(critical).codeText == "4.02")
            #expect(try await stack.stored().count == 1)
            #expect(try await stack.metric(#"martlet_coap_responses_total{code="4.01"}"#) == 2)
        }
    }

    @Test("With rates spent 4.29, and with the bus away 5.03, both with Max-Age")
    func later() async throws {
        try await withCoAP(["thing-messages-per-second": "1"]) { stack in
            let client = try CoAPClient(port: stack.port)
            var answer = try await client.exchange(stack.post("a"))
            for _ in 0..<50 where answer.codeText == "2.04" { answer = try await client.exchange(stack.post("a")) }
            #expect(answer.codeText == "4.29")
            #expect(try #require(answer.uint(14)) >= 1)
            await stack.bus.kill()
            let other = stack.things.sender.key
            try await eventually("the adapter says that the bus is away") {
                let answer = try await client.exchange(stack.post("a", key: other))
                guard answer.kind == .acknowledgement, answer.codeText == "5.03" else { return false }
                return answer.uint(14) == 1 && !answer.text.isEmpty
            }
            try stack.startBusAgain()
        }
    }

    @Test("What is no CoAP, or half of it, is passed over, and the adapter goes on")
    func malformed() async throws {
        try await withCoAP { stack in
            let client = try CoAPClient(port: stack.port)
            let good = stack.post("good").bytes
            for length in 0..<good.count { client.send(Array(good.prefix(length))) }
            for seed in 0..<2_000 {
                var bytes = good
                var random = UInt32(truncatingIfNeeded: seed &* 2_654_435_761) | 1
                for _ in 0...(seed % 4) {
                    random = random &* 1_664_525 &+ 1_013_904_223
                    bytes[Int(random >> 8) % bytes.count] = UInt8(truncatingIfNeeded: random >> 3)
                }
                client.send(bytes)
            }
            let other = try CoAPClient(port: stack.port)
            try await eventually("the adapter answers") {
                (try? await other.exchange(stack.post("after"), timeout: .seconds(2)))?.codeText == "2.04"
            }
            #expect(stack.adapter.exitStatus == nil)
        }
    }
}
