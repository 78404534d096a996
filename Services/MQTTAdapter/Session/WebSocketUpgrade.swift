// SPDX-License-Identifier: Apache-2.0
import NIOCore
import NIOHTTP1
import NIOWebSocket
import Observability

/// MQTT over WebSocket (MQTT 5 section 6): `/mqtt`, subprotocol `mqtt`, binary frames whose boundaries mean nothing.
enum WebSocketUpgrade {
    static let path = "/mqtt"
    /// Of one frame; a packet may take several ([MQTT-6.0.0-2]).
    static let maximumFrameBytes = 2 << 20

    static func add(to pipeline: ChannelPipeline.SynchronousOperations, _ connection: Connection) throws {
        let bound = NIOLoopBound(connection, eventLoop: pipeline.eventLoop)
        let upgrader = NIOWebSocketServerUpgrader(
            maxFrameSize: maximumFrameBytes, automaticErrorHandling: true,
            shouldUpgrade: { channel, head in
                guard head.uri.split(separator: "?").first.map(String.init) == path,
                    head.headers[canonicalForm: "sec-websocket-protocol"].contains("mqtt")
                else { return channel.eventLoop.makeSucceededFuture(nil) }
                return channel.eventLoop.makeSucceededFuture(["Sec-WebSocket-Protocol": "mqtt"])
            },
            upgradePipelineHandler: { channel, head in
                channel.eventLoop.makeCompletedFuture {
                    bound.value.cameBy(channel.remoteAddress, forwardedFor: head.headers["x-forwarded-for"].last)
                    let pipeline = channel.pipeline.syncOperations
                    try pipeline.addHandler(WebSocketFrames())
                    try pipeline.addHandler(bound.value)
                }
            })
        try pipeline.configureHTTPServerPipeline(
            withPipeliningAssistance: false,
            withServerUpgrade: (
                upgraders: [upgrader],
                completionHandler: { context in
                    let pipeline = context.pipeline.syncOperations
                    if let refusal = try? pipeline.handler(type: RefusedUpgrade.self) {
                        pipeline.removeHandler(refusal, promise: nil)
                    }
                }
            ), withErrorHandling: true, withEncoderConfiguration: HTTPResponseEncoder.Configuration(),
            withDecoderLimitConfiguration: requestLimits)
        try pipeline.addHandler(RefusedUpgrade(connection))
    }

    /// A request to upgrade is small, whoever writes it: 16 KiB of header fields.
    private static var requestLimits: NIOHTTPDecoderLimitConfiguration {
        var limits = NIOHTTPDecoderLimitConfiguration()
        limits.maxHeaderFieldSize = 8 << 10
        limits.maxHeaderListSize = 16 << 10
        limits.maxHeaderFieldCount = 64
        return limits
    }
}

/// Answers what is not an upgrade to MQTT; a client that has not asked for it in time is let go of. Until then it counts as a connection already.
private final class RefusedUpgrade: ChannelInboundHandler, RemovableChannelHandler {
    typealias InboundIn = HTTPServerRequestPart
    typealias OutboundOut = HTTPServerResponsePart

    private let connection: Connection
    private var deadline: Scheduled<Void>?

    init(_ connection: Connection) { self.connection = connection }

    func handlerAdded(context: ChannelHandlerContext) {
        if context.channel.isActive { opened(context) }
    }

    func channelActive(context: ChannelHandlerContext) {
        opened(context)
        context.fireChannelActive()
    }

    private func opened(_ context: ChannelHandlerContext) {
        let channel = context.channel
        guard connection.register() else { return channel.close(promise: nil) }
        let bound = NIOLoopBound(connection, eventLoop: context.eventLoop)
        deadline = context.eventLoop.scheduleTask(in: connection.broker.limits.connectTimeout) {
            // Counts it, unless the broker's look at all deadlines has done so.
            bound.value.checkDeadlines(.now())
            channel.close(promise: nil)
        }
    }

    func handlerRemoved(context: ChannelHandlerContext) {
        deadline?.cancel()
        deadline = nil
    }

    func channelInactive(context: ChannelHandlerContext) {
        connection.closed()
        context.fireChannelInactive()
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        // A client that has closed its side will not ask any more.
        if case ChannelEvent.inputClosed? = event as? ChannelEvent { return context.close(promise: nil) }
        context.fireUserInboundEventTriggered(event)
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        // The request is no upgrade, or not to this: it comes on, and is answered.
        if error is NIOWebSocketUpgradeError { return }
        connection.broker.metrics.connectionErrors.increment()
        context.close(promise: nil)
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard case .head(let request) = unwrapInboundIn(data) else { return }
        let isHere = request.uri.split(separator: "?").first.map(String.init) == WebSocketUpgrade.path
        let text = "MQTT over WebSocket: \(WebSocketUpgrade.path) with the subprotocol 'mqtt'.\n"
        var headers = HTTPHeaders([
            ("Content-Type", "text/plain; charset=utf-8"), ("Content-Length", "\(text.utf8.count)"),
            ("Connection", "close"),
        ])
        if isHere { headers.add(name: "Upgrade", value: "websocket") }
        let head = HTTPResponseHead(version: .http1_1, status: isHere ? .upgradeRequired : .notFound, headers: headers)
        context.write(wrapOutboundOut(.head(head)), promise: nil)
        context.write(wrapOutboundOut(.body(.byteBuffer(ByteBuffer(string: text)))), promise: nil)
        let channel = context.channel
        context.writeAndFlush(wrapOutboundOut(.end(nil))).whenComplete { _ in channel.close(promise: nil) }
    }
}

/// Takes the bytes of binary frames out, and puts what goes out into frames (RFC 6455 section 5).
private final class WebSocketFrames: ChannelDuplexHandler {
    typealias InboundIn = WebSocketFrame
    typealias InboundOut = ByteBuffer
    typealias OutboundIn = ByteBuffer
    typealias OutboundOut = WebSocketFrame

    /// Whether a message has begun whose last frame has not come.
    private var isFragmented = false
    /// Whether a close frame has been sent: nothing is read or sent any more.
    private var isClosing = false

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard !isClosing else { return }
        let frame = unwrapInboundIn(data)
        // Sections 5.1 and 5.2: clients mask, and no extension was agreed on that would use the reserved bits.
        guard frame.maskKey != nil, !frame.rsv1, !frame.rsv2, !frame.rsv3 else {
            return close(context, .protocolError)
        }
        switch frame.opcode {
        case .binary, .continuation:
            // Section 5.4
            guard isFragmented == (frame.opcode == .continuation) else { return close(context, .protocolError) }
            isFragmented = !frame.fin
            context.fireChannelRead(wrapInboundOut(frame.unmaskedData))
        // [MQTT-6.0.0-1]: binary frames only.
        case .text: close(context, .unacceptableData)
        case .ping:
            // The newest of several may be answered alone (section 5.5.3): of a client that does not read, none waits in memory.
            guard context.channel.isWritable else { return }
            context.writeAndFlush(
                wrapOutboundOut(WebSocketFrame(fin: true, opcode: .pong, data: frame.unmaskedData)), promise: nil)
        case .pong: break
        case .connectionClose: close(context, frame.unmaskedData)
        default: close(context, .protocolError)
        }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        // The decoder's own errors are answered before this handler.
        if error is NIOWebSocketError { isClosing = true }
        context.fireErrorCaught(error)
    }

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        guard !isClosing else {
            promise?.fail(ChannelError.ioOnClosedChannel)
            return
        }
        context.write(
            wrapOutboundOut(WebSocketFrame(fin: true, opcode: .binary, data: unwrapOutboundIn(data))), promise: promise)
    }

    func close(context: ChannelHandlerContext, mode: CloseMode, promise: EventLoopPromise<Void>?) {
        if mode == .all, !isClosing {
            isClosing = true
            context.writeAndFlush(wrapOutboundOut(Self.closeFrame(.normalClosure)), promise: nil)
        }
        context.close(mode: mode, promise: promise)
    }

    private func close(_ context: ChannelHandlerContext, _ code: WebSocketErrorCode) {
        close(context, Self.closeFrame(code).data)
    }

    private func close(_ context: ChannelHandlerContext, _ data: ByteBuffer) {
        isClosing = true
        let frame = WebSocketFrame(fin: true, opcode: .connectionClose, data: data)
        context.writeAndFlush(wrapOutboundOut(frame), promise: nil)
        // A client that reads nothing does not get to know; nobody waits for it.
        context.close(promise: nil)
    }

    private static func closeFrame(_ code: WebSocketErrorCode) -> WebSocketFrame {
        var data = ByteBuffer()
        data.write(webSocketErrorCode: code)
        return WebSocketFrame(fin: true, opcode: .connectionClose, data: data)
    }
}
