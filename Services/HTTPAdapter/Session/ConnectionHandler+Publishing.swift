// SPDX-License-Identifier: Apache-2.0
import AdapterKit
import Bus
import Core
import Messaging
import NIOCore
import Observability

/// A publish: its right, its body, the bus.
extension ConnectionHandler {
    func authorize(_ request: PublishRequest, _ credential: Credential) {
        let access = AccessRequest(
            credential: credential, channel: ChannelAddress(request.path), right: .publish)
        switch loop.authenticator.decide(access) {
        case .allowed(let grant):
            decided(request, .success(grant))
        case .refused(let error):
            decided(request, .failure(error))
        case .ask:
            // Not known here: the body goes on arriving meanwhile.
            let bound = NIOLoopBound((self, request), eventLoop: loop.eventLoop)
            let eventLoop = loop.eventLoop
            loop.authenticator.ask(access) { result in
                eventLoop.execute {
                    let (connection, request) = bound.value
                    connection.decided(request, result)
                }
            }
        }
    }

    private func decided(_ request: PublishRequest, _ result: Result<Grant, ServiceError>) {
        // The request may have been answered by its deadline, or its connection be gone.
        guard isAwaited(request.number) else { return drop(request) }
        switch result {
        case .success(let grant):
            request.authorization = .granted(grant)
            if request.isComplete {
                publish(request, grant)
            } else {
                continueIfOwed()
            }
        case .failure(let error):
            refuse(request, Refusal(error))
        }
    }

    func take(_ piece: ByteBuffer) {
        switch reading {
        case .head:
            break
        case .discarding(let allowance):
            if piece.readableBytes > allowance {
                phase = .finishing
                reading = .discarding(allowance: 0)
            } else {
                reading = .discarding(allowance: allowance - piece.readableBytes)
            }
        case .body(let request):
            let bytes = piece.readableBytes
            do throws(ServiceError) {
                try loop.policy.checkSize(request.body.readableBytes + bytes)
            } catch {
                return refuse(request, Refusal(error))
            }
            guard loop.heldBytes + bytes <= loop.limits.maximumHeldBytes else {
                return refuse(request, .overloaded)
            }
            loop.heldBytes += bytes
            request.append(piece)
        }
    }

    func endRequest() {
        let now = NIODeadline.now()
        readDeadline = now + loop.limits.idleTimeout
        headBegan = false
        guard case .body(let request) = reading else {
            reading = .head
            return
        }
        reading = .head
        request.isComplete = true
        switch request.authorization {
        case .granted(let grant): publish(request, grant)
        case .asked: request.own()
        }
    }

    /// Refuses a publish whose body may still be arriving.
    func refuse(_ request: PublishRequest, _ refusal: Refusal) {
        let seen = request.body.readableBytes
        drop(request)
        var closes = false
        if case .body(let current) = reading, current === request {
            let rest = request.announcedBytes.map { $0 - seen } ?? 0
            closes =
                rest > loop.limits.maximumDiscardedBytes || owesContinue(request.number) || refusal.status == 413
            reading = .discarding(allowance: loop.limits.maximumDiscardedBytes)
        }
        answer(request.number, .refused(refusal), closes: closes)
    }

    /// Complete and allowed: checks the payload and hands it to the bus.
    private func publish(_ request: PublishRequest, _ grant: Grant) {
        if MessageBatch.isBatch(request.contentType) { return publishBatch(request, grant) }
        let created = loop.clock.now()
        do throws(ServiceError) {
            try loop.policy.checkRate(grant)
            try loop.payloadCheck.check(request.body, as: request.contentType, receivedAt: created)
        } catch {
            return refuse(request, Refusal(error))
        }
        let payload = request.body
        guard loop.mayPublish else { return refuse(request, .overloaded) }
        let message = RawMessage(
            domain: grant.domain, channel: grant.channel, subtopic: request.path.subtopic, publisher: grant.thing,
            transport: .http, contentType: request.contentType, created: created, payload: payload)
        drop(request)
        var headers = BusHeaders(traceparent: request.traceparent)
        if let key = request.idempotencyKey {
            headers.messageID = key.messageID(thing: grant.thing, channel: grant.channel)
        }
        let number = request.number
        let bytes = payload.readableBytes
        exchanges[index(of: number)].publishedAt = .now()
        loop.publish(message, headers: headers) { [self] result in acknowledged(number, bytes: bytes, result) }
    }

    private func acknowledged(_ number: UInt64, bytes: Int, _ result: Result<PublishReceipt, BusError>) {
        guard isAwaited(number) else {
            loop.metrics.lateAcknowledgements.increment()
            return
        }
        switch result {
        case .success(let receipt):
            loop.metrics.payloadBytes.increment(by: UInt64(bytes))
            if receipt.isDuplicate { loop.metrics.duplicates.increment() }
            answer(number, .accepted(receipt))
        case .failure(let error):
            answer(number, .refused(Refusal(ServiceError(publishing: error))))
        }
    }

    /// Gives back what a request holds.
    func drop(_ request: PublishRequest) {
        loop.heldBytes -= request.body.readableBytes
        request.dropBody()
    }

    /// Gives back what the connection holds, at its end.
    func release() {
        if case .body(let request) = reading { drop(request) }
        reading = .discarding(allowance: 0)
    }
}
