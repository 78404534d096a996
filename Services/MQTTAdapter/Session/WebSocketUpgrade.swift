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
            upgradePipelineHandler: { channel, _ in
                channel.eventLoop.makeCompletedFuture {
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

/// Takes the bytes of binary frames out, and puts what goes out into frames. What breaks RFC 6455 ends the connection with a close frame.
private final class WebSocketFrames: ChannelDuplexHandler {
    typealias InboundIn = WebSocketFrame
    typealias InboundOut = ByteBuffer
    typealias OutboundIn = ByteBuffer
    typealias OutboundOut = WebSocketFrame

    /// Whether the last data frame was not the last of its message.
    private var isContinued = false
    private var isClosing = false

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard !isClosing else { return }
        let frame = unwrapInboundIn(data)
        // Section 5.1.
        guard frame.maskKey != nil else { return close(context, .protocolError) }
        switch frame.opcode {
        case .binary, .continuation:
            // Section 5.4.
            guard isContinued == (frame.opcode == .continuation) else { return close(context, .protocolError) }
            isContinued = !frame.fin
            context.fireChannelRead(wrapInboundOut(frame.unmaskedData))
        case .ping:
            // The newest of several may be answered alone (section 5.5.3): of a client that does not read, none waits in memory.
            guard context.channel.isWritable else { return }
            context.writeAndFlush(
                wrapOutboundOut(WebSocketFrame(fin: true, opcode: .pong, data: frame.unmaskedData)), promise: nil)
        case .pong: break
        case .connectionClose: close(context, frame.unmaskedData)
        // [MQTT-6.0.0-1]: binary frames only.
        case .text: close(context, .unacceptableData)
        default: close(context, .protocolError)
        }
    }

    private func close(_ context: ChannelHandlerContext, _ code: WebSocketErrorCode) {
        var data = ByteBuffer()
        data.write(webSocketErrorCode: code)
        close(context, data)
    }

    private func close(_ context: ChannelHandlerContext, _ data: ByteBuffer) {
        isClosing = true
        let frame = WebSocketFrame(fin: true, opcode: .connectionClose, data: data)
        context.writeAndFlush(wrapOutboundOut(frame), promise: nil)
        // A client that reads nothing does not get to know; nobody waits for it.
        context.close(promise: nil)
    }

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        context.write(
            wrapOutboundOut(WebSocketFrame(fin: true, opcode: .binary, data: unwrapOutboundIn(data))), promise: promise)
    }
}
