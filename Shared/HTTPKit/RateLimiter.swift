// SPDX-License-Identifier: Apache-2.0
import Core
import Synchronization

/// A token bucket for each key (an address, a principal), in a table of bounded size.
///
/// A bucket that is full again is forgotten first; when all are in use the emptied ones stay, and the fullest go, so that an attacker with many
/// addresses cannot free his own.
public final class RateLimiter: Sendable {
    private struct Bucket {
        var tokens: Double
        var updated: ContinuousClock.Instant
    }

    private let perSecond: Double
    private let burst: Double
    private let maximumKeys: Int
    private let now: @Sendable () -> ContinuousClock.Instant
    private let buckets = Mutex<[String: Bucket]>([:])

    /// - Parameters:
    ///   - perSecond: tokens that come back in a second.
    ///   - burst: tokens of a full bucket, at least 1.
    ///   - maximumKeys: 10,000 keys take about 1 MiB.
    public init(
        perSecond: Double, burst: Int, maximumKeys: Int = 10_000,
        now: @escaping @Sendable () -> ContinuousClock.Instant = { ContinuousClock.now }
    ) {
        self.perSecond = max(perSecond, 0.000_001)
        self.burst = Double(max(burst, 1))
        self.maximumKeys = max(maximumKeys, 1)
        self.now = now
    }

    /// Takes one token.
    /// - Throws: `tooManyRequests` with the time until there is one again.
    public func take(_ key: String) throws(ServiceError) {
        let time = now()
        let wait: Double? = buckets.withLock { buckets in
            var bucket = refilled(buckets[key], at: time)
            if buckets[key] == nil, buckets.count >= maximumKeys { evict(&buckets, at: time) }
            defer { buckets[key] = bucket }
            guard bucket.tokens >= 1 else { return (1 - bucket.tokens) / perSecond }
            bucket.tokens -= 1
            return nil
        }
        guard let wait else { return }
        throw ServiceError(
            .tooManyRequests, reason: "rate-limit", "too many requests; slow down",
            retryAfterSeconds: max(1, Int(min(wait, 86_400).rounded(.up))))
    }

    /// Gives a token back: what it was taken for turned out to be harmless.
    public func giveBack(_ key: String) {
        let time = now()
        buckets.withLock { buckets in
            guard buckets[key] != nil else { return }
            var bucket = refilled(buckets[key], at: time)
            bucket.tokens = min(burst, bucket.tokens + 1)
            buckets[key] = bucket
        }
    }

    private func refilled(_ bucket: Bucket?, at time: ContinuousClock.Instant) -> Bucket {
        guard let bucket else { return Bucket(tokens: burst, updated: time) }
        let (seconds, attoseconds) = (time - bucket.updated).components
        let elapsed = Double(seconds) + Double(attoseconds) * 1e-18
        return Bucket(tokens: min(burst, bucket.tokens + elapsed * perSecond), updated: time)
    }

    /// Makes room: what is full again, or, when nothing is, the fullest tenth.
    private func evict(_ buckets: inout [String: Bucket], at time: ContinuousClock.Instant) {
        buckets = buckets.filter { refilled($0.value, at: time).tokens < burst }
        guard buckets.count >= maximumKeys else { return }
        let fullest = buckets.sorted { refilled($0.value, at: time).tokens > refilled($1.value, at: time).tokens }
        for (key, _) in fullest.prefix(max(1, maximumKeys / 10)) { buckets[key] = nil }
    }

    /// How many keys are remembered now.
    public var count: Int { buckets.withLock { $0.count } }
}
