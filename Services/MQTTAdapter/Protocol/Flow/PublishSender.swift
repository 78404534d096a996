// SPDX-License-Identifier: Apache-2.0
import DequeModule

/// The sending side of QoS 1 and 2 (sections 4.3, 4.4, 4.6 and 4.9): packet identifiers, the window, what is resent after a reconnect.
///
/// Inputs are past tense and return what is to be done. A message in flight goes through
///
///     QoS 1: published → done (PUBACK)
///     QoS 2: published → released (PUBREC, answered by PUBREL) → done (PUBCOMP); published → done (PUBREC that refuses)
///
/// Identifiers are given out one after the other. One that is still in flight is never passed: then there is none free, and a receiver that never
/// acknowledges its oldest message, against [MQTT-4.6.0-2], gets no more. So a place in the queue and an identifier are the same thing, and finding one costs
/// nothing.
package struct PublishSender<Message> {
    package enum Phase: UInt8, Sendable { case published, released, done }

    /// One message as a store keeps it.
    package struct InFlight {
        package let packetIdentifier: UInt16
        package let qos: QualityOfService
        package let phase: Phase
        /// nil once it is released: it is never sent again ([MQTT-4.3.3-6]).
        package let message: Message?

        package init(packetIdentifier: UInt16, qos: QualityOfService, phase: Phase, message: Message?) {
            self.packetIdentifier = packetIdentifier
            self.qos = qos
            self.phase = phase
            self.message = message
        }
    }

    /// What an acknowledgement leads to.
    package enum Outcome {
        /// The message is delivered, or refused by its receiver; nil: it was let go of before, on PUBREC.
        case finished(Message?)
        /// Send PUBREL with this reason: success, or "packet identifier not found" for a message that is not known. The message may be let go of.
        case release(ReasonCode, Message?)
        /// It acknowledges nothing that is in flight.
        case ignored
        /// It answers another QoS than the message was sent with.
        case protocolError
    }

    package enum Resend {
        /// With DUP set ([MQTT-3.3.1-1]).
        case publish(UInt16, QualityOfService, Message)
        case release(UInt16)
    }

    private struct Entry {
        var qos: QualityOfService
        var phase: Phase
        var message: Message?
        /// Sent before the connection that is there now.
        var needsResend = false
    }

    /// Identifiers run from 1 to this.
    private static var identifiers: Int { 65_535 }

    /// The oldest first; consecutive identifiers from `first`. Those done in the middle wait until the ones before are.
    private var entries: Deque<Entry> = []
    private var first: UInt16 = 1
    private var resendFrom = 0
    /// Sent on this connection and not acknowledged.
    package private(set) var outstanding = 0
    /// The receiver's: so many may be outstanding. 0 while there is no connection.
    package private(set) var receiveMaximum = 0

    package init() {}

    /// What a store kept, in the order in which it was first sent.
    ///
    /// - Returns: nil when the order cannot be: identifiers repeat, or are spread over more than there are.
    package init?(restoring messages: [InFlight]) {
        guard let oldest = messages.first?.packetIdentifier else { return }
        guard oldest != 0 else { return nil }
        first = oldest
        for message in messages {
            guard let index = index(of: message.packetIdentifier, within: Self.identifiers), index >= entries.count
            else {
                return nil
            }
            while entries.count < index { entries.append(Entry(qos: .atLeastOnce, phase: .done, message: nil)) }
            entries.append(Entry(qos: message.qos, phase: message.phase, message: message.message, needsResend: true))
        }
        trim()
    }

    /// Whether a new message may be sent now.
    package var canSend: Bool {
        outstanding < receiveMaximum && resendFrom == entries.count && entries.count < Self.identifiers
    }

    /// What is in flight, the oldest first: for a store.
    package var inFlight: [InFlight] {
        entries.indices.compactMap { index in
            let entry = entries[index]
            guard entry.phase != .done else { return nil }
            return InFlight(
                packetIdentifier: identifier(at: index), qos: entry.qos, phase: entry.phase, message: entry.message)
        }
    }

    package var inFlightCount: Int { entries.count { $0.phase != .done } }

    /// A connection begins: everything in flight is to be sent again, in order, before anything new.
    ///
    /// - Parameter receiveMaximum: what the receiver said, or 65,535; in MQTT 3.1.1 the server's own bound.
    package mutating func connected(receiveMaximum: Int) {
        self.receiveMaximum = max(0, receiveMaximum)
        outstanding = 0
        resendFrom = 0
        for index in entries.indices { entries[index].needsResend = entries[index].phase != .done }
        skipDone()
    }

    package mutating func disconnected() {
        receiveMaximum = 0
        outstanding = 0
    }

    /// The next packet to send again after `connected`; nil: none, or the window is full. Ask again after an acknowledgement.
    package mutating func nextResend() -> Resend? {
        skipDone()
        guard resendFrom < entries.count, outstanding < receiveMaximum else { return nil }
        let index = resendFrom
        entries[index].needsResend = false
        resendFrom += 1
        outstanding += 1
        skipDone()
        let entry = entries[index]
        guard entry.phase == .published, let message = entry.message else { return .release(identifier(at: index)) }
        return .publish(identifier(at: index), entry.qos, message)
    }

    /// A message is to be sent with QoS 1 or 2, when canSend.
    ///
    /// - Parameter message: nil: it will not be asked for, as nothing of this sender is sent on another connection.
    /// - Returns: the packet identifier to send it with, DUP not set; nil when the window is full.
    package mutating func accepted(_ message: Message?, qos: QualityOfService) -> UInt16? {
        guard canSend else { return nil }
        entries.append(Entry(qos: qos, phase: .published, message: message))
        resendFrom = entries.count
        outstanding += 1
        return identifier(at: entries.count - 1)
    }

    /// PUBACK.
    package mutating func acknowledged(_ packetIdentifier: UInt16) -> Outcome {
        guard let index = live(packetIdentifier) else { return .ignored }
        guard entries[index].qos == .atLeastOnce else { return .protocolError }
        return finish(index)
    }

    /// PUBREC.
    package mutating func received(_ packetIdentifier: UInt16, reason: ReasonCode = .success) -> Outcome {
        guard let index = live(packetIdentifier) else {
            return reason.isFailure ? .ignored : .release(.packetIdentifierNotFound, nil)
        }
        guard entries[index].qos == .exactlyOnce else { return .protocolError }
        if reason.isFailure {
            // A refusal after the message was released says nothing; PUBCOMP ends it.
            return entries[index].phase == .published ? finish(index) : .ignored
        }
        let message = entries[index].message
        entries[index].message = nil
        entries[index].phase = .released
        return .release(.success, message)
    }

    /// PUBCOMP, with whatever reason.
    package mutating func completed(_ packetIdentifier: UInt16) -> Outcome {
        guard let index = live(packetIdentifier) else { return .ignored }
        guard entries[index].phase == .released else { return .protocolError }
        return finish(index)
    }

    /// A message that nextResend() gave out was not sent, as it is too large for its receiver: it counts as delivered ([MQTT-3.1.2-25]).
    package mutating func discarded(_ packetIdentifier: UInt16) {
        if let index = live(packetIdentifier) { _ = finish(index) }
    }

    private mutating func finish(_ index: Int) -> Outcome {
        let message = entries[index].message
        entries[index].message = nil
        entries[index].phase = .done
        if entries[index].needsResend { entries[index].needsResend = false } else { outstanding -= 1 }
        if index == 0 { trim() }
        return .finished(message)
    }

    private mutating func trim() {
        while let oldest = entries.first, oldest.phase == .done {
            entries.removeFirst()
            first = first == .max ? 1 : first + 1
            resendFrom = max(0, resendFrom - 1)
        }
    }

    private mutating func skipDone() {
        while resendFrom < entries.count, !entries[resendFrom].needsResend { resendFrom += 1 }
    }

    private func live(_ packetIdentifier: UInt16) -> Int? {
        guard let index = index(of: packetIdentifier, within: entries.count), entries[index].phase != .done else {
            return nil
        }
        return index
    }

    private func index(of packetIdentifier: UInt16, within count: Int) -> Int? {
        guard packetIdentifier != 0 else { return nil }
        let distance = Int(packetIdentifier) - Int(first)
        let index = distance < 0 ? distance + Self.identifiers : distance
        return index < count ? index : nil
    }

    private func identifier(at index: Int) -> UInt16 {
        UInt16((Int(first) - 1 + index) % Self.identifiers + 1)
    }
}
