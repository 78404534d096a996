// SPDX-License-Identifier: Apache-2.0
import MQTTAdapter
import Testing

@Suite struct FlowTests {
    @Test(
        "[MQTT-4.9.0-1] [MQTT-4.9.0-2] [MQTT-3.3.4-9] [MQTT-4.4.0-1] [MQTT-4.6.0-1] the window bounds what is sent, and a reconnect resends in order"
    )
    func sender() {
        var sender = PublishSender<String>()
        #expect(sender.accepted("a", qos: .atLeastOnce) == nil)
        sender.connected(receiveMaximum: 2)
        #expect(sender.accepted("a", qos: .atLeastOnce) == 1)
        #expect(sender.accepted("b", qos: .exactlyOnce) == 2)
        #expect(sender.accepted("c", qos: .atLeastOnce) == nil)
        guard case .release(.success, "b") = sender.received(2) else {
            Issue.record("PUBREC does not release")
            return
        }
        sender.disconnected()
        sender.connected(receiveMaximum: 1)
        guard case .publish(1, .atLeastOnce, "a") = sender.nextResend() else {
            Issue.record("the oldest is not resent first")
            return
        }
        if sender.nextResend() != nil { Issue.record("more is resent than the window allows") }
        _ = sender.acknowledged(1)
        guard case .release(2) = sender.nextResend() else {
            Issue.record("PUBREL is not resent")
            return
        }
        _ = sender.completed(2)
        #expect(sender.inFlight.isEmpty)
        #expect(sender.accepted("c", qos: .atLeastOnce) == 3)
    }

    @Test("[MQTT-4.6.0-2] [MQTT-4.3.3-10] [MQTT-4.3.3-12] acknowledgements keep the order; a QoS 2 message comes once")
    func receiver() throws {
        var receiver = PublishReceiver(receiveMaximum: 2)
        #expect(try receiver.published(5, qos: .exactlyOnce) == .new(ticket: 0))
        #expect(try receiver.published(6, qos: .atLeastOnce) == .new(ticket: 1))
        #expect(throws: Violation.receiveMaximumExceeded) { try receiver.published(7, qos: .atLeastOnce) }
        receiver.settled(ticket: 1, 6)
        #expect(receiver.nextAnswer() == nil)
        receiver.settled(ticket: 0, 5)
        #expect(receiver.nextAnswer()?.type == .pubRec)
        #expect(receiver.nextAnswer()?.type == .pubAck)
        receiver.disconnected()
        #expect(try receiver.published(5, qos: .exactlyOnce) == .repeated)
        #expect(receiver.nextAnswer()?.packetIdentifier == 5)
        #expect(receiver.released(5) == .success)
        #expect(receiver.released(5) == .packetIdentifierNotFound)
        #expect(try receiver.published(5, qos: .exactlyOnce) == .new(ticket: 3))
    }
}
