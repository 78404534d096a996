// SPDX-License-Identifier: Apache-2.0
import NIOCore
import Synchronization

/// Publishing and asking, from any thread.
extension SocketSession {
    /// Queues a core message unless more than `limit` bytes wait already.
    func publish(
        headers: BusHeaders, reply: FrameEncoding.Reply, limit: Int, writeSubject: (inout ByteBuffer) -> Void,
        writePayload: (inout ByteBuffer) -> Void
    ) throws(BusError) -> Outgoing.Admission {
        let admission = try outgoing.withLock { (outgoing) throws(BusError) -> Outgoing.Admission in
            try outgoing.ensureConnected()
            guard outgoing.queuedBytes <= limit else { return .full }
            try FrameEncoding.appendPublish(
                to: &outgoing.buffer, token: 0, headers: headers, reply: reply,
                maximumPayloadBytes: outgoing.maximumPayloadBytes, writeSubject: writeSubject,
                writePayload: writePayload)
            return .sent(needsWake: outgoing.wake())
        }
        if case .sent(needsWake: true) = admission { wake() }
        return admission
    }

    /// Queues core messages that are encoded already: up to twice the limit, so that what ``checkPublish()`` has let begin ends well.
    func publish(_ batch: inout PublishBatch) throws(BusError) {
        guard !batch.isEmpty else { return }
        let limit = configuration.outboundMaximumBytes * 2
        // Apart from the state: the batch may not be taken into the lock's closure.
        var frames = batch.frames
        batch.frames = ByteBuffer()
        let largest = batch.largestPayload
        let (needsWake, isMuch): (Bool, Bool)
        do throws(BusError) {
            (needsWake, isMuch) = try outgoing.withLock { (outgoing) throws(BusError) -> (Bool, Bool) in
                try outgoing.ensureConnected()
                guard outgoing.queuedBytes <= limit else {
                    outgoing.overloaded &+= 1
                    throw .overloaded
                }
                guard largest <= outgoing.maximumPayloadBytes else {
                    throw .payloadTooLarge(limit: outgoing.maximumPayloadBytes)
                }
                outgoing.append(&frames)
                return (outgoing.wake(), outgoing.unsentBytes >= Self.muchToSend)
            }
        } catch {
            batch.frames = frames
            throw error
        }
        batch.frames = frames
        batch.removeAll()
        // The bus is not to idle until this round of the event loop ends.
        if isMuch, eventLoop.inEventLoop { flush() } else if needsWake { wake() }
    }

    private static let muchToSend = 128 << 10

    func checkPublish() throws(BusError) {
        let limit = configuration.outboundHighWaterBytes
        try outgoing.withLock { (outgoing) throws(BusError) in
            try outgoing.ensureConnected()
            guard outgoing.queuedBytes <= limit else { throw .overloaded }
        }
    }

    /// Queues a durable publish unless more than `limit` bytes or too many others wait already.
    func publishDurably(
        headers: BusHeaders, reply: FrameEncoding.Reply, limit: Int, writeSubject: (inout ByteBuffer) -> Void,
        writePayload: (inout ByteBuffer) -> Void, completion: @escaping DurableWindow.Completion
    ) throws(BusError) -> Outgoing.Admission {
        let maximumInFlight = configuration.maximumDurableInFlight
        let admission = try outgoing.withLock { (outgoing) throws(BusError) -> Outgoing.Admission in
            try outgoing.ensureConnected()
            guard outgoing.queuedBytes <= limit, outgoing.durable.count < maximumInFlight else { return .full }
            try FrameEncoding.appendPublish(
                to: &outgoing.buffer, token: outgoing.durable.nextToken, headers: headers, reply: reply,
                maximumPayloadBytes: outgoing.maximumPayloadBytes, writeSubject: writeSubject,
                writePayload: writePayload)
            outgoing.durable.append(completion)
            return .sent(needsWake: outgoing.wake())
        }
        if case .sent(needsWake: true) = admission { wake() }
        return admission
    }

    /// Refuses instead of waiting, and says so to `completion`.
    func publishDurablyNow(
        headers: BusHeaders, reply: FrameEncoding.Reply, writeSubject: (inout ByteBuffer) -> Void,
        writePayload: (inout ByteBuffer) -> Void, completion: @escaping DurableWindow.Completion
    ) {
        do throws(BusError) {
            let admission = try publishDurably(
                headers: headers, reply: reply, limit: configuration.outboundMaximumBytes, writeSubject: writeSubject,
                writePayload: writePayload, completion: completion)
            if case .full = admission {
                outgoing.withLock { $0.overloaded &+= 1 }
                completion(.failure(.overloaded))
            }
        } catch {
            completion(.failure(error))
        }
    }

    /// The same on a subject that was checked.
    func publishDurablyNow(
        _ subject: BusSubject, writePayload: (inout ByteBuffer) -> Void, completion: @escaping DurableWindow.Completion
    ) {
        let limits = (bytes: configuration.outboundMaximumBytes, inFlight: configuration.maximumDurableInFlight)
        let outcome = outgoing.withLock { outgoing -> Result<Bool, BusError> in
            do throws(BusError) { try outgoing.ensureConnected() } catch { return .failure(error) }
            guard outgoing.queuedBytes <= limits.bytes, outgoing.durable.count < limits.inFlight else {
                outgoing.overloaded &+= 1
                return .failure(.overloaded)
            }
            let start = outgoing.buffer.writerIndex
            let length = FrameEncoding.append(
                to: &outgoing.buffer, subject.bytes, token: outgoing.durable.nextToken, origin: nil, writePayload)
            guard length <= outgoing.maximumPayloadBytes else {
                outgoing.buffer.moveWriterIndex(to: start)
                return .failure(.payloadTooLarge(limit: outgoing.maximumPayloadBytes))
            }
            outgoing.durable.append(completion)
            return .success(outgoing.wake())
        }
        switch outcome {
        case .success(let needsWake): if needsWake { wake() }
        case .failure(let error): completion(.failure(error))
        }
    }

    /// Waits until there is space again, or no connection any more: then trying again says so. The wait is bounded by the time after which a
    /// peer that takes nothing is found dead.
    func waitForSpace() async {
        await withCheckedContinuation { (continuation: CheckedContinuation<Void, Never>) in
            let goesOn = outgoing.withLock { outgoing in
                if outgoing.hasSpace(configuration) { return true }
                outgoing.spaceWaiters.append(continuation)
                return false
            }
            if goesOn { continuation.resume() }
        }
    }

    /// Queues a request; `continuation` is resumed in every case.
    func request(
        _ message: BusMessage, deadline: NIODeadline, _ continuation: RequestTable.Completion
    ) -> UInt64? {
        do throws(BusError) {
            let maximum = (configuration.maximumRequestsInFlight, configuration.outboundMaximumBytes)
            let (identifier, needsWake) = try outgoing.withLock { (outgoing) throws(BusError) -> (UInt64, Bool) in
                try outgoing.ensureConnected()
                guard outgoing.requests.count < maximum.0, outgoing.queuedBytes <= maximum.1 else {
                    outgoing.overloaded &+= 1
                    throw .overloaded
                }
                let identifier = outgoing.requests.makeIdentifier()
                try FrameEncoding.appendPublish(
                    to: &outgoing.buffer, token: 0, headers: message.headers,
                    reply: .inbox(prefix: outgoing.inboxPrefix, number: identifier),
                    maximumPayloadBytes: outgoing.maximumPayloadBytes,
                    writeSubject: { $0.writeString(message.subject) },
                    writePayload: { $0.writeImmutableBuffer(message.payload) })
                outgoing.requests.add(identifier, deadline: deadline, continuation)
                return (identifier, outgoing.wake())
            }
            if needsWake { wake() }
            return identifier
        } catch {
            continuation.resume(returning: .failure(error))
            return nil
        }
    }

    /// A verdict on a message of a durable consumer. Above the limit it is dropped: the message comes again.
    func acknowledge(
        _ kind: Wire.Acknowledgement, of consumer: Receiver, _ sequence: UInt64,
        extra: (inout ByteBuffer) -> Void = { _ in }
    ) {
        let needsWake = outgoing.withLock { outgoing in
            guard outgoing.phase == .connected else { return false }
            if kind == .through {
                let index = outgoing.acknowledgedThrough.firstIndex { $0.consumer === consumer }
                if let index {
                    let earlier = outgoing.acknowledgedThrough[index].sequence
                    outgoing.acknowledgedThrough[index].sequence = max(earlier, sequence)
                } else {
                    outgoing.acknowledgedThrough.append((consumer, sequence))
                }
            } else {
                guard outgoing.queuedBytes <= configuration.outboundMaximumBytes else { return false }
                Self.appendAcknowledgement(kind, of: consumer, sequence, to: &outgoing.buffer, extra: extra)
            }
            return outgoing.wake()
        }
        if needsWake { wake() }
    }
}
