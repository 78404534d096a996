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

    /// A read's size; the next one goes on behind it.
    private static let readBytes = 4 << 20

    /// The messages with `expected <= sequence < end` that the stream still has.
    ///
    /// Tries for ever: nothing may be stored before the gap is explained.
    /// - Throws: `CancellationError`.
    func messages(from expected: UInt64, to end: UInt64) async throws -> [StreamMessage] {
        var found: [StreamMessage] = []
        var next = expected
        var backOff = BackOff()
        while next < end {
            try Task.checkCancellation()
            do {
                let read = try await bus.read(stream: stream, from: next, maximumBytes: Self.readBytes)
                let missing = read.filter { $0.sequence >= next && $0.sequence < end }
                found += missing
                guard let last = missing.last, read.last?.sequence == last.sequence else { break }
                next = last.sequence + 1
            } catch {
                logger.warning("cannot read a gap of the stream", metadata: ["error": "\(error)"])
                try await Task.sleep(for: backOff.next())
            }
        }
        let lost = end - expected - UInt64(found.count)
        if lost > 0 {
            metrics.lost.increment(by: lost)
            logger.warning(
                "the stream does not have these messages any more",
                metadata: ["from": "\(expected)", "to": "\(end - 1)", "lost": "\(lost)"])
        }
        return found
    }
}
