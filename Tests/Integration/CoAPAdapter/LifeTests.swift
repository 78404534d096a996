// SPDX-License-Identifier: Apache-2.0
import TestKit
import Testing

@Suite("CoAP adapter: signs of life (RFC 7641 section 4.5)")
struct LifeTests {
    @Test("An observer of which nothing is published gets a confirmable notification now and then, with the last value")
    func silence() async throws {
        try await withCoAP(["observer-alive-seconds": "1"]) { stack in
            try await stack.publish("last", "a")
            let client = try CoAPClient(port: stack.port)
            let request = stack.observe(["a"])
            #expect(try await client.exchange(request).text == "last")
            for _ in 0..<2 {
                let sign = try #require(try await client.receive())
                #expect(sign.kind == .confirmable)
                #expect(sign.codeText == "2.05")
                #expect(sign.token == request.token)
                #expect(sign.uint(6) != nil)
                #expect(sign.text == "last")
                client.send(sign.acknowledgement)
            }
            try await stack.publish("next", "a")
            var text = ""
            while text != "next" { text = try await client.notification().text }
            // Who does not want it is forgotten.
            let sign = try #require(try await client.receive())
            #expect(sign.kind == .confirmable)
            client.send(sign.reset)
            try await eventually("it is gone") { try await stack.metric("martlet_coap_observers") == 0 }
        }
    }

    @Test("An observer of a part of a channel gets one without a value, and who is notified often gets none besides")
    func others() async throws {
        try await withCoAP(["observer-alive-seconds": "5"]) { stack in
            let client = try CoAPClient(port: stack.port)
            _ = try await client.exchange(stack.observe(["a", "#"]))
            for number in 0..<8 {
                try await stack.publish("\(number)", "a")
                #expect(try await client.notification().text == "\(number)")
                try await Task.sleep(for: .milliseconds(800))
            }
            let sign = try #require(try await client.receive())
            #expect(sign.kind == .confirmable)
            #expect(sign.codeText == "2.05")
            #expect(sign.payload.isEmpty)
            client.send(sign.acknowledgement)
        }
    }
}
