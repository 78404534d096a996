// SPDX-License-Identifier: Apache-2.0

/// Where and how an endpoint listens, and its limits.
struct EndpointConfiguration: Sendable {
    var listeners: [ListenAddress]
    /// nil: there is no listener with DTLS or TLS.
    var security: EndpointSecurity?
    /// Peers without a request under way or an observation that are remembered for each listener; the longest idle is forgotten first. The library
    /// looks at all of them for each datagram.
    var maximumIdleSessions = 2_000
    /// After this long without a message a peer is forgotten; of DTLS, its security association.
    var sessionTimeoutSeconds = 3_600
    /// Security associations that are being made.
    var maximumHandshakes = 1_000
    /// Requests under way; more are answered 5.03.
    var maximumExchanges = 16_384
    /// Bytes of them.
    var maximumExchangeBytes = 128 << 20
    /// Bytes of answers and notifications that connections have not said to have taken; whoever has the most of them is cut off when there are more.
    var maximumUntakenBytes = 128 << 20
    /// Connections over TCP and TLS, of all and of one network.
    var maximumConnections = 4_096
    var maximumConnectionsOfNetwork = 256
    /// After this long without an answer a confirmable request is acknowledged, and answered separately (RFC 7252 section 5.2.2): before the client sends
    /// it again (ACK_TIMEOUT, 2 s).
    var acknowledgeAfterNanoseconds: UInt64 = 1_000_000_000
    /// Messages that are remembered, so that they are known when they come again: 247 s of a thousand each second.
    var maximumRememberedMessages = 262_144
    /// Bytes of their answers.
    var maximumRememberedBytes = 16 << 20
}
