// SPDX-License-Identifier: Apache-2.0

/// A request under way.
struct Exchange {
    /// Referenced until the exchange has ended.
    let session: OpaquePointer
    let transport: CoAPTransport
    let token: CoAPToken
    let messageID: UInt16
    let isConfirmable: Bool
    let options: CoAPOptions
    /// nil over a reliable transport.
    let key: ExchangeMemory.Key?
    let origin: ExchangeOrigin
    /// By an empty message; what follows is a separate response.
    var isAcknowledged = false
}

/// Where a request came from.
struct ExchangeOrigin {
    let transport: CoAPTransport
    let peer: PeerAddress
    /// Of its datagram, in bytes.
    let size: Int
}

/// What notifications are sent to.
struct Observation {
    /// Referenced until the observation has ended.
    let session: OpaquePointer
    let sessionNumber: UInt64
    let transport: CoAPTransport
    let token: CoAPToken

    var key: ObservationKey { ObservationKey(session: sessionNumber, token: token) }
}

/// By which a client knows its observation (RFC 7641 section 3.1).
struct ObservationKey: Hashable {
    /// The library's, one for each peer.
    let session: UInt64
    let token: CoAPToken
}
