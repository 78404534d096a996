// SPDX-License-Identifier: Apache-2.0
import Synchronization

/// The tally of many tasks.
final class SharedTally: Sendable {
    private let value = Mutex(SimulationTally())

    var now: SimulationTally { value.withLock { $0 } }

    /// Without the totals, which grow with the names.
    var counts: (finished: Int, accepted: Int, refused: Int) {
        value.withLock { ($0.finished, $0.accepted, $0.refusedCount) }
    }

    func accepted(_ message: SimulatedMessage, _ receipt: Publication.Receipt, after elapsed: Duration) {
        value.withLock { tally in
            tally.accepted += 1
            tally.retries += receipt.retries
            if receipt.isReplayed { tally.replayed += 1 }
            tally.readings += message.readings.count
            tally.latency.record(microseconds: Int(elapsed / .microseconds(1)))
            for reading in message.readings { tally.totals.add(reading.name, reading.value) }
        }
    }

    func refused(_ reason: String) { value.withLock { $0.refused[reason, default: 0] += 1 } }

    func cutOff() { value.withLock { $0.unknown += 1 } }

    func lag(_ duration: Duration) {
        value.withLock { $0.maximumLagMicroseconds = max($0.maximumLagMicroseconds, duration / .microseconds(1)) }
    }
}
