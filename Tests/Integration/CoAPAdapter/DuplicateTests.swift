// SPDX-License-Identifier: Apache-2.0
import TestKit
import Testing

@Suite("CoAP adapter: messages that come again")
struct DuplicateTests {
    @Test("A confirmable message that comes again gets the same answer, and is stored once (RFC 7252 section 4.5)")
    func confirmable() async throws {
        try await withCoAP { stack in
            let client = try CoAPClient(port: stack.port)
            let request = stack.post("once")
            let first = try await client.exchange(request)
            #expect(first.codeText == "2.04")
            for _ in 0..<3 { #expect(try await client.exchange(request).bytes == first.bytes) }
            // A refusal, too, with its words.
            let refused = stack.post("no", format: 99)
            let words = try await client.exchange(refused)
            #expect(words.codeText == "4.15")
            #expect(try await client.exchange(refused).bytes == words.bytes)
            #expect(try await stack.storedTexts("") == ["once"])
            #expect(try await stack.metric("martlet_coap_retransmissions_total") == 4)
            // The same identifier of another port is another message.
            let other = try CoAPClient(port: stack.port)
            #expect(try await other.exchange(request).codeText == "2.04")
            #expect(try await stack.storedTexts("") == ["once", "once"])
        }
    }

    @Test("A non-confirmable message that comes again is dropped")
    func nonConfirmable() async throws {
        try await withCoAP { stack in
            let client = try CoAPClient(port: stack.port)
            let request = stack.post("once", type: .nonConfirmable)
            _ = try await client.exchange(request)
            client.send(request)
            client.send(request)
            let next = stack.post("next", type: .nonConfirmable)
            #expect(try await client.exchange(next).token == next.token)
            #expect(try await stack.storedTexts("") == ["once", "next"])
        }
    }

    @Test("A message that comes again while the first is on its way to the bus is stored once")
    func underWay() async throws {
        try await withCoAP { stack in
            let client = try CoAPClient(port: stack.port)
            stack.things.hold()
            let request = stack.post("once")
            for _ in 0..<5 { client.send(request) }
            try await eventually("they came") { try await stack.metric("martlet_coap_retransmissions_total") == 4 }
            stack.things.release()
            let answer = try #require(try await client.receive())
            // Before or behind an empty acknowledgement.
            if answer.code == 0 { #expect(try await client.receive()?.codeText == "2.04") }
            #expect(try await stack.storedTexts("") == ["once"])
        }
    }

    @Test("A message that comes again to a process that took the place of one that was killed is stored once")
    func killed() async throws {
        try await withCoAP { stack in
            let client = try CoAPClient(port: stack.port)
            let request = stack.post("once")
            #expect(try await client.exchange(request).codeText == "2.04")
            await stack.kill()
            try await stack.startAgain()
            #expect(try await client.exchange(request).codeText == "2.04")
            #expect(try await stack.metric("martlet_coap_duplicates_total") == 1)
            #expect(try await stack.storedTexts("") == ["once"])
            // Another payload is another message, whatever its identifier.
            var other = stack.post("twice")
            other.identifier = request.identifier
            other.token = request.token
            await stack.kill()
            try await stack.startAgain()
            #expect(try await client.exchange(other).codeText == "2.04")
            #expect(try await stack.storedTexts("") == ["once", "twice"])
        }
    }
}
