// SPDX-License-Identifier: Apache-2.0

/// Durations by number, in memory that does not grow: exact below 128 µs, and within 1/64 above.
struct LatencyHistogram: Sendable {
    /// 64 steps for each doubling; values below 128 have a bucket each.
    private static let steps = 64
    /// Up to 2^36 µs, nineteen hours.
    private var counts = [Int](repeating: 0, count: 128 + 30 * steps)
    private(set) var count = 0
    private(set) var maximum = 0

    mutating func record(microseconds: Int) {
        let value = max(0, microseconds)
        counts[min(Self.bucket(value), counts.count - 1)] += 1
        count += 1
        maximum = max(maximum, value)
    }

    /// The smallest value that at least this share does not exceed (nearest rank), at its bucket's upper end.
    ///
    /// - Parameter share: above 0, up to 1.
    /// - Returns: microseconds; nil where nothing was recorded.
    func percentile(_ share: Double) -> Int? {
        guard count > 0 else { return nil }
        let rank = max(1, min(count, Int((share * Double(count)).rounded(.up))))
        var passed = 0
        for (bucket, number) in counts.enumerated() {
            passed += number
            if passed >= rank { return min(maximum, Self.upperEnd(bucket)) }
        }
        return maximum
    }

    private static func bucket(_ value: Int) -> Int {
        guard value >= 128 else { return value }
        // Seven bits, the highest of them one, are kept.
        let shift = (Int.bitWidth - value.leadingZeroBitCount) - 7
        return 128 + (shift - 1) * steps + (value >> shift) - 64
    }

    private static func upperEnd(_ bucket: Int) -> Int {
        guard bucket >= 128 else { return bucket }
        let shift = (bucket - 128) / steps + 1
        let kept = (bucket - 128) % steps + 64
        return ((kept + 1) << shift) - 1
    }
}
