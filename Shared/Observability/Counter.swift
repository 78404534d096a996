// SPDX-License-Identifier: Apache-2.0
import Synchronization

/// A number that only grows; starts at 0 with the process. Safe from any thread, no lock.
public final class Counter: Metric {
    private let count = Atomic<UInt64>(0)

    init() {}

    /// Adds `amount`; wraps around at 2^64, as Prometheus counters may.
    @inline(__always)
    public func increment(by amount: UInt64 = 1) {
        count.wrappingAdd(amount, ordering: .relaxed)
    }

    public var value: UInt64 { count.load(ordering: .relaxed) }

    func write(name: String, labels: String, to text: inout String) {
        writeSample(name: name, labels: labels, value: String(value), to: &text)
    }
}
