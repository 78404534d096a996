// SPDX-License-Identifier: Apache-2.0

/// How many values each SenML name has, and what they add up to.
struct NamedTotals: Equatable, Sendable {
    struct Total: Equatable, Sendable {
        var count = 0
        /// Compensated (Neumaier): nearly independent of the order.
        private(set) var sum = 0.0
        private var compensation = 0.0
        /// The sum of the magnitudes, by which errors of rounding are judged.
        private(set) var magnitude = 0.0

        var value: Double { sum + compensation }

        mutating func add(_ value: Double) {
            count += 1
            let next = sum + value
            compensation += abs(sum) >= abs(value) ? (sum - next) + value : (value - next) + sum
            sum = next
            magnitude += abs(value)
        }
    }

    private(set) var totals: [String: Total] = [:]

    var count: Int { totals.values.reduce(0) { $0 + $1.count } }

    mutating func add(_ name: String, _ value: Double) { totals[name, default: Total()].add(value) }

    /// What differs of a name between what was sent and what is there.
    struct Difference: Equatable, Sendable {
        var name: String
        var sent: Total
        var storedCount: Int
        var storedSum: Double
    }

    /// Compares with what is stored now, less what was stored before.
    func differences(stored: NamedTotals, before: NamedTotals) -> [Difference] {
        totals.sorted { $0.key < $1.key }.compactMap { name, sent in
            let now = stored.totals[name] ?? Total()
            let earlier = before.totals[name] ?? Total()
            let (count, sum) = (now.count - earlier.count, now.value - earlier.value)
            let tolerance = 1e-9 * max(1, sent.magnitude + earlier.magnitude)
            guard count != sent.count || !(abs(sum - sent.value) <= tolerance) else { return nil }
            return Difference(name: name, sent: sent, storedCount: count, storedSum: sum)
        }
    }
}
