// SPDX-License-Identifier: Apache-2.0
import AdapterKit
import Core
import NIOCore
import Observability

/// One client's connection: finds packets in what arrives, in place, and gathers what goes out into one write for each round of the event loop.
///
///     connecting → (CONNECT) authenticating → connected → closed
///
/// Where a packet has to wait (for `things`, for the bus), reading stops and the packet is taken again when the wait is over: order needs no queue.
final class Connection: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    enum Phase { case connecting, authenticating, connected, closed }

    /// Whether a packet was taken, or is to be taken again later.
    enum Step { case taken, waits }

    /// What a packet needs to know of `things`.
    struct Question: Hashable {
        let channel: ChannelAddress
        let right: AccessRight
    }

    // There are as many of these as there are clients: what is small stands together, what is rare elsewhere.
    let broker: Broker
    let listener: Listener.Kind
    /// In the broker's table; nil: it is not there.
    var place: UInt32?
    private(set) var phase = Phase.connecting
    var context: ChannelHandlerContext?
    var scanner: PacketScanner
    /// Bytes that arrived and were not taken: the beginning of a packet, or all of them while it waits.
    var pending = ByteBuffer()
    var isWaiting = false
    var isTaking = false
    /// The client has closed its side: nothing more comes.
    var isInputClosed = false
    var isDirty = false
    /// Reading stopped because the client does not take its answers.
    var waitsForRoom = false
    /// Its CONNECT is complete and waits for its turn: that is not the client's slowness.
    var isQueued = false
    /// Beyond the limit of connections: there to be told of another server.
    var isSurplus = false
    /// Whether reason strings and user properties may be sent in packets other than CONNACK, DISCONNECT and PUBLISH ([MQTT-3.1.2-29]).
    var explains = true
    /// MQTT 3.1.1: reading stopped because too many messages are on their way to the bus.
    var waitsForAnswers = false
    var version = ProtocolVersion.v311
    /// What goes out with the next flush.
    var out = ByteBuffer()
    var slowness: Slowness?
    /// From when on this client's CONNECT is waited for, or its answer.
    var openedAt = NIODeadline.now()
    /// What a proxy in front of it says of the client's address; nil: there is none that is trusted.
    var forwardedAddress: String?
    /// When CONNECT was accepted: nanoseconds since 1970.
    var connectedAt: Int64 = 0
    /// Of MQTT packets, without TLS and WebSocket.
    var receivedBytes = 0
    var sentBytes = 0
    var lastPacketAt = NIODeadline.now()
    var keepAlive = KeepAlive(requested: 0, version: .v311)
    var session: Session?
    var identity: ThingIdentity?
    /// Ends with the thing, its key or its certificate.
    var watch: LiveSession?
    /// When the client certificate does: nanoseconds since 1970; nil: there is none.
    var certificateExpiresAt: Int64?
    var maximumPacketSize = PacketScanner.largestPacket
    var inboundAliases = InboundTopicAliases(maximum: 0)
    var outboundAliases = OutboundTopicAliases(maximum: 0)
    /// The topic of the last PUBLISH and what it meant.
    var lastTopic: PublishTopic?
    /// The same of its form for the bus.
    var lastForm: StreamForm?
    /// Answers of `things` that the packet which waits has got so far.
    var answers: [Question: Result<Grant, ServiceError>] = [:]

    init(broker: Broker, listener: Listener.Kind) {
        self.broker = broker
        self.listener = listener
        scanner = PacketScanner(
            maximumPacketSize: min(broker.limits.connectPacketBytes, broker.limits.maximumPacketBytes))
    }

    func become(_ phase: Phase) { self.phase = phase }

    // MARK: The channel

    func handlerAdded(context: ChannelHandlerContext) {
        self.context = context
        if context.channel.isActive { opened() }
    }

    func channelActive(context: ChannelHandlerContext) {
        opened()
    }

    private func opened() {
        // One that came by WebSocket is known since before the upgrade, and may have been given up meanwhile.
        if phase != .closed, register() { return }
        context?.close(promise: nil)
    }

    /// Counts it among the broker's connections.
    /// - Returns: false when there are as many as there may be.
    func register() -> Bool {
        if broker.add(self) { return true }
        broker.metrics.refused("too-many-connections", on: listener)
        phase = .closed
        return false
    }

    func channelInactive(context: ChannelHandlerContext) {
        closed()
    }

    func handlerRemoved(context: ChannelHandlerContext) {
        closed()
        self.context = nil
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        broker.metrics.connectionErrors.increment()
        context.close(promise: nil)
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        // A client that has closed its side will never acknowledge anything; what it sent before is taken all the same.
        if case ChannelEvent.inputClosed? = event as? ChannelEvent {
            isInputClosed = true
            if !isWaiting { context.close(promise: nil) }
            return
        }
        context.fireUserInboundEventTriggered(event)
    }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        guard context.channel.isWritable else { return }
        slowness?.stall = nil
        flush()
        session?.pump()
        releaseHeld()
    }
}
