// SPDX-License-Identifier: Apache-2.0
import NIOCore
import NIOHPACK
import NIOHTTP2

/// A connection that turns out to speak HTTP/2, and the streams that it then has.
extension ConnectionHandler {
    /// Its preface has come: the connection becomes HTTP/2's.
    func becomeHTTP2(behind arrival: ArrivalHandler) {
        guard let context, phase == .open else { return }
        phase = .handingOver
        let loop = loop
        let pipeline = context.pipeline.syncOperations
        // The decoder goes first; it has had nothing yet.
        pipeline.removeHandler(name: Self.decoderName).assumeIsolated().whenComplete { [self] result in
            do {
                try result.get()
                guard phase == .handingOver else { throw ChannelError.alreadyClosed }
                let connection = HTTP2Connection(loop: loop)
                loop.replace(self, by: connection)
                pipeline.removeHandler(arrival, promise: nil)
                pipeline.removeHandler(self, promise: nil)
                try pipeline.addHandlers([
                    FlushGathering(), StreamAllowance(loop.limits.maximumStreams), connection.makeFraming(), connection,
                ])
                pipeline.fireChannelRead(NIOAny(arrival.takeHeld()))
                pipeline.fireChannelReadComplete()
                pipeline.read()
            } catch {
                context.close(promise: nil)
            }
        }
    }

    /// Writes the answer to the stream's one request, and ends the stream.
    func writeStreamAnswer(_ context: ChannelHandlerContext) {
        guard let exchange = exchanges.first, let answer = exchange.answer else {
            continueStream(context)
            return readOn()
        }
        var final = answer
        if case .live(let opening) = answer {
            guard loop.isDraining else { return handOver(opening) }
            final = .refused(Refusal(.shuttingDown))
        }
        let isWhole = if case .head = reading { true } else { false }
        exchanges.removeAll()
        firstNumber &+= 1
        count(final, exchange)
        release()
        // Closed by NIO when both sides have ended, which a window that the client never opens must not put off for ever.
        phase = .lingering
        readDeadline = .now() + loop.limits.writeTimeout
        send(final, isHead: exchange.isHEAD, context, resets: !isWhole)
        readOn()
    }

    /// - Parameter resets: whether the client is told to send no more, as all is answered (RFC 9113 section 8.1).
    private func send(_ answer: Answer, isHead: Bool, _ context: ChannelHandlerContext, resets: Bool) {
        let (fields, content) = loop.composer.stream(answer)
        let body = isHead ? nil : content
        let head = HTTP2Frame.FramePayload.Headers(headers: fields, endStream: body == nil)
        let written = context.eventLoop.makePromise(of: Void.self)
        if let body {
            context.write(NIOAny(HTTP2Frame.FramePayload.headers(head)), promise: nil)
            let data = HTTP2Frame.FramePayload.Data(data: .byteBuffer(body), endStream: true)
            context.writeAndFlush(NIOAny(HTTP2Frame.FramePayload.data(data)), promise: written)
        } else {
            context.writeAndFlush(NIOAny(HTTP2Frame.FramePayload.headers(head)), promise: written)
        }
        guard resets else { return }
        written.futureResult.assumeIsolated().whenSuccess {
            context.writeAndFlush(NIOAny(HTTP2Frame.FramePayload.rstStream(.noError)), promise: nil)
        }
    }

    /// `100 Continue`, as to a connection.
    private func continueStream(_ context: ChannelHandlerContext) {
        guard case .body(let request) = reading, let exchange = exchanges.first, exchange.owesContinue,
            case .granted = request.authorization
        else { return }
        exchanges[exchanges.startIndex].owesContinue = false
        guard request.body.readableBytes == 0 else { return }
        let head = HTTP2Frame.FramePayload.Headers(headers: [":status": "100"])
        context.writeAndFlush(NIOAny(HTTP2Frame.FramePayload.headers(head)), promise: nil)
    }

    /// One too many for the server, though not for its connection.
    func refuseStream(_ refusal: Refusal) {
        guard let context else { return }
        loop.metrics.count(status: refusal.status)
        phase = .lingering
        send(.refused(refusal), isHead: false, context, resets: true)
    }

    /// Its turn has come: the stream becomes one of events.
    func handOverStream(_ opening: LiveOpening, _ pipeline: ChannelPipeline.SynchronousOperations) {
        let connection = EventStreamHandler(loop: loop, opening: opening, carrier: .stream)
        loop.replace(self, by: connection)
        pipeline.removeHandler(self, promise: nil)
        do {
            try pipeline.addHandlers([EventStreamFraming(date: loop.composer.dateText()), connection])
        } catch {
            opening.close(loop.live)
            connection.close()
        }
    }
}
