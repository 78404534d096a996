// SPDX-License-Identifier: Apache-2.0

/// Keeps one address from filling a port's receive buffer so that others find no room in it.
///
/// While the buffer is filling, it is looked at whose the datagrams in it are. A network that has more than a quarter of them is ignored for a while: longer each
/// time, as long as others are there, too; but for a moment only when it is alone, as then nobody else is held up.
struct FloodGuard {
    struct Limits: Sendable, Equatable {
        /// Datagrams that are looked at before anything is decided.
        var samples = 64
        var firstNanoseconds: UInt64 = 100_000_000
        var maximumNanoseconds: UInt64 = 10_000_000_000
        /// How long somebody who has sent a request counts as being there.
        var presenceNanoseconds: UInt64 = 60_000_000_000
    }

    private struct Ignored {
        var until: UInt64
        var nanoseconds: UInt64
    }

    private let limits: Limits
    private var counts: [PeerAddress.Network: Int] = [:]
    private var sampled = 0
    /// Those whose time is over are kept for as long again, so that the next is longer.
    private var ignored: [PeerAddress.Network: Ignored] = [:]
    /// The last two networks of which requests came.
    private var latest: (network: PeerAddress.Network, at: UInt64)?
    private var other: (network: PeerAddress.Network, at: UInt64)?

    init(_ limits: Limits = Limits()) { self.limits = limits }

    /// A request of this network is looked at.
    mutating func saw(_ network: PeerAddress.Network, now: UInt64) {
        if latest?.network != network { other = latest }
        latest = (network, now)
    }

    /// A datagram waits in a buffer that is filling.
    ///
    /// - Returns: the networks that are ignored from now on; empty: nothing changes.
    mutating func sample(_ network: PeerAddress.Network, now: UInt64) -> [PeerAddress.Network] {
        counts[network, default: 0] += 1
        sampled += 1
        guard sampled >= limits.samples else { return [] }
        let found = counts.filter { $0.value > limits.samples / 4 }.keys
        forgetSamples()
        for network in found { ignore(network, for: length(network, now), now: now) }
        return Array(found)
    }

    /// The buffer is not filling any more.
    mutating func forgetSamples() {
        counts = [:]
        sampled = 0
    }

    mutating func ignore(_ network: PeerAddress.Network, for nanoseconds: UInt64, now: UInt64) {
        if ignored.count >= PacketFilter.maximumNetworks, ignored[network] == nil,
            let first = ignored.min(by: { $0.value.until < $1.value.until })?.key
        {
            ignored[first] = nil
        }
        ignored[network] = Ignored(until: now &+ nanoseconds, nanoseconds: nanoseconds)
    }

    private func length(_ network: PeerAddress.Network, _ now: UInt64) -> UInt64 {
        guard let before = ignored[network]?.nanoseconds, isAnybodyElse(than: network, now) else {
            return limits.firstNanoseconds
        }
        return min(limits.maximumNanoseconds, before * 2)
    }

    private func isAnybodyElse(than network: PeerAddress.Network, _ now: UInt64) -> Bool {
        [latest, other].contains { seen in
            guard let seen else { return false }
            return seen.network != network && seen.at &+ limits.presenceNanoseconds > now
        }
    }

    /// Who is ignored at this moment.
    func networks(now: UInt64) -> [PeerAddress.Network] { ignored.filter { $0.value.until > now }.map(\.key) }

    /// When the next of them is not any more; nil: none is.
    func nextEnd(now: UInt64) -> UInt64? { ignored.values.map(\.until).filter { $0 > now }.min() }

    mutating func expire(_ now: UInt64) {
        ignored = ignored.filter { $0.value.until &+ max($0.value.nanoseconds, 1_000_000_000) > now }
    }
}
