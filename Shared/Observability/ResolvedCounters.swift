// SPDX-License-Identifier: Apache-2.0

/// The counters of one label, each resolved at its first use: counting takes no lock. For one thread, or behind a lock of its owner.
public struct ResolvedCounters {
    private let family: LabelledMetric<Counter>
    private var resolved: [String: Counter] = [:]

    /// - Parameter family: has one label.
    public init(_ family: LabelledMetric<Counter>) { self.family = family }

    public mutating func increment(_ label: String, by count: Int = 1) {
        if let counter = resolved[label] { return counter.increment(by: UInt64(clamping: count)) }
        let counter = family.with(label)
        resolved[label] = counter
        counter.increment(by: UInt64(clamping: count))
    }

    /// Of the labels that were counted here.
    public var total: UInt64 { resolved.values.reduce(0) { $0 &+ $1.value } }
}
