// SPDX-License-Identifier: Apache-2.0
import NIOCore
import Observability

/// The queue of requests and what is written to them.
extension ConnectionHandler {
    /// Whether the request is in the queue without an answer.
    func isAwaited(_ number: UInt64) -> Bool {
        guard phase != .closed, number >= firstNumber, number < nextNumber else { return false }
        return exchanges[index(of: number)].answer == nil
    }

    /// Only for a number that ``isAwaited(_:)``, or the last one.
    func index(of number: UInt64) -> CircularBuffer<Exchange>.Index {
        exchanges.index(exchanges.startIndex, offsetBy: Int(number &- firstNumber))
    }

    func owesContinue(_ number: UInt64) -> Bool {
        isAwaited(number) && exchanges[index(of: number)].owesContinue
    }

    /// Settles a request's answer; it is written when those before it are. A second answer to the same request is ignored.
    func answer(_ number: UInt64, _ answer: Answer, closes: Bool = false) {
        guard isAwaited(number) else { return }
        let index = index(of: number)
        exchanges[index].answer = answer
        if closes {
            exchanges[index].keepsAlive = false
            if phase == .open { phase = .finishing }
        }
        if case .refused(let refusal) = answer { loop.metrics.count(refused: refusal.reason) }
        guard number == firstNumber, !isInRead, !isWaitingToWrite else { return }
        isWaitingToWrite = true
        loop.writeSoon(self)
    }

    func answer(_ number: UInt64, with document: ServiceDocuments.Name) {
        let bound = NIOLoopBound(self, eventLoop: loop.eventLoop)
        loop.documents.read(document, on: loop.eventLoop).whenSuccess { content in
            bound.value.answer(number, .document(content))
        }
    }

    /// Writes all answers whose turn it is, in one write.
    func writeAnswers() {
        isWaitingToWrite = false
        guard let context, phase == .open || phase == .finishing else { return }
        guard !exchanges.isEmpty || phase == .finishing else { return readOn() }
        if carrier == .stream { return writeStreamAnswer(context) }
        var buffer = loop.scratch
        loop.scratch = ByteBuffer()
        buffer.clear(minimumCapacity: 512)
        var closes = false
        while let exchange = exchanges.first, let answer = exchange.answer {
            if case .live(let opening) = answer {
                guard loop.isDraining else {
                    if buffer.readableBytes > 0 { context.writeAndFlush(wrapOutboundOut(buffer), promise: nil) }
                    return handOver(opening)
                }
                exchanges[exchanges.startIndex].answer = .refused(Refusal(.shuttingDown))
                continue
            }
            let isLast = exchanges.count == 1 && phase == .finishing && !isReadingPublish
            closes = !exchange.keepsAlive || isLast
            loop.composer.write(
                answer, closes: closes, isHead: exchange.isHEAD,
                keepsAlive10: exchange.isHTTP10, into: &buffer)
            count(answer, exchange)
            exchanges.removeFirst()
            firstNumber &+= 1
            // What the client sent behind it was sent in vain (RFC 9112 section 9.6).
            if closes { break }
        }
        if !closes { writeContinue(into: &buffer) }
        if buffer.readableBytes > 0 { context.writeAndFlush(wrapOutboundOut(buffer), promise: nil) }
        // Not kept when a large document has made it so.
        if buffer.capacity <= 64 << 10 { loop.scratch = buffer }
        if closes || (phase == .finishing && exchanges.isEmpty && !isReadingPublish) {
            exchanges.removeAll()
            finish()
        } else {
            readOn()
        }
    }

    /// A publish whose body is still to come, and which will be answered.
    private var isReadingPublish: Bool {
        if case .body = reading { return true }
        return false
    }

    func count(_ answer: Answer, _ exchange: Exchange) {
        guard answer.status == 202 else { return loop.metrics.count(status: answer.status) }
        loop.metrics.countAccepted()
        let nanoseconds = (NIODeadline.now() - exchange.startedAt).nanoseconds
        loop.metrics.latency.observe(Double(nanoseconds) * 1e-9)
    }

    /// `100 Continue` to a client whose publish is allowed and whose turn it is, if it has not begun to send anyway.
    private func writeContinue(into buffer: inout ByteBuffer) {
        guard case .body(let request) = reading, request.number == firstNumber, let exchange = exchanges.first,
            exchange.owesContinue, exchange.answer == nil, case .granted = request.authorization
        else { return }
        exchanges[exchanges.startIndex].owesContinue = false
        if request.body.readableBytes == 0 { buffer.writeStaticString("HTTP/1.1 100 Continue\r\n\r\n") }
    }

    func continueIfOwed() {
        guard !isInRead, !isWaitingToWrite else { return }
        isWaitingToWrite = true
        loop.writeSoon(self)
    }

    /// All answers are out: ends the connection without losing the last one.
    private func finish() {
        release()
        guard phase != .closed else { return }
        if inputIsClosed {
            phase = .lingering
            close()
        } else {
            linger()
        }
    }

    /// Shuts the sending side and waits a little for the client to close.
    func linger() {
        guard phase != .closed else { return }
        phase = .lingering
        readDeadline = .now() + loop.limits.lingerTimeout
        context?.close(mode: .output, promise: nil)
        readOn()
    }

    /// The server ends: what is under way is answered, with `Connection: close` on the last answer.
    func drain() {
        guard phase == .open else { return }
        phase = .finishing
        if !isInRead { writeAnswers() }
    }
}
