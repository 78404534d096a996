// SPDX-License-Identifier: Apache-2.0
import DequeModule

/// The receiving side of QoS 1 and 2 (sections 4.3, 4.6 and 4.9): what was received already, the receive maximum, acknowledgements in order.
///
/// Taking a message over may take time (the bus syncs), and messages may be settled in another order than they came; PUBACK and PUBREC go out in the
/// order in which the PUBLISH packets came ([MQTT-4.6.0-2], [MQTT-4.6.0-3]). A QoS 2 identifier goes through
///
///     unknown → storing (PUBLISH) → held (settled, PUBREC) → unknown (PUBREL, PUBCOMP); storing → unknown (settled with a failure)
///
/// Whether the message is passed on when it is accepted (method B of MQTT 3.1.1, section 4.3.3) or when it is released (method A) is the
/// caller's choice; each comes once.
package struct PublishReceiver {
    package enum Acceptance: Equatable, Sendable {
        /// A new message: take it over and say so by `settled` with the ticket.
        case new(ticket: UInt64)
        /// QoS 2, received before: do nothing with it. Its answer comes by nextAnswer().
        case repeated
    }

    /// PUBACK or PUBREC to be sent.
    package struct Answer: Equatable, Sendable {
        package let type: PacketType
        package let packetIdentifier: UInt16
        package let reason: ReasonCode
    }

    private struct Pending {
        let packetIdentifier: UInt16
        let qos: QualityOfService
        /// nil: not settled yet.
        var reason: ReasonCode?
    }

    private enum Held {
        /// `ticket` was given out with the message, `latest` waits for its answer: another after a reconnect.
        case storing(ticket: UInt64, latest: UInt64)
        case stored
    }

    /// What this side said that it takes; so many may be unacknowledged.
    package let receiveMaximum: Int
    private var pending: Deque<Pending> = []
    /// Of the first in `pending`; tickets before belong to connections that are gone.
    private var firstTicket: UInt64 = 0
    private var held: [UInt16: Held] = [:]
    private var unacknowledgedAtLeastOnce = 0

    /// - Parameters:
    ///   - receiveMaximum: 1 to 65,535.
    ///   - identifiers: QoS 2 identifiers that a store kept as heldIdentifiers.
    package init(receiveMaximum: Int, holding identifiers: [UInt16] = []) {
        self.receiveMaximum = min(max(1, receiveMaximum), Int(UInt16.max))
        for identifier in identifiers { held[identifier] = .stored }
    }

    /// QoS 2 messages received whose PUBREL has not come: for a store.
    package var heldIdentifiers: [UInt16] {
        held.compactMap { if case .stored = $0.value { $0.key } else { nil } }.sorted()
    }

    /// A QoS 2 message of an earlier process turns out to be stored.
    package mutating func hold(_ packetIdentifier: UInt16) {
        if held[packetIdentifier] == nil { held[packetIdentifier] = .stored }
    }

    /// Messages that count against the receive maximum.
    package var unacknowledged: Int { unacknowledgedAtLeastOnce + held.count }

    /// A PUBLISH with QoS 1 or 2.
    ///
    /// - Throws: `Violation.receiveMaximumExceeded`.
    package mutating func published(_ packetIdentifier: UInt16, qos: QualityOfService) throws(Violation) -> Acceptance {
        let ticket = firstTicket + UInt64(pending.count)
        if qos == .exactlyOnce, let known = held[packetIdentifier] {
            // A sender that repeats itself on one connection cannot make the queue longer than the receive maximum allows.
            guard pending.count < 2 * receiveMaximum else { throw .receiveMaximumExceeded }
            switch known {
            case .stored: pending.append(Pending(packetIdentifier: packetIdentifier, qos: qos, reason: .success))
            case .storing(let original, _):
                pending.append(Pending(packetIdentifier: packetIdentifier, qos: qos, reason: nil))
                held[packetIdentifier] = .storing(ticket: original, latest: ticket)
            }
            return .repeated
        }
        // QoS 2 messages that were refused count no more, but their answers may have to wait for an earlier message's.
        guard unacknowledged < receiveMaximum, pending.count < 2 * receiveMaximum else {
            throw .receiveMaximumExceeded
        }
        pending.append(Pending(packetIdentifier: packetIdentifier, qos: qos, reason: nil))
        if qos == .exactlyOnce {
            held[packetIdentifier] = .storing(ticket: ticket, latest: ticket)
        } else {
            unacknowledgedAtLeastOnce += 1
        }
        return .new(ticket: ticket)
    }

    /// A message was taken over, or refused with a reason of 0x80 or above. May come when its connection is gone.
    package mutating func settled(ticket: UInt64, _ packetIdentifier: UInt16, reason: ReasonCode = .success) {
        if case .storing(ticket, let latest) = held[packetIdentifier] {
            // [MQTT-4.3.3-9]: after a refusal the identifier is as new.
            held[packetIdentifier] = reason.isFailure ? nil : .stored
            settle(latest, reason)
            guard latest != ticket else { return }
        }
        settle(ticket, reason)
    }

    /// The next acknowledgement to send; nil: none, or the one whose turn it is waits for its message.
    package mutating func nextAnswer() -> Answer? {
        guard let next = pending.first, let reason = next.reason else { return nil }
        pending.removeFirst()
        firstTicket += 1
        if next.qos == .atLeastOnce { unacknowledgedAtLeastOnce -= 1 }
        return Answer(
            type: next.qos == .atLeastOnce ? .pubAck : .pubRec, packetIdentifier: next.packetIdentifier, reason: reason)
    }

    /// PUBREL.
    ///
    /// - Returns: the reason of the PUBCOMP to send at once ([MQTT-4.3.3-11]): success, or "packet identifier not found".
    package mutating func released(_ packetIdentifier: UInt16) -> ReasonCode {
        held.removeValue(forKey: packetIdentifier) == nil ? .packetIdentifierNotFound : .success
    }

    /// The connection ended: what was not answered will be sent again. QoS 2 identifiers stay.
    package mutating func disconnected() {
        firstTicket += UInt64(pending.count)
        pending.removeAll()
        unacknowledgedAtLeastOnce = 0
    }

    private mutating func settle(_ ticket: UInt64, _ reason: ReasonCode) {
        guard ticket >= firstTicket, ticket - firstTicket < UInt64(pending.count) else { return }
        let index = Int(ticket - firstTicket)
        if pending[index].reason == nil { pending[index].reason = reason }
    }
}
