// SPDX-License-Identifier: Apache-2.0

/// A token bucket for each network of addresses, drawn on by every request and given back by those that turn out to be somebody's: what is left is what
/// nobody answers for.
///
/// Bounded: the table keeps two halves and forgets the older when the younger is full; a bucket that is forgotten is a full one again.
struct AddressBuckets {
    private struct Bucket {
        var tokens: Double
        var updatedAt: UInt64
    }

    private let perSecond: Double
    private let burst: Double
    private let halfCapacity: Int
    private var young: [PeerAddress.Network: Bucket] = [:]
    private var old: [PeerAddress.Network: Bucket] = [:]

    init(perSecond: Double, burst: Double, capacity: Int = 131_072) {
        self.perSecond = perSecond
        self.burst = burst
        halfCapacity = max(1, capacity / 2)
    }

    var count: Int { young.count + old.count }

    /// - Parameter now: monotonic nanoseconds.
    /// - Returns: whether there was a token.
    mutating func draw(_ network: PeerAddress.Network, now: UInt64) -> Bool {
        var bucket = young[network] ?? old[network] ?? Bucket(tokens: burst, updatedAt: now)
        bucket.tokens = min(burst, bucket.tokens + Double(now &- bucket.updatedAt) / 1e9 * perSecond)
        bucket.updatedAt = now
        let isAllowed = bucket.tokens >= 1
        if isAllowed { bucket.tokens -= 1 }
        if young.count >= halfCapacity, young[network] == nil {
            old = young
            young = [:]
        }
        young[network] = bucket
        return isAllowed
    }

    mutating func giveBack(_ network: PeerAddress.Network) {
        guard let tokens = young[network]?.tokens else { return }
        young[network]?.tokens = min(burst, tokens + 1)
    }
}
