// SPDX-License-Identifier: Apache-2.0
import Core
import NIOCore
import Observability

/// A connection that has become a stream of server-sent events: nothing more is expected of the client.
final class EventStreamHandler: ChannelInboundHandler, LiveConnection {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    private enum Phase {
        case open
        /// The last event is on its way; the connection ends behind it.
        case ending
        case closed
    }

    let outlet: LiveOutlet
    private let loop: IngestLoop
    private let opening: LiveOpening
    private let carrier: ConnectionHandler.Carrier
    private var phase = Phase.open
    private var context: ChannelHandlerContext?
    private var nextKeepAlive: NIODeadline
    private var deadline = NIODeadline.distantFuture
    private var writeDeadline: NIODeadline?

    init(loop: IngestLoop, opening: LiveOpening, carrier: ConnectionHandler.Carrier) {
        self.loop = loop
        self.opening = opening
        self.carrier = carrier
        outlet = LiveOutlet(loop: loop.live)
        nextKeepAlive = .now() + loop.live.limits.keepAliveInterval
    }

    func handlerAdded(context: ChannelHandlerContext) {
        self.context = context
        outlet.context = context
        loop.metrics.count(status: 200)
        loop.live.metrics.eventStreams.increment()
        guard let listener = opening.listener else { return close() }
        // Of a stream of HTTP/2, ``EventStreamFraming`` has sent it.
        if carrier == .connection { outlet.send(EventStream.head(date: loop.composer.date())) }
        outlet.send(EventStream.opening(after: listener.position))
        opening.started(self)
        if let error = opening.withdrawal { return end(.withdrawn(error)) }
        loop.live.start(listener, self)
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
        opening.close(loop.live)
        outlet.close()
        context = nil
        loop.live.metrics.eventStreams.decrement()
        loop.remove(self)
    }

    // MARK: From the client

    /// What it still sends has no meaning.
    func channelRead(context: ChannelHandlerContext, data: NIOAny) {}

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        writeDeadline = context.channel.isWritable ? nil : .now() + loop.limits.writeTimeout
        if context.channel.isWritable { outlet.flush() }
        context.fireChannelWritabilityChanged()
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        // Nobody who listens shuts the sending side alone: the client has gone.
        if case .some(.inputClosed) = event as? ChannelEvent { return close() }
        context.fireUserInboundEventTriggered(event)
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) { close() }

    // MARK: Of the server

    func end(_ end: LiveEnd) {
        guard phase == .open else { return }
        phase = .ending
        let refusal = Refusal(end)
        loop.live.metrics.count(ended: refusal.reason)
        opening.close(loop.live)
        outlet.dropQueued()
        deadline = .now() + loop.live.limits.closeTimeout
        outlet.onDrained = { [weak self] in self?.context?.close(mode: .output, promise: nil) }
        outlet.send(EventStream.event("end", id: nil, data: LiveDocument.end(refusal)))
    }

    func checkDeadlines(now: NIODeadline) {
        if now >= deadline { return close() }
        if let writeDeadline, now >= writeDeadline {
            loop.live.metrics.count(ended: "client-not-reading")
            return close()
        }
        guard phase == .open, now >= nextKeepAlive, let listener = opening.listener else { return }
        nextKeepAlive = now + loop.live.limits.keepAliveInterval
        // What matched nothing has been passed over all the same.
        let position = listener.phase == .live ? max(listener.position, loop.live.position) : listener.position
        if outlet.queuedBytes == 0 { outlet.send(EventStream.keepAlive(at: position)) }
    }

    func drain() { end(.shuttingDown) }

    func close() {
        guard phase != .closed else { return }
        context?.close(promise: nil)
    }
}
