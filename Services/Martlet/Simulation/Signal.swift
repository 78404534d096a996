// SPDX-License-Identifier: Apache-2.0
import Foundation

/// A made-up measurement: `name=sine:mean,amplitude,seconds[unit]`, `name=walk:start,step[unit]` or `name=counter:start,step[unit]`.
struct Signal: Equatable, Sendable {
    enum Shape: Equatable, Sendable {
        case sine(mean: Double, amplitude: Double, periodSeconds: Double)
        /// Each value is at most a step away from the one before.
        case walk(start: Double, step: Double)
        case counter(start: Double, step: Double)
    }

    static let usual = ["temperature=sine:21,4,60[Cel]", "humidity=walk:50,0.5[%RH]", "count=counter:0,1"]

    var name: String
    var shape: Shape
    var unit: String?

    /// - Throws: ``CommandFailure`` of usage.
    init(_ text: String) throws(CommandFailure) {
        let measurement = try Measurement(text)
        guard case .text(let value) = measurement.value, let shape = Self.shape(value) else {
            throw .usage(
                "'\(text)' is no signal",
                advice:
                    "name=sine:mean,amplitude,seconds  name=walk:start,step  name=counter:start,step, with [unit] or not"
            )
        }
        name = measurement.name
        unit = measurement.unit
        self.shape = shape
    }

    private static func shape(_ text: String) -> Shape? {
        let parts = text.split(separator: ":", maxSplits: 1)
        guard parts.count == 2 else { return nil }
        let texts = parts[1].split(separator: ",", omittingEmptySubsequences: false)
        let numbers = texts.compactMap { Measurement.number($0).flatMap { Double($0) } }
        guard numbers.count == texts.count else { return nil }
        switch (parts[0], numbers.count) {
        case ("sine", 3):
            guard numbers[2] > 0 else { return nil }
            return .sine(mean: numbers[0], amplitude: numbers[1], periodSeconds: numbers[2])
        case ("walk", 2): return .walk(start: numbers[0], step: numbers[1])
        case ("counter", 2): return .counter(start: numbers[0], step: numbers[1])
        default: return nil
        }
    }

    /// The next value, to four decimals.
    ///
    /// - Parameters:
    ///   - index: how many have been there before.
    ///   - seconds: since the device began.
    ///   - phase: of the device, 0 to 1: not all are at their highest at the same time.
    ///   - previous: the value before; nil at first.
    func value(
        index: Int, seconds: Double, phase: Double, previous: Double?, using generator: inout some RandomNumberGenerator
    ) -> Double {
        let value: Double
        switch shape {
        case .sine(let mean, let amplitude, let period):
            value = mean + amplitude * sin(2 * .pi * (seconds / period + phase))
        case .walk(let start, let step):
            value = previous.map { $0 + abs(step) * Double.random(in: -1...1, using: &generator) } ?? start
        case .counter(let start, let step): value = start + step * Double(index)
        }
        return (value * 10_000).rounded() / 10_000
    }
}
