// SPDX-License-Identifier: Apache-2.0
import Foundation
import TestKit

/// DTLS handshakes with a pre-shared key, so many under way at a time; and what a session takes in the server's memory.
struct CoAPHandshakes {
    struct Outcome {
        var handshakes = 0
        var failures = 0
        var seconds = 0.0
        var processorSeconds: [Double] = []
        var generatorShare = 0.0
    }

    private static let concurrency = 32
    private static let maintainNanoseconds: UInt64 = 250_000_000

    let server: CoAPServer

    func run(seconds: Double) throws -> Outcome {
        let poll = EventPoll()
        var outcome = Outcome()
        var next = 0
        func begin(_ slot: Int) throws -> SecureCoAPSocket {
            let key = server.securePublications[next % server.securePublications.count].key
            next += 1
            let socket = try SecureCoAPSocket(port: server.securePort, key: key)
            poll.add(socket.descriptor, slot, .read)
            _ = try socket.step()
            return socket
        }
        let processor = try server.processorSeconds()
        let own = Moment.threadSeconds()
        let start = Moment.now()
        let end = start + UInt64(seconds * 1e9)
        var sockets = try (0..<Self.concurrency).map { try begin($0) }
        var maintained = start
        while Moment.now() < end {
            try poll.wait(5) { slot, _ in
                do {
                    guard try sockets[slot].step() else { return }
                    outcome.handshakes += 1
                } catch {
                    outcome.failures += 1
                }
                // The one before says that it closes, and leaves with its descriptor.
                sockets[slot] = try begin(slot)
            }
            guard Moment.now() - maintained > Self.maintainNanoseconds else { continue }
            maintained = Moment.now()
            for socket in sockets { socket.retransmit() }
        }
        outcome.seconds = Double(Moment.now() - start) / 1e9
        outcome.processorSeconds = zip(try server.processorSeconds(), processor).map { $0 - $1 }
        outcome.generatorShare = (Moment.threadSeconds() - own) / outcome.seconds
        return outcome
    }

    /// Makes sessions that stay, each with one answered request.
    func open(_ count: Int) throws -> [CoAPSocket] {
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 65_536, alignment: 8)
        defer { buffer.deallocate() }
        return try (0..<count).map { number in
            let (request, open) = server.publication(number, isSecure: true)
            let socket = try open()
            var bytes = request.bytes
            var isAnswered = false
            for _ in 0..<5 where !isAnswered {
                socket.send(&bytes, messageID: socket.firstMessageID, token: 1)
                var wanted = pollfd(fd: socket.descriptor, events: Int16(POLLIN), revents: 0)
                _ = Foundation.poll(&wanted, 1, 2_000)
                socket.receive(buffer) { isAnswered = isAnswered || $0.code >> 5 == 2 }
            }
            guard isAnswered else { throw BenchmarkFailure(description: "\(server.name): no answer over DTLS") }
            return socket
        }
    }
}
