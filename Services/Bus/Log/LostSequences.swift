// SPDX-License-Identifier: Apache-2.0

/// Sequence numbers whose records are gone, as ranges.
struct LostSequences: Sendable, Equatable {
    /// Ranges are kept up to here; what is found beyond is counted only.
    static let maximumRanges = 1000

    /// Ascending, not touching each other.
    private(set) var ranges: [ClosedRange<UInt64>] = []
    /// Sequence numbers found lost.
    private(set) var count: UInt64 = 0

    /// - Returns: true when any of them was not known yet.
    @discardableResult
    mutating func insert(_ range: ClosedRange<UInt64>) -> Bool {
        var low = range.lowerBound
        var high = range.upperBound
        // Everything that overlaps or touches is merged.
        let start = ranges.firstIndex { $0.upperBound >= low || $0.upperBound &+ 1 == low } ?? ranges.count
        var end = start
        var known: UInt64 = 0
        while end < ranges.count, ranges[end].lowerBound <= high || ranges[end].lowerBound &- 1 == high {
            known += ranges[end].upperBound - ranges[end].lowerBound + 1
            low = min(low, ranges[end].lowerBound)
            high = max(high, ranges[end].upperBound)
            end += 1
        }
        let added = high - low + 1 - known
        guard added > 0 else { return false }
        count &+= added
        guard end > start || ranges.count < Self.maximumRanges else { return true }
        ranges.replaceSubrange(start..<end, with: [low...high])
        return true
    }

    /// The first of them, one by one.
    func first(_ limit: Int) -> [UInt64] {
        var result: [UInt64] = []
        for range in ranges {
            for sequence in range {
                guard result.count < limit else { return result }
                result.append(sequence)
            }
        }
        return result
    }
}
