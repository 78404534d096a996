// SPDX-License-Identifier: Apache-2.0
import NIOCore
import Synchronization

extension SocketBus {
    private static func reply(_ message: BusMessage) -> FrameEncoding.Reply {
        message.reply.map { .subject($0) } ?? .none
    }

    public func publish(_ message: BusMessage) async throws(BusError) {
        while true {
            let admission = try session.publish(
                headers: message.headers, reply: Self.reply(message),
                limit: session.configuration.outboundHighWaterBytes, writeSubject: { $0.writeString(message.subject) },
                writePayload: { $0.writeImmutableBuffer(message.payload) })
            if case .sent = admission { return }
            await session.waitForSpace()
        }
    }

    public func publishNow(
        headers: BusHeaders, writeSubject: (inout ByteBuffer) -> Void, writePayload: (inout ByteBuffer) -> Void
    ) throws(BusError) {
        let admission = try session.publish(
            headers: headers, reply: .none, limit: session.configuration.outboundMaximumBytes,
            writeSubject: writeSubject, writePayload: writePayload)
        guard case .full = admission else { return }
        session.outgoing.withLock { $0.overloaded &+= 1 }
        throw .overloaded
    }

    public func publishNow(_ batch: inout PublishBatch) throws(BusError) {
        try session.publish(&batch)
    }

    public func checkPublishNow() throws(BusError) {
        try session.checkPublish()
    }

    public func publishDurably(_ message: BusMessage) async throws(BusError) -> PublishReceipt {
        while true {
            // nil: no space now.
            let outcome: Result<PublishReceipt, BusError>? = await withCheckedContinuation { continuation in
                do throws(BusError) {
                    let admission = try session.publishDurably(
                        headers: message.headers, reply: Self.reply(message),
                        limit: session.configuration.outboundHighWaterBytes,
                        writeSubject: { $0.writeString(message.subject) },
                        writePayload: { $0.writeImmutableBuffer(message.payload) },
                        completion: { continuation.resume(returning: $0) })
                    if case .full = admission { continuation.resume(returning: nil) }
                } catch {
                    continuation.resume(returning: .failure(error))
                }
            }
            if let outcome { return try outcome.get() }
            await session.waitForSpace()
        }
    }

    public func publishDurably(
        _ message: BusMessage, completion: @escaping @Sendable (Result<PublishReceipt, BusError>) -> Void
    ) {
        session.publishDurablyNow(
            headers: message.headers, reply: Self.reply(message), writeSubject: { $0.writeString(message.subject) },
            writePayload: { $0.writeImmutableBuffer(message.payload) }, completion: completion)
    }

    public func publishDurably(
        headers: BusHeaders, writeSubject: (inout ByteBuffer) -> Void, writePayload: (inout ByteBuffer) -> Void,
        completion: @escaping @Sendable (Result<PublishReceipt, BusError>) -> Void
    ) {
        session.publishDurablyNow(
            headers: headers, reply: .none, writeSubject: writeSubject, writePayload: writePayload,
            completion: completion)
    }

    public func publishDurably(
        _ subject: BusSubject, writePayload: (inout ByteBuffer) -> Void,
        completion: @escaping @Sendable (Result<PublishReceipt, BusError>) -> Void
    ) {
        session.publishDurablyNow(subject, writePayload: writePayload, completion: completion)
    }

    public func request(_ message: BusMessage, timeout: Duration) async throws(BusError) -> BusMessage {
        let deadline = NIODeadline.now() + TimeAmount(Self.clamp(timeout))
        let session = session
        let pending = PendingRequest()
        let outcome: Result<BusMessage, BusError> = await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let identifier = session.request(message, deadline: deadline, continuation)
                guard let identifier, pending.began(identifier) else { return }
                session.giveUpRequest(identifier)
            }
        } onCancel: {
            if let identifier = pending.cancelled() { session.giveUpRequest(identifier) }
        }
        return try outcome.get()
    }
}
