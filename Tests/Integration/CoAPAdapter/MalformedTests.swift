// SPDX-License-Identifier: Apache-2.0
import Fuzz
import TestKit
import Testing

/// `Tests/Data/coap-malformed.txt` against the process. `make fuzz` goes on with what is changed at random (target `coap-session`).
@Suite("CoAP adapter: what no well-behaved client sends")
struct MalformedTests {
    /// Requests that the library refuses by itself: methods that nobody has defined, options that must be understood and are not.
    private static let byLibrary = 6

    @Test("Each datagram is answered as the protocol says, and a good request behind it is served")
    func datagrams() async throws {
        try await withCoAP { stack in
            let samples = try MalformedCoAP.all(channel: "\(stack.things.channel)", key: stack.things.publisher.key)
            var refused = 0.0
            for sample in samples where sample.transport == "udp" {
                let client = try CoAPClient(port: stack.port)
                client.send(sample.bytes)
                let good = CoAPMessage(.confirmable, CoAPMessage.get, path: [".well-known", "core"])
                client.send(good)
                let came = try await client.answers(to: sample, before: good).map { Self.name($0) }
                let isExpected = sample.answer == "*" || came == (sample.answer == "nothing" ? [] : [sample.answer])
                #expect(isExpected, "\(sample.name): \(came), not \(sample.answer)")
                refused += came.contains { $0.hasPrefix("4.") } ? 1 : 0
            }
            // The library answers 4.02 by itself where an option is not known, and 4.05 to methods that nobody has defined.
            let counted = try await stack.metric("martlet_coap_refused_total")
            #expect(counted >= refused - Double(Self.byLibrary), "\(refused) were refused, \(counted) are counted")
            for reason in [
                "option-malformed", "block-size", "block-missing", "content-format", "accept", "unknown-key", "method",
            ] {
                #expect(try await stack.metric("martlet_coap_refused_total{reason=\"\(reason)\"}") > 0, "\(reason)")
            }
            #expect(try await CoAPClient(port: stack.port).exchange(stack.post("good")).codeText == "2.04")
        }
    }

    @Test("Frames and handshakes that are none harm nobody", arguments: ["tcp", "tls", "dtls"])
    func connections(transport: String) async throws {
        try await withCoAP { stack in
            let samples = try MalformedCoAP.all(channel: "\(stack.things.channel)", key: stack.things.publisher.key)
            for sample in samples where sample.transport == transport {
                if transport == "dtls" {
                    try await udp(port: stack.dtlsPort) { try $0.send(sample.bytes) }
                } else {
                    try await wire(port: transport == "tcp" ? stack.tcpPort : stack.tlsPort) { connection in
                        // Some are cut off before all of it was sent.
                        try? connection.send(sample.bytes)
                        try? connection.send(sample.bytes)
                        connection.shutDownSending()
                    }
                }
                let good = try await CoAPClient(port: stack.port).exchange(stack.post(sample.name))
                #expect(good.codeText == "2.04", "\(sample.name)")
            }
            let good = try await stack.coapClient(
                "notls", ["-m", "post", "-e", "tcp", stack.uri("coap+tcp", "tcp", port: stack.tcpPort)])
            #expect(good.contains("c:2.04"), "\(good)")
        }
    }

    @Test("Conversations of any content harm nobody")
    func anything() async throws {
        try await withCoAP(["address-requests-per-second": "0"]) { stack in
            let seed = UInt64.random(in: 1 ... .max)
            let attack = try CoAPSessionAttack(
                CoAPSessionAttack.Ports(
                    udp: stack.port, tcp: stack.tcpPort, dtls: stack.dtlsPort, tls: stack.tlsPort),
                channel: "\(stack.things.channel)", key: stack.things.publisher.key)
            let totals = try await attack.run(conversations: 2_000, seed: seed)
            print("coap-session: seed \(seed), \(totals)")
            #expect(totals.controlRequests == 62 && totals.answers > 500, "seed \(seed)")
            #expect(stack.adapter.isRunning, "seed \(seed)")
        }
    }

    fileprivate static func name(_ message: CoAPMessage) -> String {
        if message.kind == .reset { return "reset" }
        return message.code == 0 ? "ack" : message.codeText
    }
}

extension CoAPClient {
    /// What comes back of a sample, behind which a good request was sent.
    fileprivate func answers(to sample: MalformedCoAP, before good: CoAPMessage) async throws -> [CoAPMessage] {
        var answers: [CoAPMessage] = []
        var isServed = false
        let expected = ["*", "nothing"].contains(sample.answer) ? 0 : 1
        while true {
            let isDone = isServed && answers.count >= expected
            guard let message = try await receive(timeout: isDone ? .milliseconds(100) : .seconds(5)) else {
                if !isServed { throw DeadlineExceeded("\(sample.name): a good request is served", after: .seconds(5)) }
                return answers
            }
            if message.token == good.token, message.codeText == "2.05" {
                isServed = true
            } else {
                answers.append(message)
            }
        }
    }
}
