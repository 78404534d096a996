// SPDX-License-Identifier: Apache-2.0
import Synchronization

/// What other threads tell the loop, and the counters that it shows them.
final class Mailbox: Sendable {
    enum Letter: Sendable {
        case stop
        case worked(stream: Int32, Work)
        case read(StreamReader.Job, LogReadBuffer, LogReadOutcome)
    }

    /// What a stream's worker has done; nil: with success.
    enum Work: Sendable {
        case wrote(LogBatch, LogError?)
        case reclaimed(LogError?)
        case retried(LogError?)
        case saved(LogError?)
    }

    let wakeup: Wakeup
    private let letters = Mutex<[Letter]>([])
    private let published = Mutex(BusStatistics())

    init() throws(SystemError) { wakeup = try Wakeup() }

    func post(_ letter: Letter) {
        let wasEmpty = letters.withLock { letters in
            letters.append(letter)
            return letters.count == 1
        }
        if wasEmpty { wakeup.signal() }
    }

    func take() -> [Letter] {
        letters.withLock { letters in
            guard !letters.isEmpty else { return [] }
            defer { letters = [] }
            return letters
        }
    }

    func publish(_ statistics: BusStatistics) { published.withLock { $0 = statistics } }

    /// At most a second old while the loop runs.
    var statistics: BusStatistics { published.withLock { $0 } }
}
