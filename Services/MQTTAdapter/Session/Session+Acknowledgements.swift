// SPDX-License-Identifier: Apache-2.0
import Observability

/// Acknowledgements of the client.
extension Session {
    func acknowledged(_ identifier: UInt16) throws(Violation) {
        try settle(sender.acknowledged(identifier), identifier)
    }

    func received(_ identifier: UInt16, reason: ReasonCode) throws(Violation) {
        try settle(sender.received(identifier, reason: reason), identifier)
    }

    func completed(_ identifier: UInt16) throws(Violation) {
        let outcome = sender.completed(identifier)
        if case .finished = outcome, let order = releasedOrders.removeValue(forKey: identifier) {
            forget(order)
        }
        try settle(outcome, identifier)
    }

    private func settle(_ outcome: PublishSender<Outgoing>.Outcome, _ identifier: UInt16) throws(Violation) {
        switch outcome {
        case .finished(let outgoing):
            if let outgoing { forget(outgoing.order) }
            pump()
        case .release(let reason, let outgoing):
            guard isPersistent else {
                connection?.acknowledge(.pubRel, identifier, reason)
                return
            }
            if let outgoing {
                releasedOrders[identifier] = outgoing.order
                broker.save(.released(number, order: outgoing.order))
            }
            // It must never be sent again, whatever happens ([MQTT-4.3.3-6]), and all go out in one order ([MQTT-4.6.0-4]).
            broker.whenSaved { [weak connection] in connection?.acknowledge(.pubRel, identifier, reason) }
        case .ignored: break
        case .protocolError: throw .acknowledgesAnotherQoS
        }
    }
}
