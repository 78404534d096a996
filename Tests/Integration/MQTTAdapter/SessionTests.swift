// SPDX-License-Identifier: Apache-2.0
import Core
import MQTTAdapter
import Messaging
import NIOCore
import TestKit
import Testing

/// What outlives a connection, and the adapter and the bus being killed.
@Suite(.serialized) struct SessionTests {
    @Test(arguments: ProtocolVersion.allCases)
    func messagesWaitForASessionThatIsKept(version: ProtocolVersion) async throws {
        try await withMQTT { stack in
            let subscriber = try await stack.client(
                stack.things.listener, "sleeper", version: version, cleanStart: version == .v5, expiry: 3_600)
            #expect(!subscriber.isSessionPresent)
            try await subscriber.subscribe(stack.topic("#"))
            try await subscriber.disconnect()
            let publisher = try await stack.client(stack.things.publisher, "publisher")
            for number in 1...20 { try await publisher.publishAndWait(stack.topic("t"), "\(number)") }
            let again = try await stack.client(
                stack.things.listener, "sleeper", version: version, cleanStart: false, expiry: 3_600)
            #expect(again.isSessionPresent)
            for number in 1...20 {
                let message = try await again.nextMessage()
                #expect(String(buffer: message.payload) == "\(number)")
                try await answer(message, by: again)
            }
            try await publisher.publishAndWait(stack.topic("t"), "live")
            #expect(String(buffer: try await again.nextMessage().payload) == "live")
            // [MQTT-3.1.2-4]: a clean start forgets all of it.
            let clean = try await stack.client(stack.things.listener, "sleeper", version: version)
            #expect(!clean.isSessionPresent)
            try await publisher.publishAndWait(stack.topic("t"), "nobody")
            try await stack.client(stack.things.listener, "sleeper", version: version).disconnect()
            #expect(clean.received.allSatisfy { if case .disconnect = $0 { true } else { false } })
        }
    }

    @Test func unacknowledgedMessagesAreSentAgain() async throws {
        try await withMQTT { stack in
            let first = try await stack.client(stack.things.listener, "again", expiry: 3_600)
            try await first.subscribe(stack.topic())
            let publisher = try await stack.client(stack.things.publisher, "publisher")
            try await send("one", on: stack.topic(), .atLeastOnce, by: publisher)
            try await send("two", on: stack.topic(), .exactlyOnce, by: publisher)
            let one = try await first.nextMessage()
            let two = try await first.nextMessage()
            #expect(!one.isDuplicate && !two.isDuplicate)
            // PUBREC for the second, nothing for the first.
            try await first.send(.pubRec(Acknowledgement(packetIdentifier: two.packetIdentifier)))
            #expect(try await first.next() == .pubRel(Acknowledgement(packetIdentifier: two.packetIdentifier)))
            first.close()
            let second = try await stack.client(stack.things.listener, "again", cleanStart: false, expiry: 3_600)
            // [MQTT-4.4.0-1]: under their identifiers, in their order; a released one is not sent again, its PUBREL is.
            let repeated = try await second.nextMessage()
            #expect(repeated.isDuplicate && repeated.packetIdentifier == one.packetIdentifier)
            #expect(String(buffer: repeated.payload) == "one")
            #expect(try await second.next() == .pubRel(Acknowledgement(packetIdentifier: two.packetIdentifier)))
        }
    }

    @Test func sessionsSurviveTheProcess() async throws {
        try await withMQTT { stack in
            let offline = try await stack.client(stack.things.listener, "offline", expiry: 3_600)
            try await offline.subscribe(stack.topic("a/+"), subscriptionIdentifier: 9)
            try await offline.disconnect()
            let online = try await stack.client(stack.things.listener, "online", expiry: 3_600)
            try await online.subscribe(stack.topic("#"))
            let publisher = try await stack.client(stack.things.publisher, "publisher")
            for number in 1...50 {
                try await send(
                    "\(number)", on: stack.topic("a/b"), number % 2 == 0 ? .exactlyOnce : .atLeastOnce, by: publisher)
            }
            try await publisher.publishAndWait(stack.topic("kept"), "retained", retain: true)
            await stack.kill()
            // Accepted by another adapter while this one is away.
            let other = RawMessage(
                domain: stack.things.domain, channel: stack.things.channel, subtopic: "a.b",
                publisher: stack.things.publisher.id, transport: .http, contentType: .octetStream,
                created: WallClock.system.now(), payload: ByteBuffer(string: "51"))
            try await stack.publish(other)
            try await stack.startAgain()
            for identifier in ["offline", "online"] {
                let client = try await stack.client(
                    stack.things.listener, identifier, cleanStart: false, expiry: 3_600)
                #expect(client.isSessionPresent)
                var exactly: [Int] = []
                var all: Set<Int> = []
                while all.count < 51 {
                    guard case .publish(let message) = try await client.next() else { continue }
                    if message.topic == stack.topic("kept") { continue }
                    #expect(message.topic == stack.topic("a/b"))
                    let number = try #require(Int(String(buffer: message.payload)))
                    if message.qos == .exactlyOnce, number <= 50 { exactly.append(number) }
                    all.insert(number)
                    #expect(message.properties.subscriptionIdentifiers == (identifier == "offline" ? [9] : []))
                    try await client.send(
                        message.qos == .exactlyOnce
                            ? .pubRec(Acknowledgement(packetIdentifier: message.packetIdentifier))
                            : .pubAck(Acknowledgement(packetIdentifier: message.packetIdentifier)))
                }
                #expect(exactly == Array(stride(from: 2, through: 50, by: 2)))
                try await client.disconnect()
            }
            let fresh = try await stack.client(stack.things.listener, "fresh")
            try await fresh.subscribe(stack.topic("#"))
            let retained = try await fresh.nextMessage()
            #expect(retained.retain && String(buffer: retained.payload) == "retained")
        }
    }

    @Test func takeOverEndsTheFormerConnection() async throws {
        try await withMQTT { stack in
            let first = try await stack.client(stack.things.publisher, "same")
            let second = try await stack.client(stack.things.publisher, "same")
            // [MQTT-3.1.4-3]
            guard case .disconnect(let reason) = try await first.next() else { throw MQTTClient.Closed() }
            #expect(reason.reason == .sessionTakenOver)
            try await first.waitUntilClosed()
            // Another thing's client of the same name is another client.
            let foreign = try await stack.client(stack.things.listener, "same")
            try await second.send(.pingRequest)
            #expect(try await second.next() == .pingResponse)
            try await foreign.disconnect()
        }
    }

    @Test func willsAreHeardOfAfterTheirDelay() async throws {
        try await withMQTT { stack in
            let listener = try await stack.client(stack.things.listener, "listener")
            try await listener.subscribe(stack.topic("#"))
            let will = Will(topic: stack.topic("gone"), payload: ByteBuffer(string: "bye"), qos: .atLeastOnce)
            let orderly = try await stack.client(stack.things.publisher, "orderly", will: will)
            try await orderly.disconnect()
            let lost = try await stack.client(stack.things.publisher, "lost", will: will)
            lost.close()
            #expect(String(buffer: try await listener.nextMessage().payload) == "bye")
            var delayed = will
            delayed.payload = ByteBuffer(string: "late")
            delayed.properties.willDelayInterval = 3_600
            let back = try await stack.client(stack.things.publisher, "back", expiry: 7_200, will: delayed)
            back.close()
            // [MQTT-3.1.3-9]: it came back in time.
            let returned = try await stack.client(
                stack.things.publisher, "back", cleanStart: false, expiry: 7_200, will: nil)
            try await returned.publishAndWait(stack.topic("end"), "end")
            #expect(String(buffer: try await listener.nextMessage().payload) == "end")
            #expect(try await stack.metric("martlet_mqtt_wills_total") == 1)
        }
    }

    @Test func aSessionThatItsClientEndsIsGoneAfterARestartToo() async throws {
        try await withMQTT { stack in
            let client = try await stack.client(stack.things.listener, "leaves", expiry: 3_600)
            try await client.subscribe(stack.topic("#"))
            var goodbye = Disconnect()
            goodbye.properties.sessionExpiryInterval = 0
            try await client.send(.disconnect(goodbye))
            try await client.waitUntilClosed()
            // DISCONNECT has no answer; what is saved behind it is on the disk when this is let in.
            _ = try await stack.client(stack.things.listener, "behind", expiry: 3_600)
            await stack.kill()
            try await stack.startAgain()
            let again = try await stack.client(stack.things.listener, "leaves", cleanStart: false, expiry: 3_600)
            #expect(!again.isSessionPresent)
            #expect(try await stack.metric("martlet_mqtt_subscriptions") == 0)
        }
    }

    @Test(arguments: ["#", nil])
    func whatWaitedIsNotSentOnceTheRightIsGone(filter: String?) async throws {
        try await withMQTT { stack in
            let client = try await stack.client(stack.things.listener, "sleeper", expiry: 3_600)
            try await client.subscribe(filter ?? stack.topic("#"))
            let publisher = try await stack.client(stack.things.publisher, "publisher")
            try await publisher.publishAndWait(stack.topic(), "read")
            #expect(String(buffer: try await client.nextMessage().payload) == "read")
            try await client.disconnect()
            try await publisher.publishAndWait(stack.topic(), "secret")
            try await eventually("it waits") { try await stack.metric("martlet_mqtt_store_entries") >= 1 }
            try await stack.things.disconnect(stack.things.listener)
            let again = try await stack.client(stack.things.listener, "sleeper", cleanStart: false, expiry: 3_600)
            #expect(again.isSessionPresent)
            // "read" was sent before and not acknowledged: that exchange is ended. What only waited is let go of.
            try await eventually("it is let go of") {
                try await stack.metric(#"martlet_mqtt_dropped_total{reason="unsubscribed"}"#)
                    + stack.metric(#"martlet_mqtt_dropped_total{reason="right-gone"}"#) >= 1
            }
            let texts = again.received.map { packet in
                if case .publish(let message) = packet { String(buffer: message.payload) } else { "\(packet)" }
            }
            #expect(!texts.contains("secret"))
        }
    }

    @Test func whatWasAcknowledgedLeavesRoom() async throws {
        try await withMQTT(["session-queue-maximum-bytes": "16384", "session-queue-memory-bytes": "16384"]) { stack in
            let client = try await stack.client(stack.things.listener, "busy", expiry: 3_600)
            try await client.subscribe(stack.topic())
            let publisher = try await stack.client(stack.things.publisher, "publisher")
            // Ten times what may wait, one after the other.
            let text = String(repeating: "x", count: 1_000)
            for _ in 0..<160 {
                try await send(text, on: stack.topic(), .exactlyOnce, by: publisher)
                try await answer(try await client.nextMessage(), by: client)
            }
            try await client.disconnect()
            for _ in 0..<5 { try await publisher.publishAndWait(stack.topic(), text) }
            let again = try await stack.client(stack.things.listener, "busy", cleanStart: false, expiry: 3_600)
            for _ in 0..<5 { _ = try await again.nextMessage() }
            #expect(try await stack.metric(#"martlet_mqtt_dropped_total{reason="queue-full"}"#) == 0)
        }
    }
}
