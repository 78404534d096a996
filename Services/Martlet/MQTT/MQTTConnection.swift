// SPDX-License-Identifier: Apache-2.0
import NIOCore
import NIOPosix

/// A connection to an MQTT server that sends one packet and waits for its answer, again and again.
final class MQTTConnection: Sendable {
    /// From a packet to its answer: the server syncs in between, and may be slow.
    private static let answerTimeout: TimeAmount = .seconds(30)
    private static let connectTimeout: TimeAmount = .seconds(5)
    static let keepAliveSeconds: UInt16 = 60

    struct Closed: Error {}

    private let channel: any Channel
    private let replies: NIOLoopBound<Replies>

    private init(channel: any Channel, replies: NIOLoopBound<Replies>) {
        self.channel = channel
        self.replies = replies
    }

    static func open(host: String, port: Int) async throws -> MQTTConnection {
        try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .connectTimeout(connectTimeout)
            .channelOption(.tcpOption(.tcp_nodelay), value: 1)
            .connect(host: host, port: port) { channel in
                channel.eventLoop.makeCompletedFuture {
                    let replies = Replies()
                    try channel.pipeline.syncOperations.addHandler(replies)
                    return MQTTConnection(
                        channel: channel, replies: NIOLoopBound(replies, eventLoop: channel.eventLoop))
                }
            }
    }

    /// Sends a packet and waits for an answer.
    /// - Throws: ``Closed`` when the server ended the connection, or did not answer in time.
    func ask(_ packet: ByteBuffer) async throws -> MQTTReply {
        let (channel, replies) = (channel, replies)
        return try await channel.eventLoop.flatSubmit {
            let promise = channel.eventLoop.makePromise(of: MQTTReply.self)
            replies.value.wait(promise)
            channel.writeAndFlush(packet, promise: nil)
            let deadline = channel.eventLoop.scheduleTask(in: Self.answerTimeout) { channel.close(promise: nil) }
            promise.futureResult.whenComplete { _ in deadline.cancel() }
            return promise.futureResult
        }.get()
    }

    /// Sends a last packet, if there is one, and closes.
    func close(after packet: ByteBuffer? = nil) async {
        if let packet { try? await channel.writeAndFlush(packet) }
        try? await channel.close()
    }

    /// Hands answers to who waits, and keeps the connection alive.
    private final class Replies: ChannelInboundHandler {
        typealias InboundIn = ByteBuffer

        private var received = ByteBuffer()
        private var waiting: EventLoopPromise<MQTTReply>?
        private var isClosed = false
        private var pings: RepeatedTask?

        func wait(_ promise: EventLoopPromise<MQTTReply>) {
            guard !isClosed, waiting == nil else { return promise.fail(Closed()) }
            waiting = promise
        }

        func channelActive(context: ChannelHandlerContext) {
            let half = TimeAmount.seconds(Int64(MQTTConnection.keepAliveSeconds) / 2)
            let channel = context.channel
            pings = context.eventLoop.scheduleRepeatedTask(initialDelay: half, delay: half) { _ in
                channel.writeAndFlush(MQTTPackets.ping, promise: nil)
            }
            context.fireChannelActive()
        }

        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            received.writeImmutableBuffer(unwrapInboundIn(data))
            do {
                while let reply = try MQTTReply(&received) {
                    switch reply.kind {
                    case .pingResponse: break
                    case .connAck, .pubRec, .pubComp, .disconnect:
                        // A DISCONNECT ends what is waited for with its reason.
                        let promise = waiting
                        waiting = nil
                        promise?.succeed(reply)
                    }
                }
                received.discardReadBytes()
            } catch {
                context.close(promise: nil)
            }
        }

        func channelInactive(context: ChannelHandlerContext) {
            isClosed = true
            pings?.cancel()
            pings = nil
            let promise = waiting
            waiting = nil
            promise?.fail(Closed())
        }

        func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }
    }
}
