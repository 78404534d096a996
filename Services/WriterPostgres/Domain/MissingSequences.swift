// SPDX-License-Identifier: Apache-2.0
import Bus

/// Sequence numbers of a gap under which the stream has no message.
struct MissingSequences: Sendable, Equatable {
    /// Ranges are kept up to here; more of them only count as lost, since what is not known must not look harmless.
    static let maximumRanges = 10_000

    private var ranges: [Range<UInt64>] = []
    private var beyond: UInt64 = 0
    private(set) var count: UInt64 = 0

    /// Adds `start ..< end`; nothing when that is empty. Ranges come in ascending order.
    mutating func add(from start: UInt64, to end: UInt64) {
        guard start < end else { return }
        count += end - start
        if ranges.count < Self.maximumRanges { ranges.append(start..<end) } else { beyond += end - start }
    }

    /// How many of them were messages: deleted by the stream's retention, or lost to corruption. The others are numbers that a crash made
    /// the stream skip, under which nothing was ever acknowledged (`RecoveryReport.TornTail` of the bus).
    func lost(in state: StreamState) -> UInt64 {
        // The stream names the first thousand corrupt records; when there are more, any number may be one of them.
        guard state.corruptCount <= UInt64(state.corruptSequences.count) else { return count }
        var lost = beyond
        for range in ranges {
            let deleted = range.clamped(to: 0..<max(state.firstSequence, 1))
            lost += deleted.upperBound - deleted.lowerBound
            let kept = range.clamped(to: max(state.firstSequence, 1)..<UInt64.max)
            lost += UInt64(state.corruptSequences.count { kept.contains($0) })
        }
        return lost
    }
}
