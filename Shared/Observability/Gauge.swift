// SPDX-License-Identifier: Apache-2.0
import Synchronization

/// A number that goes up and down. Safe from any thread, no lock.
public final class Gauge: Metric {
    /// The bit pattern of a Double.
    private let bits = Atomic<UInt64>(0)

    init() {}

    public func set(_ value: Double) {
        bits.store(value.bitPattern, ordering: .relaxed)
    }

    public func set(_ value: Int) { set(Double(value)) }

    public func increment(by amount: Double = 1) {
        var current = bits.load(ordering: .relaxed)
        while true {
            let next = (Double(bitPattern: current) + amount).bitPattern
            let result = bits.weakCompareExchange(expected: current, desired: next, ordering: .relaxed)
            if result.exchanged { return }
            current = result.original
        }
    }

    public func decrement(by amount: Double = 1) { increment(by: -amount) }

    public var value: Double { Double(bitPattern: bits.load(ordering: .relaxed)) }

    func write(name: String, labels: String, to text: inout String) {
        writeSample(name: name, labels: labels, value: formatSample(value), to: &text)
    }
}
