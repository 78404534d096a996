// SPDX-License-Identifier: Apache-2.0
import NIOCore
import NIOHTTP2

/// An HTTP/2 connection behind NIO's framing: it makes a ``ConnectionHandler`` of each stream, and ends when nothing is asked of it or what comes is not
/// HTTP/2.
///
/// What a client may do to excess, NIO counts and answers with GOAWAY (``ConnectionLimits/http2``); a connection that does not read is not read from.
final class HTTP2Connection: ChannelDuplexHandler, ServedConnection {
    typealias InboundIn = HTTP2Frame
    typealias OutboundIn = HTTP2Frame
    typealias OutboundOut = HTTP2Frame

    private let loop: IngestLoop
    private var context: ChannelHandlerContext?
    private var openStreams = 0
    private var refusedStreams = 0
    private var isClosed = false
    private var isDraining = false
    /// What came is not HTTP/2, or too much of it: said once, whatever else comes behind.
    private var isBroken = false
    private var owesRead = false
    /// Without a stream, the end: frames alone, or parts of one, keep no connection open.
    private var idleDeadline: NIODeadline
    private var writeDeadline: NIODeadline?

    init(loop: IngestLoop) {
        self.loop = loop
        idleDeadline = .now() + loop.limits.headTimeout
    }

    /// The handler in front of this one.
    func makeFraming() -> NIOHTTP2Handler {
        let bound = NIOLoopBound(self, eventLoop: loop.eventLoop)
        return NIOHTTP2Handler(
            mode: .server, eventLoop: loop.eventLoop, connectionConfiguration: loop.limits.http2,
            streamConfiguration: NIOHTTP2Handler.StreamConfiguration()
        ) { channel in
            channel.eventLoop.makeCompletedFuture { try bound.value.begin(channel) }
        }
    }

    private func begin(_ stream: any Channel) throws {
        guard openStreams < loop.limits.maximumStreams else { return try refuse(stream) }
        openStreams += 1
        stream.closeFuture.assumeIsolated().whenComplete { [self] _ in streamEnded() }
        try stream.pipeline.syncOperations.addHandlers([
            StreamDecoder(), ConnectionHandler(loop: loop, carrier: .stream),
        ])
    }

    private func refuse(_ stream: any Channel) throws {
        loop.metrics.count(refused: "too-many-streams")
        try stream.pipeline.syncOperations.addHandler(SurplusStream())
        refusedStreams += 1
    }

    private func streamEnded() {
        openStreams -= 1
        guard openStreams == 0 else { return }
        idleDeadline = .now() + loop.limits.idleTimeout
        if isDraining { close() }
    }

    // MARK: Lifecycle

    func handlerAdded(context: ChannelHandlerContext) { self.context = context }

    func channelInactive(context: ChannelHandlerContext) {
        ended()
        context.fireChannelInactive()
    }

    func handlerRemoved(context: ChannelHandlerContext) { ended() }

    private func ended() {
        guard !isClosed else { return }
        isClosed = true
        context = nil
        loop.remove(self)
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        // Nobody is there any more: a client that has no more requests still has windows to open.
        if case .some(.inputClosed) = event as? ChannelEvent { return close() }
        context.fireUserInboundEventTriggered(event)
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        // Of one stream only, which NIO has reset.
        if error is NIOHTTP2Errors.StreamError || isBroken { return }
        isBroken = true
        loop.metrics.count(refused: "http2-connection")
        close()
    }

    // MARK: Reading and writing

    /// Frames of the connection itself (SETTINGS, PING, GOAWAY); NIO has done what they ask.
    func channelRead(context: ChannelHandlerContext, data: NIOAny) {}

    func channelReadComplete(context: ChannelHandlerContext) {
        context.fireChannelReadComplete()
        guard refusedStreams > loop.limits.maximumRefusedStreams, !isBroken else { return }
        isBroken = true
        loop.metrics.count(refused: "http2-connection")
        goAway(.enhanceYourCalm)
        close()
    }

    func read(context: ChannelHandlerContext) {
        if context.channel.isWritable {
            context.read()
        } else {
            owesRead = true
        }
    }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        writeDeadline = context.channel.isWritable ? nil : .now() + loop.limits.writeTimeout
        if owesRead, context.channel.isWritable {
            owesRead = false
            context.read()
        }
        context.fireChannelWritabilityChanged()
    }

    // MARK: Of the server

    func checkDeadlines(now: NIODeadline) {
        if let writeDeadline, now >= writeDeadline {
            loop.metrics.count(refused: "client-not-reading")
            return close()
        }
        guard openStreams == 0, now >= idleDeadline else { return }
        goAway()
        close()
    }

    /// Streams that have begun are answered; each of them is told by itself.
    func drain() {
        guard !isDraining else { return }
        isDraining = true
        goAway()
        if openStreams == 0 { close() }
    }

    private func goAway(_ code: HTTP2ErrorCode = .noError) {
        guard let context else { return }
        let payload = HTTP2Frame.FramePayload.goAway(lastStreamID: .maxID, errorCode: code, opaqueData: nil)
        context.writeAndFlush(wrapOutboundOut(HTTP2Frame(streamID: .rootStream, payload: payload)), promise: nil)
    }

    func close() {
        guard !isClosed else { return }
        context?.close(promise: nil)
    }
}
