// SPDX-License-Identifier: Apache-2.0

/// What becomes of requests. Called on the endpoint's thread.
protocol EndpointHandler: AnyObject {
    /// Whether anything of this address is looked at now.
    func admits(_ peer: PeerAddress, _ transport: CoAPTransport) -> Bool

    /// A request that did not come before; to be answered by ``EndpointLoop/respond(_:_:)``, now or later.
    func received(_ request: CoAPRequest, _ exchange: ExchangeID)

    /// A request came again.
    ///
    /// - Parameter isGood: whether it was answered as somebody's.
    func receivedAgain(_ peer: PeerAddress, isGood: Bool)

    /// A request of a connection that does not read its answers is not looked at.
    func ignored(_ reason: String)

    /// A connection is ended from here.
    func cutOff(_ reason: String)

    /// More requests are under way than there may be: this one is answered 5.03.
    func overloaded()

    /// The other side does not want an observation's notifications, or did not acknowledge one however often it was sent: the observation is closed.
    func observationEnded(_ observation: ObservationID, _ reason: ObservationEnd)

    /// A connection that took no more notifications has taken those before.
    func mayNotifyAgain()

    /// The other side of a datagram's address answered ``EndpointLoop/ping(_:)``, or did not.
    func pinged(_ peer: PeerAddress)
    func pingFailed(_ peer: PeerAddress)

    /// A network fills a socket's receive buffer, or begins handshakes that it does not end: for a while the kernel drops what comes from it.
    func ignoring(_ network: PeerAddress.Network)

    /// So many datagrams more were dropped by the kernel: of those, or because a receive buffer was full.
    func kernelDropped(_ datagrams: UInt64)

    /// A handshake was refused here.
    func handshakeRefused(_ reason: String)

    /// A security association or connection is gone.
    func sessionEnded(_ session: UInt64)

    /// When ``deadlineReached(now:)`` is to be called, in monotonic nanoseconds; nil: not now.
    var deadline: UInt64? { get }
    func deadlineReached(now: UInt64)

    /// About once a second.
    func tick(now: UInt64)
}

/// What became of a notification.
enum Notified: Sendable {
    case sent
    /// The other side has not taken those before: it may be sent later.
    case notNow
    /// The connection is gone.
    case gone
}

/// An observation in this process (RFC 7641).
struct ObservationID: Hashable, Sendable {
    let number: UInt64
}

/// Why an observation was closed by the other side.
enum ObservationEnd: String, Sendable {
    /// A Reset message.
    case reset
    /// No acknowledgement.
    case timeout
    /// Its connection or security association is gone.
    case disconnected
}
