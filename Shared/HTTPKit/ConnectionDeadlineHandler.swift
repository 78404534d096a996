// SPDX-License-Identifier: Apache-2.0
import HTTPTypes
import NIOCore
import NIOHTTPTypes
import Observability
import ServiceKit

/// Ends connections whose client trickles a request's body, or does not read the answer. (The head's deadline is the idle one: nothing
/// counts as activity before a head is complete.)
///
/// It stands between the HTTP codec and Hummingbird, which sees a connection that the client has closed.
final class ConnectionDeadlineHandler: ChannelDuplexHandler, RemovableChannelHandler {
    typealias InboundIn = HTTPRequestPart
    typealias InboundOut = HTTPRequestPart
    typealias OutboundIn = HTTPResponsePart
    typealias OutboundOut = HTTPResponsePart

    private let deadlines: ConnectionDeadlines
    private let cut: LabelledMetric<Counter>
    private var bodyDeadline: Scheduled<Void>?
    private var answerDeadline: Scheduled<Void>?
    private var isReadingBody = false
    /// Nothing of the answer to the request that is being read has been written.
    private var isUnanswered = false
    /// Parts of answers that the socket has not taken.
    private var unwrittenParts = 0
    private var unwrittenBytes = 0
    private var lastProgress = NIODeadline.now()

    init(deadlines: ConnectionDeadlines, cut: LabelledMetric<Counter>) {
        self.deadlines = deadlines
        self.cut = cut
    }

    func handlerRemoved(context: ChannelHandlerContext) { cancel() }

    func channelInactive(context: ChannelHandlerContext) {
        cancel()
        context.fireChannelInactive()
    }

    private func cancel() {
        bodyDeadline?.cancel()
        bodyDeadline = nil
        answerDeadline?.cancel()
        answerDeadline = nil
    }

    // MARK: The request

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch unwrapInboundIn(data) {
        case .head:
            isReadingBody = true
            isUnanswered = true
        case .body: break
        case .end:
            isReadingBody = false
            bodyDeadline?.cancel()
            bodyDeadline = nil
        }
        context.fireChannelRead(data)
    }

    /// Most bodies come with their head: only for one that does not a deadline is worth its while.
    func channelReadComplete(context: ChannelHandlerContext) {
        if isReadingBody, bodyDeadline == nil {
            bodyDeadline = context.eventLoop.assumeIsolated().scheduleTask(in: deadlines.body) {
                self.bodyIsOverdue(context)
            }
        }
        context.fireChannelReadComplete()
    }

    private func bodyIsOverdue(_ context: ChannelHandlerContext) {
        bodyDeadline = nil
        cut.with("request-too-slow").increment()
        guard isUnanswered else { return context.close(promise: nil) }
        let problem = ProblemDocument(
            status: 408, title: "Request Timeout", reason: "request-too-slow",
            detail: "the request's body did not come within the time that it may take")
        let body = ByteBuffer(bytes: problem.json())
        var head = HTTPResponse(status: .requestTimeout)
        head.headerFields[.contentType] = ProblemDocument.contentType
        head.headerFields[.contentLength] = String(body.readableBytes)
        head.headerFields[.connection] = "close"
        context.write(wrapOutboundOut(.head(head)), promise: nil)
        context.write(wrapOutboundOut(.body(body)), promise: nil)
        context.writeAndFlush(wrapOutboundOut(.end(nil)), promise: nil)
        context.close(promise: nil)
    }

    // MARK: The answer

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        isUnanswered = false
        if unwrittenParts == 0 { lastProgress = .now() }
        unwrittenParts += 1
        let written = promise ?? context.eventLoop.makePromise(of: Void.self)
        written.futureResult.assumeIsolated().whenComplete { _ in
            self.unwrittenParts -= 1
            self.lastProgress = .now()
        }
        context.write(data, promise: written)
    }

    func flush(context: ChannelHandlerContext) {
        context.flush()
        if unwrittenParts > 0, answerDeadline == nil { watchAnswer(context, in: deadlines.answer) }
    }

    private func watchAnswer(_ context: ChannelHandlerContext, in delay: TimeAmount) {
        unwrittenBytes = Self.bufferedBytes(context)
        answerDeadline = context.eventLoop.assumeIsolated().scheduleTask(in: delay) { self.checkAnswer(context) }
    }

    private func checkAnswer(_ context: ChannelHandlerContext) {
        answerDeadline = nil
        guard unwrittenParts > 0 else { return }
        // A large part goes out piece by piece: that is progress too.
        if Self.bufferedBytes(context) < unwrittenBytes { lastProgress = .now() }
        let silence = NIODeadline.now() - lastProgress
        if silence < deadlines.answer { return watchAnswer(context, in: deadlines.answer - silence) }
        cut.with("answer-not-read").increment()
        context.close(promise: nil)
    }

    private static func bufferedBytes(_ context: ChannelHandlerContext) -> Int {
        (try? context.channel.syncOptions?.getOption(.bufferedWritableBytes)) ?? 0
    }
}
