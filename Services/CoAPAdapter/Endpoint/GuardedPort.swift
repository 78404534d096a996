// SPDX-License-Identifier: Apache-2.0

/// A UDP socket, and who is not listened to there.
final class GuardedPort {
    /// Datagrams of one port that are read before anything else has its turn.
    static let maximumBurst = 16
    /// Of the receive buffer: from here on it is filling.
    private static let filling = 0.5

    let port: DatagramPort
    private var flood = FloodGuard()
    private var dropped: UInt32
    /// How many datagrams are read when the port is ready: more each time that it is ready again at once. One read in vain costs a system call, and each
    /// call of the library a look at all of its sessions.
    private(set) var burst = 1

    init(_ port: DatagramPort) {
        self.port = port
        port.enlargeReceiveBuffer()
        port.ignore([])
        dropped = port.load().dropped
    }

    func waited(isReady: Bool) { burst = isReady ? min(Self.maximumBurst, burst * 2) : 1 }

    /// A request of this network is looked at.
    func saw(_ network: PeerAddress.Network, now: UInt64) { flood.saw(network, now: now) }

    /// Looks whether the receive buffer is filling, and by whom.
    ///
    /// - Returns: who is ignored from now on.
    func look(_ now: UInt64) -> [PeerAddress.Network] {
        guard burst == Self.maximumBurst else { return [] }
        guard port.load().fill > Self.filling else {
            flood.forgetSamples()
            return []
        }
        guard let next = port.next() else { return [] }
        let found = flood.sample(next.network, now: now)
        if !found.isEmpty { apply(now) }
        return found
    }

    func ignore(_ network: PeerAddress.Network, for nanoseconds: UInt64, now: UInt64) {
        flood.ignore(network, for: nanoseconds, now: now)
        apply(now)
    }

    /// When somebody is listened to again.
    private(set) var deadline: UInt64?

    func deadlineReached(_ now: UInt64) {
        flood.expire(now)
        apply(now)
    }

    private func apply(_ now: UInt64) {
        let networks = flood.networks(now: now)
        port.ignore(networks)
        deadline = flood.nextEnd(now: now)
    }

    /// Datagrams that the kernel has dropped since the last call.
    func takeDropped() -> UInt64 {
        let now = port.load().dropped
        defer { dropped = now }
        return UInt64(now &- dropped)
    }
}
