// SPDX-License-Identifier: Apache-2.0

/// Exponential back-off with full jitter, for reconnecting for ever without a stampede.
///
/// Each delay is uniform in `0 ... min(ceiling, base * 2^attempt)`.
public struct BackOff: Sendable {
    public let base: Duration
    public let ceiling: Duration
    private var attempt = 0

    public init(base: Duration = .milliseconds(50), ceiling: Duration = .seconds(5)) {
        self.base = base
        self.ceiling = ceiling
    }

    /// The delay before the next attempt; each call doubles the bound.
    public mutating func next(using generator: inout some RandomNumberGenerator) -> Duration {
        // Twenty doublings pass any sensible ceiling and cannot overflow.
        let bound = min(ceiling, base * (1 << min(attempt, 20)))
        attempt += 1
        return bound * Double.random(in: 0...1, using: &generator)
    }

    /// The delay before the next attempt, from the system's random number generator.
    public mutating func next() -> Duration {
        var generator = SystemRandomNumberGenerator()
        return next(using: &generator)
    }

    /// Begins again from `base`; call it once a connection has proved good.
    public mutating func reset() { attempt = 0 }
}
