// SPDX-License-Identifier: Apache-2.0
import Foundation
import Synchronization
import TestKit
import Testing

@Suite("CoAP adapter: one address against another")
struct FairnessTests {
    enum Flood: String, CaseIterable, Sendable {
        case nobody
        case somebody
        case garbage
        case pings
        case observers
    }

    @Test(
        "A flood from one address leaves room for another: each of its confirmable requests is answered",
        arguments: Flood.allCases)
    func flood(kind: Flood) async throws {
        try await withCoAP { stack in
            let flood = try Flooding(kind, stack, host: 0x7F00_0002)
            flood.start()
            defer { flood.stop() }
            let good = try CoAPClient(port: stack.port, host: 0x7F00_0003)
            let start = ContinuousClock.now
            var number = 0
            while number < 20 || (flood.count < 300_000 && .now < start + .seconds(20)) {
                try await good.deliver(stack.post("\(number)", ["good"]))
                number += 1
                try await Task.sleep(for: .milliseconds(20))
            }
            flood.stop()
            let dropped = try await stack.metric("martlet_coap_datagrams_dropped_total")
            let ignored = try await stack.metric("martlet_coap_ignored_total")
            #expect(Set(try await stack.storedTexts("good")).count == number)
            // Pings are few bytes and little work: all of them may have been answered.
            #expect(kind == .pings || dropped + ignored > 0)
        }
    }

    @Test("Handshakes that one address begins and does not end leave room for another's")
    func handshakes() async throws {
        try await withCoAP { stack in
            let device = stack.things.publisher
            let secret = "a-secret-of-24-bytes-abc"
            try await stack.things.setPreSharedKey(of: device, secret: Array(secret.utf8))
            try await eventually("the key is known") { try await stack.metric("martlet_psk_cached") == 1 }
            // A ClientHello's head is what the library looks at.
            let hello: [UInt8] =
                [22, 0xFE, 0xFD] + [UInt8](repeating: 0, count: 9) + [64, 1] + [UInt8](repeating: 0, count: 63)
            let port = stack.dtlsPort
            for _ in 0..<2_000 {
                try UDPSocket(to: port, host: 0x7F00_0002).send(hello)
            }
            let output = try await stack.coapClient(
                "openssl",
                [
                    "-m", "post", "-e", "secure", "-u", "\(device.id)", "-k", secret,
                    "coaps://127.0.0.1:\(port)/channels/\(stack.things.channel)/messages",
                ])
            #expect(output.contains("c:2.04"), "\(output.suffix(2_000))")
            #expect(try await stack.metric(#"martlet_coap_ignored_total{reason="flood"}"#) > 0)
        }
    }
}

extension CoAPClient {
    /// Sends again until there is an answer, as a client does (RFC 7252 section 4.2: ACK_TIMEOUT 2 s, MAX_RETRANSMIT 4).
    func deliver(_ message: CoAPMessage) async throws {
        for attempt in 0...4 {
            send(message)
            let end = ContinuousClock.now + .seconds(2 << attempt)
            while let answer = try await receive(timeout: max(.zero, end - .now)) {
                if answer.kind == .confirmable { send(answer.acknowledgement) }
                guard answer.token == message.token, answer.code != 0 else { continue }
                #expect(answer.codeText == "2.04")
                return
            }
        }
        throw DeadlineExceeded("an answer comes", after: .seconds(62))
    }
}

/// Datagrams as fast as a thread sends them.
private final class Flooding: Sendable {
    private let sockets: [UDPSocket]
    private let datagrams: [[UInt8]]
    private let state = Mutex((isStopping: false, isDone: true))
    private let sent = Atomic<Int>(0)

    init(_ kind: FairnessTests.Flood, _ stack: CoAPStack, host: UInt32) throws {
        sockets = try (0..<16).map { _ in try UDPSocket(to: stack.port, host: host) }
        datagrams = (0..<4_096).map { number in
            var message: CoAPMessage
            switch kind {
            case .nobody: message = stack.post("x", key: "nobody")
            case .somebody: message = stack.post("x", ["flood"], type: .nonConfirmable)
            case .garbage: return [0x40, 1, UInt8(number >> 8), UInt8(number & 255), 0xF0]
            case .pings: return [0x40, 0, UInt8(number >> 8), UInt8(number & 255)]
            case .observers: message = stack.observe(key: stack.things.publisher.key)
            }
            message.identifier = UInt16(number)
            return message.bytes
        }
    }

    func start() {
        state.withLock { $0.isDone = false }
        Thread.detachNewThread { [self] in
            var number = 0
            while !state.withLock({ $0.isStopping }) {
                for _ in 0..<64 {
                    try? sockets[number % sockets.count].send(datagrams[number % datagrams.count])
                    number += 1
                }
                sent.store(number, ordering: .relaxed)
            }
            state.withLock { $0.isDone = true }
        }
    }

    /// How many were sent.
    var count: Int { sent.load(ordering: .relaxed) }

    func stop() {
        state.withLock { $0.isStopping = true }
        while !state.withLock({ $0.isDone }) { usleep(1_000) }
    }
}
