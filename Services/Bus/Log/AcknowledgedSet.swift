// SPDX-License-Identifier: Apache-2.0

/// Which sequence numbers are acknowledged: everything through a floor, and single ones above it.
struct AcknowledgedSet: Sendable, Equatable {
    /// Everything up to here is acknowledged.
    private(set) var floor: UInt64
    /// Above `floor + 1`, ascending, not touching each other.
    private(set) var ranges: [ClosedRange<UInt64>] = []

    init(floor: UInt64 = 0) { self.floor = floor }

    /// Restores a stored set; ranges in any order.
    init(floor: UInt64, ranges: [ClosedRange<UInt64>]) {
        self.floor = floor
        for range in ranges.sorted(by: { $0.lowerBound < $1.lowerBound }) { insert(range) }
    }

    func contains(_ sequence: UInt64) -> Bool {
        guard sequence > floor else { return true }
        let index = firstRange(endingAtOrAfter: sequence)
        return index < ranges.count && ranges[index].lowerBound <= sequence
    }

    /// - Returns: false when it was acknowledged already.
    @discardableResult
    mutating func insert(_ sequence: UInt64) -> Bool {
        guard sequence > 0, !contains(sequence) else { return false }
        insert(sequence...sequence)
        return true
    }

    mutating func insert(through sequence: UInt64) {
        guard sequence > floor else { return }
        floor = sequence
        settle()
    }

    /// Numbers acknowledged above the floor.
    var countAboveFloor: UInt64 { ranges.reduce(0) { $0 + ($1.upperBound - $1.lowerBound + 1) } }

    mutating func insert(_ range: ClosedRange<UInt64>) {
        guard range.upperBound > floor else { return }
        var low = max(range.lowerBound, floor + 1)
        var high = range.upperBound
        let start = firstRange(endingAtOrAfter: low - 1)
        var end = start
        while end < ranges.count, ranges[end].lowerBound <= high || ranges[end].lowerBound - 1 == high {
            low = min(low, ranges[end].lowerBound)
            high = max(high, ranges[end].upperBound)
            end += 1
        }
        ranges.replaceSubrange(start..<end, with: CollectionOfOne(low...high))
        settle()
    }

    private mutating func settle() {
        var count = 0
        while count < ranges.count, ranges[count].lowerBound - 1 <= floor {
            floor = max(floor, ranges[count].upperBound)
            count += 1
        }
        if count > 0 { ranges.removeFirst(count) }
    }

    private func firstRange(endingAtOrAfter sequence: UInt64) -> Int {
        var low = 0
        var high = ranges.count
        while low < high {
            let middle = (low + high) / 2
            if ranges[middle].upperBound < sequence { low = middle + 1 } else { high = middle }
        }
        return low
    }
}
