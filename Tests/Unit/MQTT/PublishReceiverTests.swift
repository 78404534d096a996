// SPDX-License-Identifier: Apache-2.0
import MQTTAdapter
import TestKit
import Testing

@Suite struct PublishReceiverTests {
    private func answers(_ receiver: inout PublishReceiver) -> [String] {
        var answers: [String] = []
        while let answer = receiver.nextAnswer() {
            answers.append("\(answer.type) \(answer.packetIdentifier) \(answer.reason)")
        }
        return answers
    }

    // [MQTT-4.3.2-2 of 3.1.1] [MQTT-2.3.1-6 of 3.1.1] [MQTT-3.3.4-1 of 3.1.1]
    @Test(
        "[MQTT-3.3.4-1] [MQTT-2.2.1-5] [MQTT-4.3.2-4] [MQTT-4.3.2-5] after its PUBACK an identifier is a new message's")
    func atLeastOnce() throws {
        var receiver = PublishReceiver(receiveMaximum: 1)
        for ticket in UInt64(0)..<3 {
            #expect(try receiver.published(9, qos: .atLeastOnce) == .new(ticket: ticket))
            #expect(answers(&receiver).isEmpty)
            receiver.settled(ticket: ticket, 9)
            #expect(answers(&receiver) == ["pubAck 9 success"])
        }
        #expect(receiver.unacknowledged == 0 && receiver.heldIdentifiers.isEmpty)
    }

    // [MQTT-4.3.3-2 of 3.1.1]
    @Test(
        "[MQTT-4.3.3-8] [MQTT-4.3.3-10] [MQTT-4.3.3-11] [MQTT-4.3.3-12] a QoS 2 message is new once until it is released"
    )
    func exactlyOnce() throws {
        var receiver = PublishReceiver(receiveMaximum: 2)
        #expect(try receiver.published(9, qos: .exactlyOnce) == .new(ticket: 0))
        #expect(try receiver.published(9, qos: .exactlyOnce) == .repeated)
        receiver.settled(ticket: 0, 9)
        #expect(answers(&receiver) == ["pubRec 9 success", "pubRec 9 success"])
        #expect(receiver.heldIdentifiers == [9])
        #expect(try receiver.published(9, qos: .exactlyOnce) == .repeated)
        #expect(answers(&receiver) == ["pubRec 9 success"])
        #expect(receiver.released(9) == .success)
        #expect(receiver.released(9) == .packetIdentifierNotFound)
        #expect(receiver.unacknowledged == 0)
        #expect(try receiver.published(9, qos: .exactlyOnce) == .new(ticket: 3))
    }

    @Test("[MQTT-4.3.3-9] after a refusal the identifier is a new message's")
    func refused() throws {
        var receiver = PublishReceiver(receiveMaximum: 1)
        #expect(try receiver.published(9, qos: .exactlyOnce) == .new(ticket: 0))
        receiver.settled(ticket: 0, 9, reason: .notAuthorized)
        #expect(answers(&receiver) == ["pubRec 9 notAuthorized"])
        #expect(receiver.heldIdentifiers.isEmpty)
        #expect(try receiver.published(9, qos: .exactlyOnce) == .new(ticket: 1))
    }

    // [MQTT-4.6.0-2 of 3.1.1] [MQTT-4.6.0-3 of 3.1.1]
    @Test("[MQTT-4.6.0-2] [MQTT-4.6.0-3] answers have the order of the messages", arguments: UInt64(1)...20)
    func order(seed: UInt64) throws {
        var random = SeededGenerator(seed: seed)
        var receiver = PublishReceiver(receiveMaximum: 50)
        var tickets: [(UInt64, UInt16)] = []
        for identifier in UInt16(1)...50 {
            let qos: QualityOfService = Bool.random(using: &random) ? .atLeastOnce : .exactlyOnce
            guard case .new(let ticket) = try receiver.published(identifier, qos: qos) else {
                Issue.record("not new")
                return
            }
            tickets.append((ticket, identifier))
        }
        var answered: [String] = []
        for (ticket, identifier) in tickets.shuffled(using: &random) {
            receiver.settled(ticket: ticket, identifier)
            answered += answers(&receiver)
        }
        #expect(answered.map { $0.split(separator: " ")[1] } == (1...50).map { "\($0)" })
    }

    @Test("[MQTT-3.3.4-7] the receive maximum is at least one, and QoS 2 counts until it is released")
    func receiveMaximum() throws {
        #expect(PublishReceiver(receiveMaximum: 0).receiveMaximum == 1)
        #expect(PublishReceiver(receiveMaximum: 100_000).receiveMaximum == 65_535)
        var receiver = PublishReceiver(receiveMaximum: 2)
        _ = try receiver.published(1, qos: .exactlyOnce)
        receiver.settled(ticket: 0, 1)
        _ = answers(&receiver)
        _ = try receiver.published(2, qos: .atLeastOnce)
        #expect(throws: Violation.receiveMaximumExceeded) { try receiver.published(3, qos: .exactlyOnce) }
        _ = receiver.released(1)
        #expect(throws: Never.self) { try receiver.published(3, qos: .exactlyOnce) }
    }

    @Test("a sender cannot make the queue of answers grow, neither by repeating nor by what is refused at once")
    func bounded() throws {
        for repeats in [true, false] {
            var receiver = PublishReceiver(receiveMaximum: 4)
            // Its answer waits, and all others behind it.
            _ = try receiver.published(1, qos: .exactlyOnce)
            var taken = 0
            while taken < 1000 {
                let identifier: UInt16 = repeats ? 1 : 2
                guard let acceptance = try? receiver.published(identifier, qos: .exactlyOnce) else { break }
                if case .new(let ticket) = acceptance {
                    receiver.settled(ticket: ticket, identifier, reason: .notAuthorized)
                }
                taken += 1
            }
            #expect(taken < 8)
        }
    }

    // [MQTT-3.1.2-4 of 3.1.1]
    @Test("[MQTT-3.1.2-5] [MQTT-4.3.3-10] what was received is known after a reconnect and after a restart")
    func reconnects() throws {
        var receiver = PublishReceiver(receiveMaximum: 4)
        _ = try receiver.published(1, qos: .exactlyOnce)
        _ = try receiver.published(2, qos: .exactlyOnce)
        _ = try receiver.published(3, qos: .atLeastOnce)
        receiver.settled(ticket: 0, 1)
        receiver.disconnected()
        #expect(answers(&receiver).isEmpty)
        #expect(receiver.unacknowledged == 2)
        #expect(receiver.heldIdentifiers == [1])
        // The second is still under way, and is sent again meanwhile.
        #expect(try receiver.published(2, qos: .exactlyOnce) == .repeated)
        receiver.settled(ticket: 2, 3)
        #expect(answers(&receiver).isEmpty)
        receiver.settled(ticket: 1, 2)
        #expect(answers(&receiver) == ["pubRec 2 success"])
        var restored = PublishReceiver(receiveMaximum: 4, holding: receiver.heldIdentifiers)
        #expect(restored.heldIdentifiers == [1, 2])
        #expect(try restored.published(1, qos: .exactlyOnce) == .repeated)
        #expect(answers(&restored) == ["pubRec 1 success"])
    }
}
