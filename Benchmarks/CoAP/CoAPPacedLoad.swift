// SPDX-License-Identifier: Apache-2.0
import Foundation
import TestKit

/// Non-confirmable requests at a fixed rate, of many clients in turn: an open loop, as nobody sends them again.
struct CoAPPacedLoad {
    struct Outcome {
        var sent = 0
        var answered = 0
        var refused = 0
        var seconds = 0.0
        var processorSeconds: [Double] = []
        var generatorShare = 0.0
    }

    /// After the last request answers are waited for so long.
    private static let drainNanoseconds: UInt64 = 1_000_000_000

    let clients: Int
    let requestsPerSecond: Int
    let server: CoAPServer
    var isSecure = false

    func run(seconds: Double) throws -> Outcome {
        let poll = EventPoll()
        let publications = (0..<clients).map { server.publication($0, isSecure: isSecure) }
        let sockets = try publications.map { try $0.open() }
        for (number, socket) in sockets.enumerated() { poll.add(socket.descriptor, number, .read) }
        var templates = publications.map { publication in
            var request = publication.request
            request.kind = .nonConfirmable
            return request.bytes
        }
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 65_536, alignment: 8)
        defer { buffer.deallocate() }
        var outcome = Outcome()
        let processor = try server.processorSeconds()
        let own = Moment.threadSeconds()
        let start = Moment.now()
        let end = start + UInt64(seconds * 1e9)
        var last = start
        while true {
            let now = Moment.now()
            let due = Int(Double(min(now, end) - start) / 1e9 * Double(requestsPerSecond))
            while outcome.sent < due {
                let number = outcome.sent % clients
                let round = outcome.sent / clients
                sockets[number].send(
                    &templates[number],
                    messageID: sockets[number].firstMessageID &+ UInt16(truncatingIfNeeded: round),
                    token: UInt32(outcome.sent))
                outcome.sent += 1
            }
            if now >= end, outcome.answered + outcome.refused >= outcome.sent || now > end + Self.drainNanoseconds {
                break
            }
            poll.wait(1) { number, _ in
                sockets[number].receive(buffer) { head in
                    sockets[number].confirm(head)
                    guard head.token != nil, head.code >> 5 >= 2 else { return }
                    if head.code >> 5 == 2 { outcome.answered += 1 } else { outcome.refused += 1 }
                    last = now
                }
            }
        }
        outcome.seconds = Double(max(last, end) - start) / 1e9
        outcome.processorSeconds = zip(try server.processorSeconds(), processor).map { $0 - $1 }
        outcome.generatorShare = (Moment.threadSeconds() - own) / outcome.seconds
        sockets.leave()
        return outcome
    }
}
