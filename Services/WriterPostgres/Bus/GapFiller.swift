// SPDX-License-Identifier: Apache-2.0
import Bus
import Core
import Logging
import Messaging
import Observability

/// Makes sure that nothing is skipped: a sequence number that was not delivered is read from the stream itself.
///
/// Deliveries skip numbers whose records are lost to corruption, but also messages that another reader of the same consumer got. Advancing the
/// position past the latter would lose them.
struct GapFiller: Sendable {
    let bus: any Bus
    let stream: String
    let logger: Logger
    let metrics: WriterMetrics

    /// A read's size, and so how much of a gap is in memory at once; the next one goes on behind it.
    private static let readBytes = 4 << 20

    /// Hands on the messages with `expected <= sequence < end` that the stream still has, in order, a read at a time.
    ///
    /// Tries for ever: nothing may be stored before the gap is explained.
    /// - Throws: `CancellationError`, and what `body` throws.
    func forEachPiece(
        from expected: UInt64, to end: UInt64, _ body: ([StreamMessage]) async throws -> Void
    ) async throws {
        var missing = MissingSequences()
        var next = expected
        while next < end {
            let read = try await persistently("cannot read a gap of the stream") { () throws(BusError) in
                try await bus.read(stream: stream, from: next, maximumBytes: Self.readBytes)
            }
            let found = read.filter { $0.sequence >= next && $0.sequence < end }
            for message in found {
                missing.add(from: next, to: message.sequence)
                next = message.sequence + 1
            }
            if !found.isEmpty { try await body(found) }
            // Nothing before the end, or something behind it: the rest of the gap has no messages.
            if found.count < read.count || found.isEmpty { break }
        }
        missing.add(from: next, to: end)
        if missing.count > 0 { try await explain(missing, from: expected, to: end) }
    }

    /// Why numbers have no message: only what was a message is lost.
    private func explain(_ missing: MissingSequences, from expected: UInt64, to end: UInt64) async throws {
        let state = try await persistently("cannot ask for the state of the stream") { () throws(BusError) in
            try await bus.streamState(stream)
        }
        let lost = missing.lost(in: state)
        let details: Logger.Metadata = [
            "from": "\(expected)", "to": "\(end - 1)", "lost": "\(lost)", "never_used": "\(missing.count - lost)",
        ]
        if lost > 0 {
            metrics.lost.increment(by: lost)
            logger.warning("the stream does not have these messages any more", metadata: details)
        } else {
            logger.info("the stream skipped numbers that no acknowledged message had", metadata: details)
        }
    }

    private func persistently<Value: Sendable>(
        _ problem: String, _ body: () async throws(BusError) -> Value
    ) async throws -> Value {
        var backOff = BackOff()
        while true {
            try Task.checkCancellation()
            do throws(BusError) {
                return try await body()
            } catch {
                logger.warning("\(problem)", metadata: ["error": "\(error)"])
                try await Task.sleep(for: backOff.next())
            }
        }
    }
}
