// SPDX-License-Identifier: Apache-2.0
import AdapterKit
import Bus
import Core
import Messaging
import NIOCore
import NIOWebSocket
import Observability

/// What the client sends to the channel: checked and made durable as over HTTP.
///
/// In the envelope each message is acknowledged or refused by its identifier. Without it nothing can be said to one message: one that is refused ends the
/// connection, with the reason, so that no loss stays unseen.
extension WebSocketHandler {
    func publish(_ payload: ByteBuffer) {
        publish(payload, as: opening.contentType, to: nil, key: nil, id: nil)
    }

    func take(command text: ByteBuffer) {
        do throws(LiveCommand.Problem) {
            let command = try LiveCommand(text)
            publish(
                command.payload, as: command.contentType ?? opening.contentType, to: command.subtopic,
                key: command.idempotencyKey, id: command.id)
        } catch {
            refuse(error.id, error.refusal)
        }
    }

    private func publish(
        _ payload: ByteBuffer, as contentType: ContentType, to subtopic: String?, key: IdempotencyKey?,
        id: ByteBuffer?
    ) {
        guard let grant = opening.access?.publish else { return refuse(id, Self.notAllowed) }
        let subtopic = subtopic ?? opening.path.subtopic
        guard !subtopic.utf8.contains(UInt8(ascii: "*")), !subtopic.utf8.contains(UInt8(ascii: ">")) else {
            return refuse(id, Refusal(status: 400, reason: PathError.wildcard.reason, PathError.wildcard.message))
        }
        let created = loop.clock.now()
        do throws(ServiceError) {
            try loop.policy.checkSize(payload.readableBytes)
            try loop.policy.checkRate(grant)
            try loop.payloadCheck.check(payload, as: contentType, receivedAt: created)
        } catch {
            return refuse(id, Refusal(error))
        }
        guard loop.mayPublish else { return refuse(id, .overloaded) }
        let message = RawMessage(
            domain: grant.domain, channel: grant.channel, subtopic: subtopic, publisher: grant.thing,
            transport: .webSocket, contentType: contentType, created: created, payload: payload)
        let headers = BusHeaders(messageID: key?.messageID(thing: grant.thing, channel: grant.channel))
        let number = nextPublish
        nextPublish += 1
        publishes[number] = Publish(
            id: id, bytes: payload.readableBytes, deadline: .now() + loop.limits.acknowledgementTimeout)
        loop.publish(message, headers: headers) { [self] result in acknowledged(number, result) }
    }

    private static let notAllowed = Refusal(
        status: 403, reason: "publish-not-allowed", "This connection may only listen.")

    private func acknowledged(_ number: UInt64, _ result: Result<PublishReceipt, BusError>) {
        guard let publish = publishes.removeValue(forKey: number) else {
            loop.metrics.lateAcknowledgements.increment()
            return
        }
        switch result {
        case .success(let receipt):
            loop.live.metrics.published.increment()
            loop.metrics.payloadBytes.increment(by: UInt64(publish.bytes))
            if receipt.isDuplicate { loop.metrics.duplicates.increment() }
            guard isEnvelope, phase == .open else { break }
            let document = LiveDocument.accepted(
                id: publish.id, sequence: receipt.sequence, isDuplicate: receipt.isDuplicate)
            outlet.send(WebSocketFraming.frame(.text, document))
        case .failure(let error): refuse(publish.id, Refusal(ServiceError(publishing: error)))
        }
        readOn()
    }

    func checkAcknowledgements(now: NIODeadline) {
        guard !publishes.isEmpty else { return }
        for number in publishes.filter({ now >= $0.value.deadline }).keys.sorted() {
            guard let publish = publishes.removeValue(forKey: number) else { continue }
            refuse(publish.id, .acknowledgementOverdue)
        }
        readOn()
    }

    private func refuse(_ id: ByteBuffer?, _ refusal: Refusal) {
        loop.metrics.count(refused: refusal.reason)
        guard phase == .open else { return }
        if isEnvelope {
            outlet.send(WebSocketFraming.frame(.text, LiveDocument.refused(id: id, refusal)))
        } else {
            close(CloseCode(refusal), "\(refusal.reason): \(refusal.detail)", counting: refusal.reason)
        }
    }
}

extension CloseCode {
    /// A refusal in the terms of RFC 6455 section 7.4.1.
    init(_ refusal: Refusal) {
        switch refusal.status {
        case 400, 415, 422: self = .invalidPayload
        case 413: self = .tooBig
        case 401, 403, 404: self = .policyViolation
        case 429, 503: self = .tryAgainLater
        default: self = .internalError
        }
    }
}
