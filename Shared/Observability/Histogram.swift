// SPDX-License-Identifier: Apache-2.0
import Synchronization

/// Counts observations in buckets. Safe from any thread, no lock; a scrape may see an observation in its bucket before it is in the sum.
public final class Histogram: Metric {
    /// 0.5 ms to 10 s: what a request on one machine may take.
    public static let latencySeconds: [Double] = [
        0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10,
    ]
    /// 1 to 100,000 by decades and halves: sizes of batches.
    public static let batchSizes: [Double] = [1, 5, 10, 50, 100, 500, 1_000, 5_000, 10_000, 50_000, 100_000]

    private let bounds: [Double]
    /// One more than bounds: the last is `+Inf`.
    private let buckets: [Counter]
    private let sum = Gauge()

    init(buckets bounds: [Double]) {
        self.bounds = bounds.sorted()
        buckets = (0...bounds.count).map { _ in Counter() }
    }

    public func observe(_ value: Double) {
        // Few bounds: a linear search is as fast as a binary one and has no branches that mispredict twice.
        var index = 0
        while index < bounds.count && value > bounds[index] { index += 1 }
        buckets[index].increment()
        sum.increment(by: value)
    }

    /// Observes a duration in seconds.
    public func observe(_ duration: Duration) {
        let (seconds, attoseconds) = duration.components
        observe(Double(seconds) + Double(attoseconds) * 1e-18)
    }

    /// Observations so far.
    public var count: UInt64 { buckets.reduce(0) { $0 &+ $1.value } }

    func write(name: String, labels: String, to text: inout String) {
        var cumulative: UInt64 = 0
        for (index, bucket) in buckets.enumerated() {
            cumulative &+= bucket.value
            let bound = index < bounds.count ? formatSample(bounds[index]) : "+Inf"
            let separator = labels.isEmpty ? "" : ","
            writeSample(
                name: name + "_bucket", labels: "\(labels)\(separator)le=\"\(bound)\"", value: String(cumulative),
                to: &text)
        }
        writeSample(name: name + "_sum", labels: labels, value: formatSample(sum.value), to: &text)
        writeSample(name: name + "_count", labels: labels, value: String(cumulative), to: &text)
    }
}
