// SPDX-License-Identifier: Apache-2.0
import NIOCore
import NIOHTTP2

/// A stream more than its connection may have: refused before anything of it is looked at, so that the client may safely send it again (RFC 9113 section 8.7).
final class SurplusStream: ChannelInboundHandler {
    typealias InboundIn = HTTP2Frame.FramePayload
    typealias OutboundOut = HTTP2Frame.FramePayload

    func channelActive(context: ChannelHandlerContext) {
        context.writeAndFlush(wrapOutboundOut(.rstStream(.refusedStream)), promise: nil)
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {}

    func errorCaught(context: ChannelHandlerContext, error: any Error) {}
}
