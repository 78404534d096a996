// SPDX-License-Identifier: Apache-2.0
import Bus
import Core
import Synchronization

extension StreamLog {
    /// L: gives up sealed segments that hold nothing above `sequence`, oldest first, as retention allows. They can no longer be read; their
    /// space counts as free once S has called ``reclaim()``.
    ///
    /// The newest segment always stays: its name carries the sequence numbers across a restart.
    /// - Parameter sequence: everything up to here is acknowledged by every durable consumer.
    /// - Returns: true when there is something to reclaim.
    @discardableResult
    func release(through sequence: UInt64) -> Bool {
        let now = clock.now()
        return shared.withLock { state in
            var count = 0
            var bytes = state.allocatedBytes - state.released.reduce(0) { $0 + $1.fileBytes }
            while count + 1 < state.segments.count {
                let segment = state.segments[count]
                guard segment.isSealed, segment.lastSequence <= sequence,
                    isExpendable(segment, now: now, bytes: bytes)
                else { break }
                bytes -= segment.fileBytes
                count += 1
            }
            for segment in state.segments[..<count] { state.readers.remove(segment.firstSequence) }
            state.released.append(contentsOf: state.segments[..<count])
            state.segments.removeFirst(count)
            return !state.released.isEmpty
        }
    }

    private func isExpendable(_ segment: Segment, now: Int64, bytes: Int) -> Bool {
        switch limits.retention {
        case .interest: return true
        case .limits:
            if let age = limits.maximumAgeSeconds {
                let nanoseconds = Int64(clamping: age).multipliedReportingOverflow(by: 1_000_000_000)
                if !nanoseconds.overflow, now > segment.lastStoredAt,
                    now - segment.lastStoredAt > nanoseconds.partialValue
                {
                    return true
                }
            }
            // Room for the next segment is made before it is needed.
            return bytes + configuration.segmentBytes > limits.maximumBytes
        }
    }

    /// S: removes the files of released segments.
    ///
    /// - Throws: when one could not be removed; it stays on the list and in the budget, and is tried again by the next call.
    func reclaim() throws(LogError) {
        while let segment = shared.withLock({ $0.released.first }) {
            try? fileSystem.remove(segment.indexPath)
            do throws(LogError) {
                try fileSystem.remove(segment.path)
            } catch {
                guard error.isNotFound else { throw error }
            }
            shared.withLock { state in
                state.released.removeFirst()
                state.allocatedBytes -= segment.fileBytes
                state.counters.segmentsRemoved += 1
            }
        }
    }
}
