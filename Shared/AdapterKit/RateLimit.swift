// SPDX-License-Identifier: Apache-2.0
import Core
import Synchronization

/// A token bucket: `perSecond` on average, `burst` at once.
public struct RateLimit: Sendable, Equatable {
    public let perSecond: Double
    public let burst: Double

    /// - Returns: nil unless both are finite, `perSecond` above 0 and `burst` at least 1.
    public init?(perSecond: Double, burst: Double) {
        guard perSecond > 0, perSecond.isFinite, burst >= 1, burst.isFinite else { return nil }
        self.perSecond = perSecond
        self.burst = burst
    }
}

/// Token buckets by key, in a table of bounded size.
///
/// A bucket that nobody has drawn on for `burst / perSecond` seconds is full again and forgetting it changes nothing. The table keeps two halves and
/// forgets the older when the younger is full; only when more keys than `capacity` draw within that time is a bucket refilled early.
final class RateLimiter<Key: Hashable & Sendable>: Sendable {
    private struct Bucket: Sendable {
        var tokens: Double
        /// Monotonic nanoseconds.
        var updatedAt: Int64
    }

    private struct State: Sendable {
        var young: [Key: Bucket] = [:]
        var old: [Key: Bucket] = [:]
    }

    private let limit: RateLimit
    private let halfCapacity: Int
    private let clock: WallClock
    private let state = Mutex(State())

    init(_ limit: RateLimit, capacity: Int = 200_000, clock: WallClock = .monotonic) {
        self.limit = limit
        halfCapacity = max(1, capacity / 2)
        self.clock = clock
    }

    var count: Int { state.withLock { $0.young.count + $0.old.count } }

    /// Draws one token.
    /// - Returns: nil when there was one, otherwise the whole seconds (at least 1) after which there will be.
    func draw(_ key: Key) -> Int? {
        let now = clock.now()
        var forgotten: [Key: Bucket] = [:]
        defer { withExtendedLifetime(forgotten) {} }
        return state.withLock { state in
            var bucket = state.young[key] ?? state.old[key] ?? Bucket(tokens: limit.burst, updatedAt: now)
            let seconds = Double(max(0, now - bucket.updatedAt)) / 1e9
            bucket.tokens = min(limit.burst, bucket.tokens + seconds * limit.perSecond)
            bucket.updatedAt = now
            let isAllowed = bucket.tokens >= 1
            if isAllowed { bucket.tokens -= 1 }
            if state.young.count >= halfCapacity, state.young[key] == nil {
                forgotten = state.old
                state.old = state.young
                state.young = [:]
            }
            state.young[key] = bucket
            if isAllowed { return nil }
            let wait = ((1 - bucket.tokens) / limit.perSecond).rounded(.up)
            return Int(exactly: min(max(wait, 1), 86_400)) ?? 86_400
        }
    }
}
