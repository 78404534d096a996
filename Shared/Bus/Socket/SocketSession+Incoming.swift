// SPDX-License-Identifier: Apache-2.0
import Logging
import NIOCore
import Synchronization

/// What comes from the bus: everything that one read brings is handled as one batch, in place.
extension SocketSession {
    func received(_ buffer: ByteBuffer) {
        ticks.hasRead = true
        guard phase == .handshaking || phase == .connected else { return }
        var failure: BusError?
        buffer.withUnsafeReadableBytes { bytes in
            do throws(BusError) {
                try splitter.feed(bytes) { (frames) throws(BusError) in try self.handle(frames) }
            } catch {
                failure = error
            }
        }
        if let failure {
            logger.error("the bus broke the protocol", metadata: ["error": "\(failure)"])
            fail("\(failure)")
        }
    }

    /// The end of what could be read without waiting: hands each receiver its share.
    func readComplete() {
        for receiver in dirty {
            let frames = receiver.staged
            receiver.staged = ByteBuffer()
            receiver.isDirty = false
            guard !receiver.isEnded, frames.readableBytes > 0 else { continue }
            if !receiver.queue.push(frames) { overflowed(receiver) }
        }
        dirty.removeAll(keepingCapacity: true)
    }

    /// Whole frames, one behind the other. Runs of deliveries with the same receivers are copied as one range.
    private func handle(_ bytes: UnsafeRawBufferPointer) throws(BusError) {
        var run: (route: Route, start: Int)?
        var offset = 0
        while offset < bytes.count {
            let length = FrameSplitter.wholeFrameLength(bytes, at: offset)
            let end = offset + length
            let opcode = bytes[offset + 4]
            if opcode <= Wire.Opcode.streamDelivery.rawValue {
                let route = try route(bytes, start: offset, end: end)
                if run?.route !== route {
                    if let run { stage(bytes, run.start..<offset, for: run.route) }
                    run = route.map { ($0, offset) }
                }
            } else {
                if let ended = run {
                    stage(bytes, ended.start..<offset, for: ended.route)
                    run = nil
                }
                guard length >= Wire.controlHeadLength else { throw .protocolViolation("a frame of \(length) bytes") }
                try handleControl(UnsafeRawBufferPointer(rebasing: bytes[offset..<end]), opcode)
                // It may have ended the connection: what is behind it concerns nobody any more.
                guard phase == .handshaking || phase == .connected else { return }
            }
            offset = end
        }
        if let run { stage(bytes, run.start..<offset, for: run.route) }
    }

    private func stage(_ bytes: UnsafeRawBufferPointer, _ range: Range<Int>, for route: Route) {
        for receiver in route.receivers where !receiver.isEnded {
            receiver.staged.writeBytes(UnsafeRawBufferPointer(rebasing: bytes[range]))
            if !receiver.isDirty {
                receiver.isDirty = true
                dirty.append(receiver)
            }
        }
    }

    /// Where a delivery goes; nil when to nobody (any more), or when it is an answer, which is dealt with here.
    @inline(__always)
    private func route(_ bytes: UnsafeRawBufferPointer, start: Int, end: Int) throws(BusError) -> Route? {
        guard let parts = FrameDecoding.Parts(bytes, start: start, end: end) else {
            throw .protocolViolation("a delivery whose lengths contradict each other")
        }
        if bytes[start + 4] == Wire.Opcode.publish.rawValue {
            let subject = UnsafeRawBufferPointer(rebasing: bytes[parts.subject])
            if subject[0] == UInt8(ascii: "i"), subject.count > inboxPrefix.count,
                subject[..<inboxPrefix.count].elementsEqual(inboxPrefix)
            {
                answered(bytes, start: start, parts)
                return nil
            }
            return routes.route(for: subject)
        }
        let token = UInt32(littleEndian: bytes.loadUnaligned(fromByteOffset: start + 8, as: UInt32.self))
        if let lastRoute, lastRoute.token == token { return lastRoute.route }
        guard let receiver = receivers[token], !receiver.isEnded else { return nil }
        lastRoute = (token, receiver.route)
        return receiver.route
    }

    /// The answer to a request of ours.
    private func answered(_ bytes: UnsafeRawBufferPointer, start: Int, _ parts: FrameDecoding.Parts) {
        var number: UInt64 = 0
        for byte in bytes[parts.subject].dropFirst(inboxPrefix.count) {
            let digit = byte &- UInt8(ascii: "0")
            guard digit < 10, number < UInt64.max / 10 else { return }
            number = number * 10 + UInt64(digit)
        }
        guard let request = outgoing.withLock({ $0.requests.take(number) }) else { return }
        if Wire.Flags(rawValue: bytes[start + 5]).contains(.noResponders) {
            return request.resume(returning: .failure(.noResponders))
        }
        let message = BusMessage(
            subject: String(decoding: bytes[parts.subject], as: UTF8.self),
            reply: parts.reply.isEmpty ? nil : String(decoding: bytes[parts.reply], as: UTF8.self),
            headers: FrameDecoding.headers(bytes, in: parts.headers),
            payload: ByteBuffer(bytes: UnsafeRawBufferPointer(rebasing: bytes[parts.payload])))
        request.resume(returning: .success(message))
    }

    // MARK: - Control frames

    private func handleControl(_ frame: UnsafeRawBufferPointer, _ opcode: UInt8) throws(BusError) {
        let extra = UInt16(littleEndian: frame.loadUnaligned(fromByteOffset: 6, as: UInt16.self))
        let token = UInt32(littleEndian: frame.loadUnaligned(fromByteOffset: 8, as: UInt32.self))
        let body = UnsafeRawBufferPointer(rebasing: frame[Wire.controlHeadLength...])
        switch Wire.Opcode(rawValue: opcode) {
        case .stored: try stored(frame, token: token, body)
        case .refused: refused(token: token, extra, body)
        case .done: try done(token: token, body)
        case .failed: failed(token: token, extra, body)
        case .welcome: try welcomed(body)
        case .pong: break
        default: throw .protocolViolation("opcode \(opcode)")
        }
    }

    private func stored(
        _ frame: UnsafeRawBufferPointer, token: UInt32, _ body: UnsafeRawBufferPointer
    ) throws(BusError) {
        guard body.count >= 16 else { throw .protocolViolation("a short acknowledgement") }
        let count = UInt32(littleEndian: body.loadUnaligned(fromByteOffset: 0, as: UInt32.self))
        let sequence = UInt64(littleEndian: body.loadUnaligned(fromByteOffset: 8, as: UInt64.self))
        let isDuplicate = Wire.Flags(rawValue: frame[5]).contains(.duplicate)
        complete(token, count) { .success(PublishReceipt(sequence: sequence &+ UInt64($0), isDuplicate: isDuplicate)) }
    }

    private func refused(token: UInt32, _ extra: UInt16, _ body: UnsafeRawBufferPointer) {
        guard body.count >= 4 else { return fail("a short refusal") }
        let seconds = UInt32(littleEndian: body.loadUnaligned(fromByteOffset: 0, as: UInt32.self))
        let text = String(decoding: body[4...], as: UTF8.self)
        let error = self.error(extra, text, retryAfterSeconds: Int(seconds))
        guard token != 0 else {
            return logger.warning("a publish was refused", metadata: ["error": "\(error)"])
        }
        complete(token, 1) { _ in .failure(error) }
    }

    /// Completes consecutive durable publishes, outside the lock.
    private func complete(_ token: UInt32, _ count: UInt32, _ outcome: (Int) -> Result<PublishReceipt, BusError>) {
        // The array is this session's to reuse; a completion that publishes finds another one here.
        var taken = completions
        completions = []
        taken.removeAll(keepingCapacity: true)
        let waiters = outgoing.withLock { outgoing in
            outgoing.durable.take(from: token, count: count, into: &taken)
            return outgoing.spaceWaiters.isEmpty || !outgoing.hasSpace(configuration) ? [] : outgoing.takeSpaceWaiters()
        }
        for (index, completion) in taken.enumerated() { completion?(outcome(index)) }
        for waiter in waiters { waiter.resume() }
        taken.removeAll(keepingCapacity: taken.capacity <= 4096)
        completions = taken
        closeIfDrained()
    }

    private func done(token: UInt32, _ body: UnsafeRawBufferPointer) throws(BusError) {
        // The answer to an unsubscribe is waited for by nobody.
        guard let waiting = pending.removeValue(forKey: token) else { return }
        switch waiting {
        case .command(let completion): completion(.success(ByteBuffer(bytes: body)))
        case .receiver(let receiver): try confirmed(receiver, body)
        }
        resumed(token)
    }

    private func failed(token: UInt32, _ extra: UInt16, _ body: UnsafeRawBufferPointer) {
        let text = String(decoding: body, as: UTF8.self)
        let error = self.error(extra, text, retryAfterSeconds: 1)
        guard token != 0 else {
            logger.warning("the bus ends the connection", metadata: ["error": "\(error)", "reason": "\(text)"])
            return fail("\(error)")
        }
        if let waiting = pending.removeValue(forKey: token), case .command(let completion) = waiting {
            completion(.failure(error))
        } else if let receiver = receivers[token] {
            // A bus that shuts down says nothing about the subscription: it is asked for again.
            if error != .disconnected { remove(receiver, error, tellingBus: false) }
        }
        resumed(token)
    }

    private func resumed(_ token: UInt32) {
        if resuming.remove(token) != nil { establishIfResumed() }
    }

    private func error(_ failure: UInt16, _ text: String, retryAfterSeconds: Int) -> BusError {
        switch Wire.Failure(rawValue: failure) {
        case .protocolViolation, nil: .protocolViolation(text)
        case .permissionDenied, .unknownRole: .permissionDenied(text)
        case .invalidSubject: .invalidSubject(text)
        case .payloadTooLarge: .payloadTooLarge(limit: maximumPayloadBytes)
        case .notCaptured: .notCaptured
        case .budgetSpent: .budgetSpent(retryAfterSeconds: retryAfterSeconds)
        case .storageFailed: .storageFailed(text)
        case .slowConsumer: .slowConsumer
        case .notFound: .notFound(text)
        case .invalidConfiguration: .invalidConfiguration(text)
        case .shuttingDown: .disconnected
        case .takenOver: .takenOver
        }
    }
}
