// SPDX-License-Identifier: Apache-2.0
import Core

/// How a ``SocketBus`` reaches the daemon, and its limits. The defaults suit every service.
public struct SocketBusConfiguration: Sendable {
    /// The daemon's Unix socket.
    public var path: String
    /// The service's name, which is its role at the bus.
    public var name: String

    /// `publish` and the asynchronous `publishDurably` suspend while more than this is queued (policy: block the publisher). 1 MiB is four of
    /// the kernel's socket buffers: never empty while the bus reads.
    public var outboundHighWaterBytes = 1 << 20
    /// What cannot suspend is refused with ``BusError/overloaded`` while more than this is queued.
    public var outboundMaximumBytes = 32 << 20
    /// Durable publishes without an answer yet; more suspend or are refused likewise. At 24 bytes each 3 MiB.
    public var maximumDurableInFlight = 1 << 17
    /// Requests without an answer yet; more are refused with ``BusError/overloaded``.
    public var maximumRequestsInFlight = 1 << 16
    /// Buffered for one subscription that does not keep up, before it ends with ``BusError/slowConsumer``. Every message takes 17 bytes at
    /// least, so this bounds the number of messages too.
    public var subscriptionBufferBytes = 16 << 20
    /// The largest frame that is accepted from the bus: beyond a message, an answer to `read`.
    public var maximumFrameBytes = 32 << 20

    /// From connecting to being welcome.
    public var handshakeTimeout: Duration = .seconds(5)
    /// A connection on which nothing came for this long is pinged.
    public var pingInterval: Duration = .seconds(5)
    /// One on which nothing came for this long is dead and closed.
    public var peerTimeout: Duration = .seconds(15)
    /// How long ``Bus/close()`` waits for what is queued and in flight.
    public var closeTimeout: Duration = .seconds(5)
    /// Delays between attempts to connect.
    public var backOff = BackOff()

    public init(path: String, name: String) {
        self.path = path
        self.name = name
    }
}
