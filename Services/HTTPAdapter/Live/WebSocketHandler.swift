// SPDX-License-Identifier: Apache-2.0
import AdapterKit
import Core
import Messaging
import NIOCore
import NIOWebSocket
import Observability

/// A connection that has become a WebSocket (RFC 6455), behind NIO's frame decoder.
///
/// Aspects: `+Frames` (what arrives), `+Publishing` (what the client sends to the channel), `+Closing`. Extensions are not offered, permessage-deflate above
/// all: its memory for each connection would be more than all the rest.
final class WebSocketHandler: ChannelDuplexHandler, LiveConnection {
    typealias InboundIn = WebSocketFrame
    typealias OutboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    /// A later phase is never left for an earlier one.
    enum Phase {
        case open
        /// Our close frame is on its way; only the client's is waited for.
        case closing
        /// Both have said goodbye, and the sending side is shut.
        case lingering
        case closed
    }

    /// A message that arrives in fragments.
    struct Assembly {
        let opcode: WebSocketOpcode
        var payload: ByteBuffer
    }

    /// A message on its way to the bus.
    struct Publish {
        let id: ByteBuffer?
        let bytes: Int
        let deadline: NIODeadline
    }

    let outlet: LiveOutlet
    let loop: IngestLoop
    let opening: LiveOpening
    let handshake: WebSocketHandshake
    var phase = Phase.open
    var context: ChannelHandlerContext?
    var assembly: Assembly?
    /// By number; numbers are never reused on a connection.
    var publishes: [UInt64: Publish] = [:]
    var nextPublish: UInt64 = 0
    /// Bytes that the decoder has and has not made a frame of.
    var unparsedBytes = 0
    /// Of the loop's ``IngestLoop/heldBytes``.
    var heldBytes = 0
    var owesRead = false
    /// When the next ping is due.
    var pingDue: NIODeadline
    /// When something must have come since the ping; nil: nothing is owed.
    var pongDeadline: NIODeadline?
    /// For the rest of a message.
    var messageDeadline: NIODeadline?
    var closeDeadline = NIODeadline.distantFuture
    var writeDeadline: NIODeadline?

    init(loop: IngestLoop, opening: LiveOpening, handshake: WebSocketHandshake) {
        self.loop = loop
        self.opening = opening
        self.handshake = handshake
        outlet = LiveOutlet(loop: loop.live)
        pingDue = .now() + loop.live.limits.keepAliveInterval
    }

    var isEnvelope: Bool { handshake.format == .envelope }

    /// One message; in the envelope there may be base64 (four bytes for three) and the other members besides.
    var maximumMessageBytes: Int {
        let payload = loop.policy.maximumPayloadBytes
        return isEnvelope ? payload / 3 * 4 + (8 << 10) : payload
    }

    // MARK: Lifecycle

    func handlerAdded(context: ChannelHandlerContext) {
        self.context = context
        outlet.context = context
        loop.metrics.count(status: 101)
        loop.live.metrics.webSockets.increment()
        outlet.send(handshake.response(date: loop.composer.date()))
        if isEnvelope {
            let document = LiveDocument.open(
                after: opening.listener?.position, publishes: opening.access?.publish != nil,
                subscribes: opening.listener != nil)
            outlet.send(WebSocketFraming.frame(.text, document))
        }
        opening.started(self)
        if let error = opening.withdrawal { return end(.withdrawn(error)) }
        if let listener = opening.listener { loop.live.start(listener, self) }
        context.read()
    }

    func handlerRemoved(context: ChannelHandlerContext) { ended() }

    func channelInactive(context: ChannelHandlerContext) {
        ended()
        context.fireChannelInactive()
    }

    private func ended() {
        guard phase != .closed else { return }
        phase = .closed
        assembly = nil
        unparsedBytes = 0
        hold()
        opening.close(loop.live)
        outlet.close()
        context = nil
        loop.live.metrics.webSockets.decrement()
        loop.remove(self)
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        guard phase == .open else { return close() }
        switch error as? NIOWebSocketError {
        case .invalidFrameLength: close(.tooBig, "payload-too-large")
        case .fragmentedControlFrame, .multiByteControlFrameLength: close(.protocolError, "control-frame")
        // Reset by peer and the like.
        case nil: close()
        }
    }

    // MARK: Reading

    /// Policy of messages under way and of what is not sent, acknowledgements and pongs among it: at the limit the socket is not read any more.
    private var mayRead: Bool {
        phase != .open || (publishes.count < loop.live.limits.maximumPublishesInFlight && outlet.isReadyForMore)
    }

    func read(context: ChannelHandlerContext) {
        if mayRead {
            context.read()
        } else {
            owesRead = true
        }
    }

    func readOn() {
        guard owesRead, mayRead else { return }
        owesRead = false
        context?.read()
    }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        writeDeadline = context.channel.isWritable ? nil : .now() + loop.limits.writeTimeout
        if context.channel.isWritable {
            outlet.flush()
            readOn()
        }
        context.fireChannelWritabilityChanged()
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        // Without a close frame, or behind it: either way nobody is there any more.
        if case .some(.inputClosed) = event as? ChannelEvent { return close() }
        context.fireUserInboundEventTriggered(event)
    }

    // MARK: Deadlines

    func checkDeadlines(now: NIODeadline) {
        if now >= closeDeadline { return close() }
        if let writeDeadline, now >= writeDeadline {
            loop.live.metrics.count(ended: "client-not-reading")
            return close()
        }
        guard phase == .open else { return }
        checkAcknowledgements(now: now)
        if let pongDeadline, now >= pongDeadline { return close(.protocolError, "pong-missing") }
        if let messageDeadline, now >= messageDeadline { return close(.policyViolation, "message-too-slow") }
        guard now >= pingDue, pongDeadline == nil else { return }
        pongDeadline = now + loop.live.limits.pongTimeout
        outlet.send(WebSocketFraming.frame(.ping, ByteBuffer()))
    }
}

/// In front of the frame decoder: counts what it holds.
final class WebSocketMeter: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias InboundOut = ByteBuffer

    private let connection: WebSocketHandler

    init(_ connection: WebSocketHandler) { self.connection = connection }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        connection.arrived(unwrapInboundIn(data).readableBytes)
        context.fireChannelRead(data)
    }
}
