// SPDX-License-Identifier: Apache-2.0
import Foundation
import NIOCore
import TestKit

/// One connection of HTTP/1.1 that has become a WebSocket or a stream of events. Messages carry time marks; pings are answered.
final class LiveSubscriber: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    private let request: String
    private let reads: Bool
    private let report: @Sendable (LiveReport) -> Void
    private var opened: EventLoopPromise<Void>?
    private var marks = TimeMarks()

    init(
        request: String, opened: EventLoopPromise<Void>, reads: Bool, report: @escaping @Sendable (LiveReport) -> Void
    ) {
        self.request = request
        self.opened = opened
        self.reads = reads
        self.report = report
    }

    func channelActive(context: ChannelHandlerContext) {
        context.writeAndFlush(wrapOutboundOut(ByteBuffer(string: request)), promise: nil)
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let now = DispatchTime.now().uptimeNanoseconds
        let bytes = unwrapInboundIn(data)
        if let opened {
            self.opened = nil
            let head = String(decoding: bytes.readableBytesView.prefix(12), as: UTF8.self)
            if head.hasSuffix(" 101") || head.hasSuffix(" 200") {
                opened.succeed()
            } else {
                opened.fail(BenchmarkFailure(description: "a connection was refused: \(head)"))
            }
            if !reads { _ = context.channel.setOption(.autoRead, value: false) }
        }
        // A ping without content; it may be told from a message's bytes here, because those are text.
        if bytes.readableBytesView.suffix(2).elementsEqual([0x89, 0x00]) {
            context.writeAndFlush(
                wrapOutboundOut(ByteBuffer(bytes: [0x8A, 0x80, 0, 0, 0, 0])), promise: nil)
        }
        let latencies = marks.take(bytes.readableBytesView, now: now)
        if !latencies.isEmpty { report(.messages(latencies)) }
    }

    func channelInactive(context: ChannelHandlerContext) {
        opened?.fail(BenchmarkFailure(description: "a connection was closed before it was open"))
        opened = nil
        if reads { report(.ended) }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }
}

/// What a subscriber has to tell.
enum LiveReport {
    /// How long each was on its way, in microseconds.
    case messages([Float])
    /// Of one that reads.
    case ended
}
