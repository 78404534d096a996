// SPDX-License-Identifier: Apache-2.0
import NIOCore
import NIOHTTP1

/// What one connection, one event loop and the whole server may cost. Times are counted from the moment named; all are checked by a sweep every
/// ``sweepInterval``, so they are kept to within that.
struct ConnectionLimits: Sendable {
    /// Connections at a time; one more is answered 503 and closed. An idle one costs about 4 KiB.
    var maximumConnections = 10_000
    /// Request line and header fields together. A path has at most 512 bytes of subtopic (three times that percent-encoded), a key 1 KiB.
    var maximumHeadBytes = 16 << 10
    /// One header field, or the request target.
    var maximumFieldBytes = 8 << 10
    var maximumFields = 64
    /// Requests of one connection that wait for their answers. While it is reached the socket is not read; as one read brings 64 KiB at
    /// most, the true bound is this plus 64 KiB / 30 B (the shortest request) ≈ 2,200, refused ones of the smallest kind included.
    var maximumPipelined = 64
    /// Streams that an HTTP/2 connection may have open at a time (SETTINGS_MAX_CONCURRENT_STREAMS). Each counts among ``maximumConnections`` besides, as its
    /// requests and its queue cost what a connection's do. One more is refused (REFUSED_STREAM).
    var maximumStreams = 128
    /// Streams that an HTTP/2 connection may have refused in its life; then it ends (ENHANCE_YOUR_CALM). One that keeps to what it was told has none.
    var maximumRefusedStreams = 256
    /// Bytes of request bodies that an HTTP/2 connection may send before it is told that they were taken: one payload of the largest size.
    var connectionWindowBytes = 1 << 20
    /// Bytes of a refused request's body that are read past so that the connection can go on; beyond, it is closed.
    var maximumDiscardedBytes = 64 << 10
    /// Messages of one event loop on their way to the bus.
    var maximumPublishesInFlight = 16_384
    /// Bytes of bodies that one event loop holds, arriving or waiting for authorization.
    var maximumHeldBytes = 64 << 20

    /// From the first byte of a request (or the connection's opening) to the end of its head.
    var headTimeout: TimeAmount = .seconds(15)
    /// From the end of the head to the end of the body: 1 MiB in a minute is 140 kbit/s.
    var bodyTimeout: TimeAmount = .seconds(60)
    /// Between two requests.
    var idleTimeout: TimeAmount = .seconds(75)
    /// From a complete request to the bus's acknowledgement.
    var acknowledgementTimeout: TimeAmount = .seconds(10)
    /// Without any progress in sending answers to a client that does not read.
    var writeTimeout: TimeAmount = .seconds(30)
    /// For a client to notice the end of a connection on which it may still be sending (RFC 9112 section 9.6).
    var lingerTimeout: TimeAmount = .seconds(2)
    /// For answers in flight when the server is told to end; less than what ServiceKit grants the whole process.
    var drainTimeout: TimeAmount = .seconds(12)
    var sweepInterval: TimeAmount = .milliseconds(500)

    var decoder: NIOHTTPDecoderLimitConfiguration {
        var limits = NIOHTTPDecoderLimitConfiguration()
        limits.maxHeaderFieldSize = maximumFieldBytes
        limits.maxHeaderListSize = maximumHeadBytes
        limits.maxHeaderFieldCount = maximumFields
        return limits
    }
}
