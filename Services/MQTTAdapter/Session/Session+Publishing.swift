// SPDX-License-Identifier: Apache-2.0
import AdapterKit
import Bus
import Core
import Messaging
import NIOCore
import Observability

/// What the client publishes with QoS 1 or 2: the bus, then the acknowledgement.
extension Session {
    /// A new message, which the receiver has given a ticket.
    func take(_ message: RawMessage, ticket: UInt64, _ identifier: UInt16, _ qos: QualityOfService) {
        guard qos == .exactlyOnce, isPersistent else {
            return publish(message, messageID: nil, ticket: ticket, identifier, qos)
        }
        // After a crash the client sends it again under the same identifier; the bus then recognises it by its own.
        var reception =
            receptions[identifier]
            ?? StoredReception(
                packetIdentifier: identifier, messageID: Self.messageID(), isStored: false,
                position: broker.knownSequence)
        reception.isStored = false
        receptions[identifier] = reception
        broker.save(.reception(number, reception), holding: message.payload.readableBytes)
        // The payload shares what was read, which is not to be kept for as long as a sync takes.
        var owned = message
        owned.payload = ByteBuffer(bytes: message.payload.readableBytesView)
        broker.whenSaved { [self, owned] in
            publish(owned, messageID: reception.messageID, ticket: ticket, identifier, qos)
        }
    }

    private static func messageID() -> String {
        let (high, low) = (UInt64.random(in: 0 ... .max), UInt64.random(in: 0 ... .max))
        return "mqtt-" + String(high, radix: 16) + String(low, radix: 16)
    }

    /// A new message of QoS 1 without properties that is not retained.
    func take(
        _ form: StreamForm, _ payload: UnsafeRawBufferPointer, created: Int64, ticket: UInt64, _ identifier: UInt16
    ) {
        let eventLoop = broker.eventLoop
        let bound = NIOLoopBound((session: self, ticket: ticket), eventLoop: eventLoop)
        broker.publish(form, payload, created: created) { result in
            guard !eventLoop.inEventLoop else { return Self.settle(bound.value, identifier, result) }
            eventLoop.execute { Self.settle(bound.value, identifier, result) }
        }
    }

    private static func settle(
        _ publish: (session: Session, ticket: UInt64), _ identifier: UInt16, _ result: Result<PublishReceipt, BusError>
    ) {
        let broker = publish.session.broker
        broker.publishesInFlight -= 1
        publish.session.settled(result, nil, ticket: publish.ticket, identifier, .atLeastOnce)
        broker.flushSoon()
    }

    private func publish(
        _ message: RawMessage, messageID: String?, ticket: UInt64, _ identifier: UInt16, _ qos: QualityOfService
    ) {
        var retained: RawMessage?
        if message.mqtt?.retain == true {
            retained = message
            retained?.payload = ByteBuffer(bytes: message.payload.readableBytesView)
        }
        let publish = PublishInFlight(self, retained, ticket: ticket, identifier, qos)
        broker.publish(message, headers: BusHeaders(messageID: messageID)) { publish.finish($0) }
    }

    fileprivate func settled(
        _ result: Result<PublishReceipt, BusError>, _ retained: RawMessage?, ticket: UInt64, _ identifier: UInt16,
        _ qos: QualityOfService
    ) {
        unsettled -= 1
        switch result {
        case .success(let receipt):
            broker.acknowledged(receipt)
            if qos == .exactlyOnce { noteStored(identifier) }
            guard let retained, !receipt.isDuplicate else { return settle(ticket, identifier, .success) }
            broker.retain(retained, sequence: receipt.sequence)
            // What is acknowledged is kept: also for those who subscribe after the next crash.
            broker.whenSaved { [self] in settle(ticket, identifier, .success) }
        case .failure(let error) where qos == .exactlyOnce && leavesOpen(identifier, error):
            // Nobody knows whether it was stored, so it is neither accepted nor refused: the client sends it again on its next connection, and by what is
            // kept of it the bus knows it then.
            if receptions[identifier] != nil { openReceptions.insert(identifier) }
            connection?.end(.implementationSpecificError, "the message bus did not answer")
            receiver.settled(ticket: ticket, identifier, reason: .implementationSpecificError)
        case .failure(let error):
            let refusal = ServiceError(publishing: error)
            broker.metrics.refused(refusal.reason)
            if qos == .exactlyOnce, receptions.removeValue(forKey: identifier) != nil {
                broker.save(.removeReception(number, packetIdentifier: identifier))
            }
            if let connection, connection.version == .v311 {
                // It cannot be told; not acknowledged, the message comes again on its next connection.
                return connection.end(.implementationSpecificError, refusal.message)
            }
            settle(ticket, identifier, ReasonCode(publishing: refusal))
        }
    }

    private func noteStored(_ identifier: UInt16) {
        openReceptions.remove(identifier)
        guard var reception = receptions[identifier] else { return }
        reception.isStored = true
        receptions[identifier] = reception
        broker.save(.reception(number, reception))
    }

    private func leavesOpen(_ identifier: UInt16, _ error: BusError) -> Bool {
        openReceptions.contains(identifier) || (error.leavesOutcomeOpen && !broker.isHandingOver)
    }

    private func settle(_ ticket: UInt64, _ identifier: UInt16, _ reason: ReasonCode) {
        receiver.settled(ticket: ticket, identifier, reason: reason)
        connection?.answer()
    }
}

/// A message of QoS 1 or 2 on its way to the bus, as its answer finds it.
private final class PublishInFlight: Sendable {
    private struct State {
        let session: Session
        let retained: RawMessage?
        let ticket: UInt64
        let identifier: UInt16
        let qos: QualityOfService
    }

    private let state: NIOLoopBound<State>

    init(
        _ session: Session, _ retained: RawMessage?, ticket: UInt64, _ identifier: UInt16, _ qos: QualityOfService
    ) {
        state = NIOLoopBound(
            State(session: session, retained: retained, ticket: ticket, identifier: identifier, qos: qos),
            eventLoop: session.broker.eventLoop)
    }

    /// Called once, on any thread.
    func finish(_ result: Result<PublishReceipt, BusError>) {
        guard state.eventLoop.inEventLoop else {
            return state.eventLoop.execute { self.finishHere(result) }
        }
        finishHere(result)
    }

    private func finishHere(_ result: Result<PublishReceipt, BusError>) {
        let state = state.value
        let broker = state.session.broker
        broker.publishesInFlight -= 1
        state.session.settled(result, state.retained, ticket: state.ticket, state.identifier, state.qos)
        broker.flushSoon()
    }
}

extension BusError {
    /// Whether what was sent before this error may have been carried out.
    fileprivate var leavesOutcomeOpen: Bool {
        switch self {
        case .disconnected, .timeout, .closed: true
        case .noResponders, .invalidSubject, .payloadTooLarge, .permissionDenied, .notCaptured, .budgetSpent,
            .storageFailed, .overloaded, .slowConsumer, .takenOver, .notFound, .invalidConfiguration,
            .protocolViolation:
            false
        }
    }
}
