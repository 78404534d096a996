// SPDX-License-Identifier: Apache-2.0
import MQTTAdapter
import Testing

@Suite struct PublishSenderTests {
    private typealias Sender = PublishSender<String>

    private func connected(_ receiveMaximum: Int = 65_535) -> Sender {
        var sender = Sender()
        sender.connected(receiveMaximum: receiveMaximum)
        return sender
    }

    // [MQTT-2.3.1-1 of 3.1.1] [MQTT-2.3.1-2 of 3.1.1] [MQTT-2.3.1-4 of 3.1.1] [MQTT-4.3.2-1 of 3.1.1]
    @Test("[MQTT-2.2.1-4] [MQTT-4.3.2-1] [MQTT-4.3.3-1] identifiers are not zero and not in use, all the way round")
    func identifiers() {
        var sender = connected()
        for expected in 1...65_535 {
            #expect(sender.accepted("m", qos: .atLeastOnce) == UInt16(expected))
        }
        #expect(sender.accepted("m", qos: .atLeastOnce) == nil && !sender.canSend)
        // The oldest is still in flight: no identifier is free.
        guard case .finished("m") = sender.acknowledged(2) else {
            Issue.record("not acknowledged")
            return
        }
        #expect(sender.accepted("m", qos: .atLeastOnce) == nil)
        _ = sender.acknowledged(1)
        #expect(sender.accepted("m", qos: .atLeastOnce) == 1)
        #expect(sender.accepted("m", qos: .exactlyOnce) == 2)
        #expect(sender.accepted("m", qos: .atLeastOnce) == nil)
        #expect(sender.inFlight.count == 65_535)
        #expect(sender.inFlight.first?.packetIdentifier == 3)
        #expect(sender.inFlight.last?.packetIdentifier == 2)
    }

    // [MQTT-4.3.3-1 of 3.1.1] [MQTT-2.3.1-6 of 3.1.1]
    @Test("[MQTT-4.3.3-3] [MQTT-4.3.3-4] [MQTT-4.3.3-5] [MQTT-4.3.3-6] [MQTT-2.2.1-5] the way of a QoS 2 message")
    func exactlyOnce() {
        var sender = connected()
        #expect(sender.accepted("a", qos: .exactlyOnce) == 1)
        if case .protocolError = sender.completed(1) {} else { Issue.record("PUBCOMP before PUBREC is taken") }
        if case .protocolError = sender.acknowledged(1) {} else { Issue.record("PUBACK for QoS 2 is taken") }
        #expect(sender.inFlight.first?.phase == .published)
        if case .release(.success, "a") = sender.received(1) {} else { Issue.record("PUBREC does not release") }
        #expect(sender.inFlight.first?.phase == .released)
        #expect(sender.inFlight.first?.message == nil)
        // Said twice: released again, and nothing to let go of.
        if case .release(.success, nil) = sender.received(1) {} else { Issue.record("PUBREC again is not answered") }
        if case .ignored = sender.received(1, reason: .unspecifiedError) {
        } else {
            Issue.record("refused when released")
        }
        sender.disconnected()
        sender.connected(receiveMaximum: 1)
        guard case .release(1) = sender.nextResend() else {
            Issue.record("PUBREL is not resent")
            return
        }
        if sender.nextResend() != nil { Issue.record("more is resent") }
        if case .finished(nil) = sender.completed(1) {} else { Issue.record("PUBCOMP does not finish") }
        #expect(sender.inFlight.isEmpty && sender.outstanding == 0)
        if case .ignored = sender.completed(1) {} else { Issue.record("PUBCOMP of nothing is taken") }
        if case .ignored = sender.acknowledged(1) {} else { Issue.record("PUBACK of nothing is taken") }
        if case .release(.packetIdentifierNotFound, nil) = sender.received(1) {
        } else {
            Issue.record("PUBREC of nothing is not answered")
        }
        for identifier in [0, 2, 65_535] as [UInt16] {
            if case .ignored = sender.acknowledged(identifier) {} else { Issue.record("\(identifier) is taken") }
        }
    }

    @Test("[MQTT-4.4.0-2] [MQTT-4.8.2-6] [MQTT-4.3.3-4] a refused message is acknowledged, and is not sent again")
    func refused() {
        var sender = connected(1)
        #expect(sender.accepted("a", qos: .exactlyOnce) == 1)
        if case .finished("a") = sender.received(1, reason: .quotaExceeded) {} else { Issue.record("not finished") }
        #expect(sender.canSend)
        sender.disconnected()
        sender.connected(receiveMaximum: 1)
        if sender.nextResend() != nil { Issue.record("it is sent again") }
        #expect(sender.accepted("b", qos: .atLeastOnce) == 2)
    }

    // [MQTT-4.4.0-1 of 3.1.1] [MQTT-4.6.0-1 of 3.1.1] [MQTT-2.3.1-3 of 3.1.1] [MQTT-3.3.1-1 of 3.1.1]
    @Test("[MQTT-4.4.0-1] [MQTT-4.6.0-1] [MQTT-3.3.1-1] what is resent keeps identifiers and order; new ones wait")
    func resends() {
        var sender = connected(10)
        for index in 0..<6 {
            _ = sender.accepted("\(index)", qos: index.isMultiple(of: 2) ? .exactlyOnce : .atLeastOnce)
        }
        _ = sender.received(3)
        _ = sender.acknowledged(4)
        sender.disconnected()
        #expect(!sender.canSend && sender.accepted("x", qos: .atLeastOnce) == nil)
        sender.connected(receiveMaximum: 2)
        #expect(!sender.canSend)
        var sent: [String] = []
        while sent.count < 5 {
            guard let resend = sender.nextResend() else {
                // Full: acknowledge what was sent first.
                guard let oldest = sender.inFlight.first else { break }
                _ =
                    oldest.qos == .atLeastOnce
                    ? sender.acknowledged(oldest.packetIdentifier) : complete(oldest, &sender)
                continue
            }
            switch resend {
            case .publish(let identifier, let qos, let message): sent.append("\(identifier) \(qos.rawValue) \(message)")
            case .release(let identifier): sent.append("\(identifier) release")
            }
        }
        #expect(sent == ["1 2 0", "2 1 1", "3 release", "5 2 4", "6 1 5"])
        if sender.nextResend() != nil { Issue.record("something is resent twice") }
    }

    private func complete(_ message: Sender.InFlight, _ sender: inout Sender) -> Sender.Outcome {
        if message.phase == .published { _ = sender.received(message.packetIdentifier) }
        return sender.completed(message.packetIdentifier)
    }

    @Test("an acknowledgement from before a reconnect ends a message that was not resent yet")
    func acknowledgedBeforeResend() {
        var sender = connected(10)
        for text in ["a", "b", "c"] { _ = sender.accepted(text, qos: .atLeastOnce) }
        sender.disconnected()
        sender.connected(receiveMaximum: 1)
        _ = sender.acknowledged(2)
        guard case .publish(1, .atLeastOnce, "a") = sender.nextResend() else {
            Issue.record("the first is not resent")
            return
        }
        #expect(sender.outstanding == 1)
        _ = sender.acknowledged(1)
        guard case .publish(3, .atLeastOnce, "c") = sender.nextResend() else {
            Issue.record("the third is not resent")
            return
        }
        _ = sender.acknowledged(3)
        #expect(sender.outstanding == 0 && sender.inFlight.isEmpty)
        #expect(sender.accepted("d", qos: .atLeastOnce) == 4)
    }

    // [MQTT-3.1.2-4 of 3.1.1]
    @Test("[MQTT-3.1.2-5] [MQTT-3.1.2-23] a restored sender goes on where the stored one was")
    func restores() throws {
        var sender = connected(10)
        for index in 0..<5 { _ = sender.accepted("\(index)", qos: .exactlyOnce) }
        _ = sender.received(2)
        _ = sender.received(3)
        _ = sender.completed(3)
        _ = sender.received(1, reason: .unspecifiedError)
        let stored = sender.inFlight
        #expect(stored.map(\.packetIdentifier) == [2, 4, 5])
        var restored = try #require(Sender(restoring: stored))
        #expect(restored.inFlight.map(\.packetIdentifier) == [2, 4, 5])
        #expect(!restored.canSend)
        restored.connected(receiveMaximum: 10)
        guard case .release(2) = restored.nextResend(), case .publish(4, .exactlyOnce, "3") = restored.nextResend(),
            case .publish(5, .exactlyOnce, "4") = restored.nextResend()
        else {
            Issue.record("not what was stored")
            return
        }
        #expect(restored.accepted("new", qos: .atLeastOnce) == 6)
    }

    @Test("nothing, identifiers round the end, and orders that cannot be")
    func restoresExtremes() throws {
        func restore(_ identifiers: [UInt16], phase: Sender.Phase = .published) -> Sender? {
            Sender(
                restoring: identifiers.map {
                    Sender.InFlight(packetIdentifier: $0, qos: .atLeastOnce, phase: phase, message: "m")
                })
        }
        var empty = try #require(restore([]))
        empty.connected(receiveMaximum: 1)
        #expect(empty.inFlight.isEmpty)
        #expect(empty.accepted("a", qos: .atLeastOnce) == 1)
        var round = try #require(restore([65_534, 1, 3]))
        round.connected(receiveMaximum: 10)
        #expect(round.inFlight.map(\.packetIdentifier) == [65_534, 1, 3])
        var resent = 0
        while round.nextResend() != nil { resent += 1 }
        #expect(resent == 3)
        #expect(round.accepted("a", qos: .atLeastOnce) == 4)
        let done = try #require(restore([7, 8], phase: .done))
        #expect(done.inFlight.isEmpty)
        for impossible in [[0], [0, 1], [1, 0], [1, 1], [2, 3, 1, 2]] as [[UInt16]] {
            #expect(restore(impossible) == nil)
        }
        let all = (UInt16(1)...65_535).map { $0 }
        var full = try #require(restore(all))
        full.connected(receiveMaximum: 65_535)
        while full.nextResend() != nil {}
        #expect(!full.canSend && full.inFlight.count == 65_535)
    }
}
