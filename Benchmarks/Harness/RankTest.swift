// SPDX-License-Identifier: Apache-2.0
import Foundation

/// Whether two samples can be told apart: Mann and Whitney's test, which looks at the order of the values only, so that neither the shape
/// of their distribution nor a few late answers count.
struct RankTest {
    /// How often a value of the sample is above one of the baseline, ties counted by half: 0.5 when they cannot be told apart.
    let area: Double
    /// How many standard deviations that is from 0.5; of samples of the same kind it lies beyond ±3 once in 370 times.
    let z: Double

    /// NaN when one of them is empty, or when all values are the same.
    init(_ sample: [Double], against baseline: [Double]) {
        let values = (sample.map { ($0, true) } + baseline.map { ($0, false) }).sorted { $0.0 < $1.0 }
        var ranks = 0.0
        var ties = 0.0
        var start = 0
        while start < values.count {
            var end = start
            while end < values.count, values[end].0 == values[start].0 { end += 1 }
            // Equal values share the middle of their ranks, which count from 1.
            let rank = Double(start + end + 1) / 2
            ranks += rank * Double(values[start..<end].count { $0.1 })
            let count = Double(end - start)
            ties += count * count * count - count
            start = end
        }
        let (own, others, all) = (Double(sample.count), Double(baseline.count), Double(values.count))
        let pairs = own * others
        let wins = ranks - own * (own + 1) / 2
        area = wins / pairs
        z = (wins - pairs / 2) / (pairs / 12 * (all + 1 - ties / (all * (all - 1)))).squareRoot()
    }
}
