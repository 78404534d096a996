// SPDX-License-Identifier: Apache-2.0
import NIOCore

/// The pipeline's only handler: bytes and events go to the session as they come.
final class FrameHandler: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer

    private let session: SocketSession
    /// Whether this channel is, or was, the session's.
    private var isOpen = false

    init(session: SocketSession) { self.session = session }

    func channelActive(context: ChannelHandlerContext) {
        isOpen = true
        session.opened(context.channel)
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard session.channel === context.channel else { return }
        session.received(unwrapInboundIn(data))
    }

    func channelReadComplete(context: ChannelHandlerContext) {
        guard session.channel === context.channel else { return }
        session.readComplete()
    }

    func channelInactive(context: ChannelHandlerContext) {
        guard isOpen, session.channel === context.channel else { return }
        session.readComplete()
        session.lost("the bus closed the connection")
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        guard session.channel === context.channel else { return context.close(promise: nil) }
        session.fail("\(error)")
        context.close(promise: nil)
    }
}
