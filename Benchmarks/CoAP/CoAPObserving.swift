// SPDX-License-Identifier: Apache-2.0
import Foundation
import TestKit

/// Observers of one resource, each on a port of its own, and a publisher that sends the next request once all have been told of the one before.
struct CoAPObserving {
    struct Outcome {
        var publications = 0
        var notifications = 0
        /// Not told when nothing more came.
        var missing = 0
        var seconds = 0.0
        var processorSeconds: [Double] = []
        var generatorShare = 0.0
    }

    /// So long without a notification means that what is missing is lost, or waits for an acknowledgement that was.
    private static let quietNanoseconds: UInt64 = 50_000_000
    private static let registerNanoseconds: UInt64 = 30_000_000_000
    /// A registration that is not answered is sent again after this.
    private static let retransmitNanoseconds: UInt64 = 2_000_000_000
    /// Added to an observer's number, so that no later socket on its port takes what is sent to it for its own.
    private static let tokens: UInt32 = 0x8000_0000
    /// Registrations that are sent at a time.
    private static let concurrency = 32

    let observers: Int
    let server: CoAPServer

    func run(seconds: Double) throws -> Outcome {
        let poll = EventPoll()
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 65_536, alignment: 8)
        defer { buffer.deallocate() }
        let sockets = try (0..<observers).map { _ in try CoAPSocket(port: server.port) }
        for (number, socket) in sockets.enumerated() { poll.add(socket.descriptor, number, .read) }
        try register(sockets, poll, buffer)
        let publisher = try CoAPSocket(port: server.port)
        var publication = server.publications[0].bytes
        var outcome = Outcome()
        // Which publication each observer was told of last.
        var told = [Int](repeating: 0, count: observers)
        let processor = try server.processorSeconds()
        let own = Moment.threadSeconds()
        let start = Moment.now()
        let end = start + UInt64(seconds * 1e9)
        while Moment.now() < end {
            outcome.publications += 1
            publisher.send(
                &publication,
                messageID: publisher.firstMessageID &+ UInt16(truncatingIfNeeded: outcome.publications),
                token: UInt32(outcome.publications))
            var last = Moment.now()
            var left = observers
            while left > 0, Moment.now() < last + Self.quietNanoseconds {
                poll.wait(5) { number, _ in
                    sockets[number].receive(buffer) { head in
                        sockets[number].confirm(head)
                        guard head.code >> 5 == 2, told[number] < outcome.publications else { return }
                        told[number] = outcome.publications
                        left -= 1
                    }
                    last = Moment.now()
                }
            }
            outcome.notifications += observers - left
            outcome.missing += left
            publisher.receive(buffer) { publisher.confirm($0) }
        }
        outcome.seconds = Double(Moment.now() - start) / 1e9
        outcome.processorSeconds = zip(try server.processorSeconds(), processor).map { $0 - $1 }
        outcome.generatorShare = (Moment.threadSeconds() - own) / outcome.seconds
        try leave(sockets, poll, buffer)
        return outcome
    }

    private func register(
        _ sockets: [CoAPSocket], _ poll: EventPoll, _ buffer: UnsafeMutableRawBufferPointer
    ) throws {
        var isRegistered = [Bool](repeating: false, count: sockets.count)
        var lastSent = Moment.now()
        var registered = 0
        var sent = 0
        let deadline = Moment.now() + Self.registerNanoseconds
        while registered < sockets.count {
            while sent < sockets.count, sent - registered < Self.concurrency {
                ask(sent, sockets[sent])
                sent += 1
                lastSent = Moment.now()
            }
            if Moment.now() > lastSent + Self.retransmitNanoseconds {
                for number in 0..<sent where !isRegistered[number] { ask(number, sockets[number]) }
                lastSent = Moment.now()
            }
            var refusal: CoAPDatagram.Code?
            poll.wait(5) { number, _ in
                sockets[number].receive(buffer) { head in
                    sockets[number].confirm(head)
                    if head.code >> 5 > 2 { refusal = CoAPDatagram.Code(rawValue: head.code) }
                    guard head.code >> 5 == 2, !isRegistered[number] else { return }
                    isRegistered[number] = true
                    registered += 1
                }
            }
            if let refusal {
                throw BenchmarkFailure(description: "\(server.name): an observer was refused: \(refusal)")
            }
            guard Moment.now() < deadline else {
                throw BenchmarkFailure(description: "\(server.name): \(registered) of \(sockets.count) observe")
            }
        }
    }

    private func ask(_ number: Int, _ socket: CoAPSocket) {
        var request = server.observations[number % server.observations.count].bytes
        socket.send(&request, messageID: socket.firstMessageID, token: Self.tokens + UInt32(number))
    }

    /// Ends the observations, so that the next run begins without them: a reset to the next notification would, too, later.
    private func leave(
        _ sockets: [CoAPSocket], _ poll: EventPoll, _ buffer: UnsafeMutableRawBufferPointer
    ) throws {
        for (number, socket) in sockets.enumerated() {
            let observation = server.observations[number % server.observations.count]
            var end = CoAPDatagram(
                .confirmable, .get, messageID: 2, token: [0, 0, 0, 0],
                options: observation.options.filter { $0.number != CoAPDatagram.Number.observe }
                    + [.init(CoAPDatagram.Number.observe, 1)]
            ).bytes
            socket.send(&end, messageID: socket.firstMessageID &+ 1, token: Self.tokens + UInt32(number))
            // Not all at once: the server's receive buffer is finite.
            if number % Self.concurrency == 0 { usleep(2_000) }
            poll.wait(0) { number, _ in sockets[number].receive(buffer) { sockets[number].confirm($0) } }
        }
        usleep(200_000)
    }
}
