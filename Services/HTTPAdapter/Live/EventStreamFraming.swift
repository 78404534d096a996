// SPDX-License-Identifier: Apache-2.0
import NIOCore
import NIOHPACK
import NIOHTTP2

/// Between an ``EventStreamHandler`` and its HTTP/2 stream: the response's head, then what the handler writes as DATA frames. The same bytes go to all who listen,
/// whatever carries them.
final class EventStreamFraming: ChannelOutboundHandler {
    typealias OutboundIn = ByteBuffer
    typealias OutboundOut = HTTP2Frame.FramePayload

    private let date: String

    init(date: Substring) { self.date = String(date) }

    func handlerAdded(context: ChannelHandlerContext) {
        let head = HTTP2Frame.FramePayload.Headers(headers: [
            ":status": "200", "date": date, "content-type": EventStream.contentType,
            "cache-control": "no-store, no-transform",
        ])
        context.write(wrapOutboundOut(.headers(head)), promise: nil)
    }

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        let frame = HTTP2Frame.FramePayload.Data(data: .byteBuffer(unwrapOutboundIn(data)))
        context.write(wrapOutboundOut(.data(frame)), promise: promise)
    }

    func close(context: ChannelHandlerContext, mode: CloseMode, promise: EventLoopPromise<Void>?) {
        guard mode == .output else { return context.close(mode: mode, promise: promise) }
        let end = HTTP2Frame.FramePayload.Data(data: .byteBuffer(ByteBuffer()), endStream: true)
        context.writeAndFlush(wrapOutboundOut(.data(end)), promise: promise)
    }
}
