// SPDX-License-Identifier: Apache-2.0
import Core
import MQTTAdapter
import Messaging
import NIOCore
import TestKit
import Testing

/// Shared subscriptions (MQTT 5 section 4.8.2).
@Suite(.serialized, .sharedStack()) struct SharedSubscriptionTests {
    @Test("each message goes to one member, to each in turn", arguments: QualityOfService.allCases)
    func takesTurns(qos: QualityOfService) async throws {
        let scene = try Scene()
        let members = [
            try await scene.client("a"), try await scene.client("b", version: .v311), try await scene.client("c"),
        ]
        for (number, member) in members.enumerated() {
            try await member.subscribe(
                "$share/g/" + scene.topic("#"), subscriptionIdentifier: number == 1 ? nil : UInt32(number + 1))
        }
        let other = try await scene.client("other")
        try await other.subscribe("$share/h/" + scene.topic("#"))
        let alone = try await scene.client("alone")
        try await alone.subscribe(scene.topic("#"))
        let publisher = try await scene.client("publisher")
        for number in 1...9 { try await send("\(number)", on: scene.topic("t"), qos, by: publisher) }
        // Another share and those who share with nobody get everything, in order.
        for client in [other, alone] {
            for number in 1...9 { #expect(try await client.nextText() == "\(number)") }
        }
        var all: [Int] = []
        for (number, member) in members.enumerated() {
            var own: [Int] = []
            for _ in 1...3 {
                let message = try await member.nextMessage()
                #expect(message.qos == qos && message.topic == scene.topic("t"))
                #expect(message.properties.subscriptionIdentifiers == (number == 1 ? [] : [UInt32(number + 1)]))
                own.append(try #require(Int(String(buffer: message.payload))))
            }
            #expect(own[1] == own[0] + 3 && own[2] == own[0] + 6)
            all += own
            try await member.expectSilence()
        }
        #expect(all.sorted() == Array(1...9))
    }

    @Test("[MQTT-4.8.2-3] each member gets its messages with the QoS that it was granted")
    func grantedQoS() async throws {
        let scene = try Scene()
        let publisher = try await scene.client("publisher")
        for published in QualityOfService.allCases {
            var members: [(MQTTClient, QualityOfService)] = []
            for granted in QualityOfService.allCases {
                let client = try await scene.client("\(granted)")
                try await client.subscribe("$share/g/" + scene.topic(), qos: granted)
                members.append((client, granted))
            }
            for _ in members { try await send("x", on: scene.topic(), published, by: publisher) }
            for (client, granted) in members {
                #expect(try await client.nextMessage().qos == min(published, granted))
            }
        }
    }

    @Test("[MQTT-4.8.2-4] [MQTT-4.8.2-5] a QoS 2 message that was begun is nobody else's, even when its session ends")
    func begunExactlyOnce() async throws {
        let scene = try Scene()
        let publisher = try await scene.client("publisher")
        for isReceived in [false, true] {
            let topic = scene.topic("\(isReceived)")
            let filter = "$share/g/" + topic
            let member = try await scene.client("member", expiry: 60)
            try await member.subscribe(filter)
            try await send("begun", on: topic, .exactlyOnce, by: publisher)
            let message = try await member.nextMessage()
            let acknowledgement = Acknowledgement(packetIdentifier: message.packetIdentifier)
            if isReceived {
                try await member.send(.pubRec(acknowledgement))
                #expect(try await member.next() == .pubRel(acknowledgement))
            }
            let other = try await scene.client("other")
            try await other.subscribe(filter)
            member.close()
            // It is completed on the next connection.
            let again = try await scene.client("member", cleanStart: false, expiry: 60)
            if isReceived {
                #expect(try await again.next() == .pubRel(acknowledgement))
            } else {
                let repeated = try await again.nextMessage()
                #expect(repeated.isDuplicate && repeated.packetIdentifier == message.packetIdentifier)
            }
            try await other.expectSilence()
            // The session ends with this connection: the message is gone.
            var goodbye = Disconnect()
            goodbye.properties.sessionExpiryInterval = 0
            try await again.send(.disconnect(goodbye))
            try await again.waitUntilClosed()
            try await other.expectSilence()
            try await send("next", on: topic, .exactlyOnce, by: publisher)
            #expect(try await other.nextText() == "next")
        }
    }

    @Test(
        "a member whose session ends leaves what it did not acknowledge with QoS 1, and what it did not get, to the others"
    )
    func leavesItsMessages() async throws {
        let scene = try Scene()
        let filter = "$share/g/" + scene.topic()
        var connect = scene.connect("leaves")
        connect.properties.receiveMaximum = 3
        let leaving = try await scene.open(connect).client
        try await leaving.subscribe(filter)
        // What it shares with nobody is nobody's when it has left.
        try await leaving.subscribe(scene.topic("own"), identifier: 2)
        let publisher = try await scene.client("publisher")
        try await publisher.publishAndWait(scene.topic("own"), "own")
        try await publisher.publishAndWait(scene.topic(), "1")
        try await send("2", on: scene.topic(), .exactlyOnce, by: publisher)
        try await publisher.publishAndWait(scene.topic(), "waits 3")
        try await send("waits 4", on: scene.topic(), .exactlyOnce, by: publisher)
        for text in ["own", "1", "2"] { #expect(try await leaving.nextText() == text) }
        try await leaving.expectSilence()
        let staying = try await scene.client("stays")
        try await staying.subscribe(filter, subscriptionIdentifier: 3)
        leaving.close()
        for (text, qos) in [("1", QualityOfService.atLeastOnce), ("waits 3", .atLeastOnce), ("waits 4", .exactlyOnce)] {
            let message = try await staying.nextMessage()
            #expect(String(buffer: message.payload) == text && message.qos == qos && !message.isDuplicate)
            #expect(message.properties.subscriptionIdentifiers == [3])
            try await answer(message, by: staying)
        }
        try await staying.expectSilence()
    }

    @Test("a member that unsubscribes leaves what it did not get to the others, and completes what was begun")
    func unsubscribes() async throws {
        let scene = try Scene()
        let filter = "$share/g/" + scene.topic()
        var connect = scene.connect("leaves")
        connect.properties.receiveMaximum = 1
        let leaving = try await scene.open(connect).client
        try await leaving.subscribe(filter)
        let publisher = try await scene.client("publisher")
        for text in ["begun", "waits"] { try await publisher.publishAndWait(scene.topic(), text) }
        let begun = try await leaving.nextMessage()
        let staying = try await scene.client("stays")
        try await staying.subscribe(filter)
        try await leaving.send(.unsubscribe(Unsubscribe(packetIdentifier: 2, filters: [try TopicFilter(filter)])))
        guard case .unsubAck(let answered) = try await leaving.next() else { throw MQTTClient.Closed() }
        #expect(answered.reasons == [.success])
        #expect(try await staying.nextText() == "waits")
        try await answer(begun, by: leaving)
        try await leaving.expectSilence()
        try await staying.expectSilence()
    }

    @Test(
        "[MQTT-4.8.2-6] a message that its member refused goes to no other",
        arguments: [
            QualityOfService.atLeastOnce, .exactlyOnce,
        ])
    func refused(qos: QualityOfService) async throws {
        let scene = try Scene()
        let filter = "$share/g/" + scene.topic()
        let (first, second) = (try await scene.client("a"), try await scene.client("b"))
        for member in [first, second] { try await member.subscribe(filter) }
        let publisher = try await scene.client("publisher")
        for number in 1...2 { try await send("\(number)", on: scene.topic(), qos, by: publisher) }
        for member in [first, second] {
            let message = try await member.nextMessage()
            let refusal = Acknowledgement(
                packetIdentifier: message.packetIdentifier, reason: .implementationSpecificError)
            try await member.send(qos == .atLeastOnce ? .pubAck(refusal) : .pubRec(refusal))
            // PUBREC that refuses is the end of it.
            try await member.expectSilence()
        }
        first.close()
        try await second.expectSilence()
        try await send("3", on: scene.topic(), qos, by: publisher)
        try await send("4", on: scene.topic(), qos, by: publisher)
        #expect(try await second.nextText() == "3")
        #expect(try await second.nextText() == "4")
    }

    @Test(
        "a shared subscription brings no retained messages, whatever its retain handling",
        arguments: [0, 1, 2] as [UInt8])
    func retained(handling: UInt8) async throws {
        let scene = try Scene()
        let publisher = try await scene.client("publisher")
        try await publisher.publishAndWait(scene.topic(), "kept", retain: true)
        let client = try await scene.client("member")
        for filter in ["$share/g/" + scene.topic(), "$share/g/#"] {
            try await client.send(bytes: Raw.packet(0x82, [0, 1, 0], Raw.text(filter), [handling << 4 | 1]))
            guard case .subAck(let granted) = try await client.next() else { throw MQTTClient.Closed() }
            #expect(granted.reasons == [.grantedQoS1])
            try await client.expectSilence()
        }
    }

    @Test("members that are connected come before those that are not; without any the message waits for one")
    func connectedFirst() async throws {
        let scene = try Scene()
        let filter = "$share/g/" + scene.topic()
        let sleeper = try await scene.client("sleeper", expiry: 60)
        try await sleeper.subscribe(filter)
        try await sleeper.disconnect()
        let awake = try await scene.client("awake")
        try await awake.subscribe(filter)
        let publisher = try await scene.client("publisher")
        for number in 1...4 {
            try await publisher.publishAndWait(scene.topic(), "\(number)")
            let message = try await awake.nextMessage()
            #expect(String(buffer: message.payload) == "\(number)")
            try await answer(message, by: awake)
        }
        var goodbye = Disconnect()
        goodbye.properties.sessionExpiryInterval = nil
        try await awake.send(.disconnect(goodbye))
        try await awake.waitUntilClosed()
        try await publisher.publishAndWait(scene.topic(), "waits")
        let again = try await scene.client("sleeper", cleanStart: false, expiry: 60)
        #expect(try await again.nextText() == "waits")
        try await again.expectSilence()
    }

    @Test("the first message of a channel comes, although nobody knows yet whether the member may read it")
    func overAllChannels() async throws {
        try await withMQTT { stack in
            let scene = Scene(stack)
            let publisher = try await scene.client("publisher")
            // One that may not read it is a member as well, and no message may end with it.
            let (allowed, blind) = (
                try await stack.client(stack.things.listener, "allowed"),
                try await stack.client(stack.things.sender, "blind")
            )
            for member in [blind, allowed] { #expect(try await member.subscribe("$share/g/#") == [.grantedQoS2]) }
            for number in 1...6 {
                // The first one is under way before anybody is asked.
                try await publisher.publish(scene.topic(), "\(number)")
                let message = try await allowed.nextMessage()
                #expect(String(buffer: message.payload) == "\(number)")
                try await answer(message, by: allowed)
            }
            try await blind.expectSilence()
        }
    }

    @Test("filters of one share that mean different messages are different shared subscriptions")
    func contentTypes() async throws {
        let scene = try Scene()
        let (all, typed) = (try await scene.client("all"), try await scene.client("typed"))
        let share = "$share/\(scene.name)/"
        try await all.subscribe(share + scene.stack.topic(), qos: .atLeastOnce)
        try await typed.subscribe(share + scene.stack.topic("senml-json"), qos: .atLeastOnce)
        let publisher = try await scene.client("publisher")
        for number in 1...4 {
            try await publisher.publishAndWait(scene.stack.topic(), "\(number)")
            try await publisher.publishAndWait(scene.stack.topic("senml-json"), #"[{"n":"t","v":\#(number)}]"#)
        }
        for number in 1...4 {
            #expect(try await all.nextText() == "\(number)")
            #expect(try await all.nextText() == #"[{"n":"t","v":\#(number)}]"#)
            let message = try await typed.nextMessage()
            #expect(String(buffer: message.payload) == #"[{"n":"t","v":\#(number)}]"#)
            #expect(message.topic == scene.stack.topic("senml-json"))
        }
        try await typed.expectSilence()
    }
}
