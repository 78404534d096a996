// SPDX-License-Identifier: Apache-2.0
import Foundation
import TestKit

/// Confirmable requests as fast as they are answered, all clients on the calling thread: a server that uses one core has the other one.
struct CoAPLoad {
    struct Shape: Sendable {
        let clients: Int
        let window: Int

        var name: String {
            "\(clients.formatted()) \(clients == 1 ? "client" : "clients"), \(window == 1 ? "one at a time" : "\(window) at a time")"
        }
    }

    struct Outcome {
        var answered = 0
        var refused = 0
        var refusal: CoAPDatagram.Code?
        var repeated = 0
        /// Under way when nothing more came.
        var unanswered = 0
        var seconds = 0.0
        /// Of each of the server's processes.
        var processorSeconds: [Double] = []
        /// Processor time of the load generator, of the same time: near 1 the generator is what limits.
        var generatorShare = 0.0
    }

    private static let maintainNanoseconds: UInt64 = 5_000_000
    /// What is not answered so long after the last request is not waited for.
    private static let drainNanoseconds: UInt64 = 5_000_000_000

    let shape: Shape
    let server: CoAPServer
    let isSecure: Bool

    init(_ shape: Shape, _ server: CoAPServer, isSecure: Bool = false) {
        self.shape = shape
        self.server = server
        self.isSecure = isSecure
    }

    func run(seconds: Double) throws -> Outcome {
        let poll = EventPoll()
        let clients = try (0..<shape.clients).map { number in
            let (request, open) = server.publication(number, isSecure: isSecure)
            return try CoAPClient(request, window: shape.window, open)
        }
        for (number, client) in clients.enumerated() { poll.add(client.socket.descriptor, number, .read) }
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 65_536, alignment: 8)
        defer { buffer.deallocate() }
        let processor = try server.processorSeconds()
        let own = Moment.threadSeconds()
        let start = Moment.now()
        let end = start + UInt64(seconds * 1e9)
        for client in clients { client.start(start) }
        var maintained = start
        var outcome = Outcome()
        while true {
            let now = Moment.now()
            let isStopping = now >= end
            if isStopping, outcome.seconds == 0 {
                outcome.seconds = Double(now - start) / 1e9
                outcome.answered = clients.reduce(0) { $0 + $1.answered }
                outcome.processorSeconds = zip(try server.processorSeconds(), processor).map { $0 - $1 }
                outcome.generatorShare = (Moment.threadSeconds() - own) / outcome.seconds
            }
            if isStopping, clients.allSatisfy(\.isIdle) || now > end + Self.drainNanoseconds { break }
            poll.wait(5) { number, _ in clients[number].serve(buffer, now, isStopping: isStopping) }
            guard now - maintained > Self.maintainNanoseconds else { continue }
            maintained = now
            for (number, client) in clients.enumerated() {
                // The one before leaves with its descriptor.
                if try client.maintain(now, isStopping: isStopping) {
                    poll.add(client.socket.descriptor, number, .read)
                }
            }
        }
        clients.map(\.socket).leave()
        outcome.refused = clients.reduce(0) { $0 + $1.refused }
        outcome.refusal = clients.lazy.compactMap(\.refusal).first
        outcome.repeated = clients.reduce(0) { $0 + $1.repeated }
        outcome.unanswered = clients.count { !$0.isIdle }
        return outcome
    }
}

/// Clocks of the generator's thread.
enum Moment {
    /// Nanoseconds since some moment.
    @inline(__always)
    static func now() -> UInt64 { read(CLOCK_MONOTONIC) }

    /// User and system time of the calling thread.
    static func threadSeconds() -> Double { Double(read(CLOCK_THREAD_CPUTIME_ID)) / 1e9 }

    private static func read(_ clock: clockid_t) -> UInt64 {
        var time = timespec()
        clock_gettime(clock, &time)
        return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
    }
}
