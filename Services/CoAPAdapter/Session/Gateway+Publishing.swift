// SPDX-License-Identifier: Apache-2.0
import AdapterKit
import Bus
import Core
import Messaging
import NIOCore
import Observability

// POST and PUT: a message, answered when the bus has it on disk.
extension Gateway {
    func publish(
        _ request: CoAPRequest, _ path: MessagePath, _ caller: Caller, _ exchange: ExchangeID
    ) throws(Refusal) {
        let stated = try contentType(request.options)
        do throws(ServiceError) {
            try environment.policy.checkSize(request.payload.readableBytes)
        } catch {
            throw tooLarge(error)
        }
        let startedAt = EndpointLoop.now()
        authorize(caller, ChannelAddress(path), .publish) { [self] result in
            do throws(Refusal) {
                let grant = try refusing { () throws(ServiceError) in try result.get() }
                vouched(for: request.peer)
                guard let whole = try assemble(request, exchange) else { return }
                try refusing { () throws(ServiceError) in
                    try hand(whole, path, stated, grant, exchange, startedAt: startedAt)
                }
            } catch {
                refuse(exchange, error)
            }
        }
    }

    private func refusing<Value>(_ body: () throws(ServiceError) -> Value) throws(Refusal) -> Value {
        do throws(ServiceError) {
            return try body()
        } catch {
            throw Refusal(error)
        }
    }

    /// The request with all of its body; nil: a block of it, for which the next is asked (RFC 7959 section 2.3).
    private func assemble(_ request: CoAPRequest, _ exchange: ExchangeID) throws(Refusal) -> CoAPRequest? {
        guard let block = request.options.block1, block.isMore || block.number > 0 else { return request }
        let key = BodyAssembly.Key(request)
        try bodies.add(
            request.payload, block, size: request.options.size1, to: key, isReliable: request.transport.isReliable,
            now: EndpointLoop.now())
        guard !block.isMore else {
            var response = CoAPResponse(.continue)
            response.block1 = block
            respond(exchange, response)
            return nil
        }
        var whole = request
        whole.payload = bodies.take(key) ?? ByteBuffer()
        return whole
    }

    /// What the sender says that the payload is; nil when it says nothing.
    private func contentType(_ options: CoAPOptions) throws(Refusal) -> ContentType? {
        guard let number = options.contentFormat else { return nil }
        guard let type = ContentType(coapContentFormat: number) else { throw .unsupportedContentFormat(number) }
        return type
    }

    func tooLarge(_ error: ServiceError) -> Refusal {
        var refusal = Refusal(error)
        refusal.largestBody = environment.policy.maximumPayloadBytes
        return refusal
    }

    private func hand(
        _ request: CoAPRequest, _ path: MessagePath, _ stated: ContentType?, _ grant: Grant, _ exchange: ExchangeID,
        startedAt: UInt64
    ) throws(ServiceError) {
        try environment.policy.checkRate(grant)
        let now = environment.clock.now()
        let contentType: ContentType
        if let stated {
            try payloadCheck.check(request.payload, as: stated, receivedAt: now)
            contentType = stated
        } else {
            contentType = request.payload.withUnsafeReadableBytes { payloadCheck.guess($0, receivedAt: now) }
        }
        let message = RawMessage(
            domain: grant.domain, channel: grant.channel, subtopic: path.subtopic, publisher: grant.thing,
            transport: .coap, contentType: contentType, created: now, payload: request.payload)
        let bytes = request.payload.readableBytes
        let block = request.options.block1
        let inbox = loop.inbox
        let bound = bound
        metrics.inFlight.increment()
        environment.bus.publishDurably(
            headers: BusHeaders(messageID: MessageName.of(request)),
            writeSubject: { Subjects.writeMessages(channel: message.channel, subtopic: message.subtopic, into: &$0) },
            writePayload: { message.encode(into: &$0) },
            completion: { result in
                inbox.execute { bound.value.published(exchange, result, block, bytes: bytes, startedAt: startedAt) }
            })
    }

    private func published(
        _ exchange: ExchangeID, _ result: Result<PublishReceipt, BusError>, _ block: CoAPBlock?, bytes: Int,
        startedAt: UInt64
    ) {
        metrics.inFlight.decrement()
        switch result {
        case .success(let receipt):
            if receipt.isDuplicate { metrics.duplicates.increment() }
            metrics.payloadBytes.increment(by: UInt64(bytes))
            metrics.latency.observe(Double(EndpointLoop.now() &- startedAt) / 1e9)
            // No resource that could be read at a location of its own is made: not 2.01 (RFC 7252 section 5.8.2).
            var response = CoAPResponse(.changed)
            response.block1 = block
            respond(exchange, response)
        case .failure(let error):
            refuse(exchange, Refusal(ServiceError(publishing: error)))
        }
    }
}
