// SPDX-License-Identifier: Apache-2.0
import TestKit
import Testing

@Suite("CoAP adapter: addresses that nobody knows")
struct AddressTests {
    @Test("A long answer waits until its address has answered a ping")
    func ping() async throws {
        try await withCoAP { stack in
            let client = try CoAPClient(port: stack.port, answersPings: false)
            try await stack.publish(String(repeating: "long", count: 250), "a")
            let request = stack.get(["a"])
            let ping = try await client.exchange(request)
            #expect(ping.kind == .confirmable)
            #expect(ping.code == 0)
            client.send(ping.reset)
            let answer = try #require(try await client.receive())
            #expect(answer.codeText == "2.05")
            #expect(answer.token == request.token)
            #expect(answer.payload.count == 1_000)
            // From now on it is known.
            #expect(try await client.exchange(stack.get(["a"])).codeText == "2.05")
        }
    }

    @Test("Who passes over a ping is pinged again, so soon that the answer is still in the acknowledgement")
    func secondPing() async throws {
        try await withCoAP { stack in
            let client = try CoAPClient(port: stack.port, answersPings: false)
            try await stack.publish(String(repeating: "long", count: 250), "a")
            let request = stack.get(["a"])
            let first = try await client.exchange(request)
            let second = try #require(try await client.receive())
            #expect(second.kind == .confirmable && second.code == 0 && second.identifier != first.identifier)
            client.send(second.reset)
            let answer = try #require(try await client.receive())
            #expect(answer.kind == .acknowledgement)
            #expect(answer.codeText == "2.05")
            #expect(answer.identifier == request.identifier)
        }
    }

    @Test("To who answers no pings, an Echo option is sent, and with that its answer comes (RFC 9175)")
    func echo() async throws {
        try await withCoAP { stack in
            let client = try CoAPClient(port: stack.port, answersPings: false)
            try await stack.publish(String(repeating: "long", count: 250), "a")
            client.send(stack.get(["a"]))
            var challenge: CoAPMessage?
            while challenge?.codeText != "4.01" {
                challenge = try await client.receive()
                guard challenge != nil else { break }
            }
            let message = try #require(challenge)
            let echo = try #require(message.option(252))
            #expect(message.bytes.count <= 3 * stack.get(["a"]).bytes.count)
            if message.kind == .confirmable { client.send(message.acknowledgement) }
            // Another address cannot use it.
            let other = try CoAPClient(port: stack.port, answersPings: false)
            #expect(try await other.exchange(stack.get(["a"], options: [(252, echo)])).code == 0)
            client.send(stack.get(["a"], options: [(252, echo)]))
            var answer = try #require(try await client.receive())
            while answer.codeText != "2.05" { answer = try #require(try await client.receive()) }
            #expect(answer.payload.count == 1_000)
        }
    }

    @Test("Notifications wait, too, and end with an address at which nobody is")
    func observers() async throws {
        try await withCoAP { stack in
            let client = try CoAPClient(port: stack.port, answersPings: false)
            client.send(stack.observe())
            let first = try #require(try await client.receive())
            let second = try #require(try await client.receive())
            let ping = first.code == 0 ? first : second
            #expect((first.code == 0 ? second : first).codeText == "2.05")
            #expect(ping.kind == .confirmable)
            try await stack.publish("one")
            try await stack.publish("two")
            try await eventually("they came") {
                try await stack.metric(#"martlet_coap_dropped_total{reason="held"}"#) == 1
            }
            client.send(ping.reset)
            #expect(try await client.notification().text == "two")
        }
    }

    @Test("Who sends what is nobody's is not looked at for a while, and others are")
    func flood() async throws {
        try await withCoAP(["address-requests-per-second": "5"]) { stack in
            let bad = try CoAPClient(port: stack.port, host: 0x7F00_0002)
            for _ in 0..<500 { bad.send(stack.post("x", key: "nobody")) }
            try await eventually("it is not looked at") {
                try await stack.metric(#"martlet_coap_ignored_total{reason="address-rate"}"#) > 0
            }
            let good = try CoAPClient(port: stack.port)
            // What is somebody's is not counted: more than there would be allowance for.
            for _ in 0..<100 { #expect(try await good.exchange(stack.post("x")).codeText == "2.04") }
            #expect(try await stack.metric(#"martlet_coap_refused_total{reason="unknown-key"}"#) < 100)
        }
    }
}
