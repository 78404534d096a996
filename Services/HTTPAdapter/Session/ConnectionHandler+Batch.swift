// SPDX-License-Identifier: Apache-2.0
import AdapterKit
import Bus
import Core
import Messaging
import NIOCore
import Observability

/// A publish of several messages at once. All are checked before the first goes to the bus; the answer waits for the last of them.
extension ConnectionHandler {
    /// What has come back of a batch.
    private final class Outcome {
        var missing: Int
        var receipt = BatchReceipt(first: .max, last: 0, count: 0, isDuplicate: true)
        /// The first line that was not stored, and why.
        var failure: (line: Int, error: BusError)?

        init(count: Int) { missing = count }
    }

    func publishBatch(_ request: PublishRequest, _ grant: Grant) {
        let created = loop.clock.now()
        let batch: MessageBatch
        do throws(Refusal) {
            batch = try checkedBatch(request.body, grant, created)
        } catch {
            return refuse(request, error)
        }
        guard loop.mayPublish else { return refuse(request, .overloaded) }
        drop(request)
        let number = request.number
        exchanges[index(of: number)].publishedAt = .now()
        let outcome = Outcome(count: batch.messages.count)
        for message in batch.messages {
            var headers = BusHeaders(traceparent: request.traceparent)
            if let key = request.idempotencyKey {
                headers.messageID = key.messageID(thing: grant.thing, channel: grant.channel, line: message.line)
            }
            let line = message.line
            let bytes = message.payload.readableBytes
            let envelope = RawMessage(
                domain: grant.domain, channel: grant.channel, subtopic: request.path.subtopic,
                publisher: grant.thing, transport: .http, contentType: message.contentType, created: created,
                payload: message.payload)
            loop.publish(envelope, headers: headers) { [self] result in
                acknowledged(number, line: line, bytes: bytes, result, outcome)
            }
        }
    }

    private func checkedBatch(_ body: ByteBuffer, _ grant: Grant, _ created: Int64) throws(Refusal) -> MessageBatch {
        let batch = try MessageBatch(body)
        for message in batch.messages {
            do throws(ServiceError) {
                try loop.payloadCheck.check(message.payload, as: message.contentType, receivedAt: created)
                try loop.policy.checkRate(grant)
            } catch {
                var refusal = Refusal(error)
                refusal.line = message.line
                throw refusal
            }
        }
        return batch
    }

    private func acknowledged(
        _ number: UInt64, line: Int, bytes: Int, _ result: Result<PublishReceipt, BusError>, _ outcome: Outcome
    ) {
        outcome.missing -= 1
        switch result {
        case .success(let receipt):
            loop.metrics.payloadBytes.increment(by: UInt64(bytes))
            if receipt.isDuplicate { loop.metrics.duplicates.increment() }
            outcome.receipt.first = min(outcome.receipt.first, receipt.sequence)
            outcome.receipt.last = max(outcome.receipt.last, receipt.sequence)
            outcome.receipt.count += 1
            outcome.receipt.isDuplicate = outcome.receipt.isDuplicate && receipt.isDuplicate
        case .failure(let error):
            if outcome.failure.map({ line < $0.line }) ?? true { outcome.failure = (line, error) }
        }
        guard outcome.missing == 0 else { return }
        guard isAwaited(number) else { return loop.metrics.lateAcknowledgements.increment() }
        if let (line, error) = outcome.failure {
            answer(number, .refused(Self.partly(outcome.receipt.count, line, error)))
        } else {
            answer(number, .acceptedBatch(outcome.receipt))
        }
    }

    /// The bus took some and not the others: the whole batch is to be sent again, and by its Idempotency-Key nothing is stored twice.
    private static func partly(_ stored: Int, _ line: Int, _ error: BusError) -> Refusal {
        let refusal = Refusal(ServiceError(publishing: error))
        guard stored > 0 else {
            var refusal = refusal
            refusal.line = line
            return refusal
        }
        return Refusal(
            status: refusal.status, reason: refusal.reason,
            "\(stored) messages of the batch are stored; that of line \(line) is not, or not known to be. Send the whole batch again with the same Idempotency-Key.",
            retryAfterSeconds: refusal.retryAfterSeconds, line: line)
    }
}
