// SPDX-License-Identifier: Apache-2.0
import AdapterKit
import NIOCore
import NIOHTTP1

/// One HTTP/1.1 connection behind NIO's decoder: requests in, answers out in the same order, one write for all that one read brought. Or one stream of
/// HTTP/2, which is a connection of a single request.
///
/// Aspects: `+Requests` (what a head asks for), `+Publishing` (body, right, bus), `+Answers` (the queue and what is written), `+Deadlines`,
/// `+Live` (the end of HTTP: the connection becomes a WebSocket or a stream of events), `+HTTP2`.
/// Runs on its event loop only; what comes back from elsewhere (rights, acknowledgements) is brought there first.
final class ConnectionHandler: ChannelDuplexHandler, RemovableChannelHandler, ServedConnection {
    typealias InboundIn = HTTPServerRequestPart
    typealias OutboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    enum Carrier {
        case connection
        /// Of an HTTP/2 connection: NIO frames what is written, and the stream ends with the answer.
        case stream
    }

    /// What the connection is about to do; a later phase is never left for an earlier one.
    enum Phase {
        case open
        /// Answers what it has and closes then: the client, an error or the end of the server wants it so. What still arrives is dropped.
        case finishing
        /// All is said and the sending side is shut; what the client still sends is read and dropped, so that it gets to read the answer (a close with
        /// unread data is a reset, and the answer is lost: RFC 9112 section 9.6).
        case lingering
        /// Becomes another protocol's; nothing is read meanwhile.
        case handingOver
        case closed
    }

    /// Where in a request the bytes that arrive are.
    enum Reading {
        /// Before a request, or within a head.
        case head
        case body(PublishRequest)
        /// The body of a request that is answered already or needs none; at most so many bytes more are read past.
        case discarding(allowance: Int)
    }

    let loop: IngestLoop
    let carrier: Carrier
    var context: ChannelHandlerContext?
    var phase = Phase.open
    var reading = Reading.head
    /// Not answered yet, oldest first.
    var exchanges = CircularBuffer<Exchange>()
    /// The number of `exchanges.first`; numbers are never reused on a connection.
    var firstNumber: UInt64 = 0
    /// Between `channelRead` and `channelReadComplete`, when answers only gather.
    var isInRead = false
    var isWaitingToWrite = false
    /// The pipeline asked for more while this connection is not to be read.
    var owesRead = false
    var inputIsClosed = false
    /// A head has begun to arrive.
    var headBegan = false
    /// When the present state of reading has lasted too long.
    var readDeadline = NIODeadline.distantFuture
    /// When sending has not moved for too long; nil while it moves.
    var writeDeadline: NIODeadline?
    /// What the connection is to become, while that is found out.
    var opening: LiveOpening?

    init(loop: IngestLoop, carrier: Carrier = .connection) {
        self.loop = loop
        self.carrier = carrier
    }

    var nextNumber: UInt64 { firstNumber &+ UInt64(exchanges.count) }

    // MARK: Lifecycle

    func handlerAdded(context: ChannelHandlerContext) {
        self.context = context
        if context.channel.isActive { opened() }
    }

    func channelActive(context: ChannelHandlerContext) {
        opened()
        context.fireChannelActive()
    }

    private func opened() {
        guard phase == .open, readDeadline == .distantFuture else { return }
        guard loop.add(self) else {
            refuseConnection()
            return
        }
        readDeadline = .now() + loop.limits.headTimeout
    }

    func channelInactive(context: ChannelHandlerContext) {
        ended()
        context.fireChannelInactive()
    }

    func handlerRemoved(context: ChannelHandlerContext) {
        ended()
        self.context = nil
    }

    private func ended() {
        guard phase != .closed else { return }
        phase = .closed
        release()
        exchanges.removeAll()
        opening?.close(loop.live)
        opening = nil
        loop.remove(self)
    }

    /// One connection too many: says so, if it goes out at once, and closes.
    private func refuseConnection() {
        loop.metrics.count(refused: "too-many-connections")
        phase = .finishing
        var buffer = ByteBuffer()
        let refusal = Refusal(
            status: 503, reason: "too-many-connections", "The server has as many connections as it may have.",
            retryAfterSeconds: 5)
        if carrier == .stream { return refuseStream(refusal) }
        loop.composer.write(.refused(refusal), closes: true, isHead: false, keepsAlive10: false, into: &buffer)
        loop.metrics.count(status: 503)
        // No lingering: that would be a connection more.
        context?.writeAndFlush(wrapOutboundOut(buffer), promise: nil)
        context?.close(promise: nil)
    }

    func close() {
        guard phase != .closed else { return }
        context?.close(promise: nil)
    }

    // MARK: Reading

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        isInRead = true
        guard phase == .open || (phase == .finishing && isReadingBody) else { return }
        switch unwrapInboundIn(data) {
        case .head(let head): begin(head)
        case .body(let piece): take(piece)
        case .end: endRequest()
        }
    }

    /// A request that was being read when the connection began to end is still read to its end.
    private var isReadingBody: Bool {
        if case .head = reading { return false }
        return true
    }

    func channelReadComplete(context: ChannelHandlerContext) {
        isInRead = false
        if case .body(let request) = reading { request.own() }
        writeAnswers()
        context.fireChannelReadComplete()
    }

    /// Called by the handler in front of the decoder: something has arrived.
    func bytesArrived() {
        guard case .head = reading, !headBegan else { return }
        headBegan = true
        readDeadline = .now() + loop.limits.headTimeout
    }

    /// Policy of the two queues that a connection has, requests not answered and answers not sent: at the limit the socket is not read any more.
    var mayRead: Bool {
        switch phase {
        case .open, .finishing:
            exchanges.count < loop.limits.maximumPipelined && context?.channel.isWritable != false
        case .handingOver:
            false
        case .lingering, .closed:
            true
        }
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
        readOn()
        context.fireChannelWritabilityChanged()
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if case .some(.inputClosed) = event as? ChannelEvent {
            inputClosed()
        } else {
            context.fireUserInboundEventTriggered(event)
        }
    }

    /// The client has shut its sending side: what it asked for is answered, then the connection ends.
    private func inputClosed() {
        inputIsClosed = true
        if case .body(let request) = reading {
            // Cut off within a body: there is nothing that could be accepted.
            drop(request)
            answer(request.number, .refused(Self.truncated), closes: true)
        }
        reading = .head
        if phase == .open { phase = .finishing }
        if phase == .lingering { return close() }
        isInRead = false
        writeAnswers()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        guard phase == .open || isReadingBody else { return }
        switch error {
        case let error as HTTPParserError: refuseUnreadable(error)
        // What still arrives behind bytes that could not be read.
        case is ByteToMessageDecoderError: break
        // Reset by peer and the like: nobody is there to be answered.
        default: close()
        }
    }

    static let truncated = Refusal(
        status: 400, reason: "request-truncated", "The connection's sending side was closed within the request.")
}
