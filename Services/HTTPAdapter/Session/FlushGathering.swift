// SPDX-License-Identifier: Apache-2.0
import NIOCore

/// In front of the framing: one write to the socket for all that the streams flush in one round of the event loop.
final class FlushGathering: ChannelOutboundHandler {
    typealias OutboundIn = ByteBuffer

    private var isScheduled = false

    func flush(context: ChannelHandlerContext) {
        guard !isScheduled else { return }
        isScheduled = true
        context.eventLoop.assumeIsolated().execute { [self] in
            isScheduled = false
            context.flush()
        }
    }

    func close(context: ChannelHandlerContext, mode: CloseMode, promise: EventLoopPromise<Void>?) {
        context.flush()
        context.close(mode: mode, promise: promise)
    }
}
