// SPDX-License-Identifier: Apache-2.0
import Core
import MQTTAdapter
import Messaging
import NIOCore
import TestKit
import Testing

/// Receive maximum and maximum packet size, both ways (MQTT 5 sections 3.1.2.11.3, 3.1.2.11.4 and 4.9).
@Suite(.serialized, .sharedStack(["receive-maximum": "3"])) struct FlowControlTests {
    @Test(
        "[MQTT-3.3.4-10] [MQTT-4.9.0-3] a full window holds back QoS 1 and 2, and nothing else",
        arguments: [QualityOfService.atLeastOnce, .exactlyOnce])
    func window(qos: QualityOfService) async throws {
        let scene = try Scene()
        var connect = scene.connect("narrow")
        connect.properties.receiveMaximum = 2
        let client = try await scene.open(connect).client
        try await client.subscribe(scene.topic())
        let publisher = try await scene.client("publisher")
        for number in 1...5 { try await send("\(number)", on: scene.topic(), qos, by: publisher) }
        var inFlight = [try await client.nextMessage(), try await client.nextMessage()]
        #expect(inFlight.map { String(buffer: $0.payload) } == ["1", "2"])
        // Meanwhile everything else is answered, and QoS 0 comes.
        try await client.expectSilence()
        try await client.subscribe(scene.topic("other"), identifier: 9)
        try await publisher.publish(scene.topic("other"), "at once")
        #expect(try await client.nextText() == "at once")
        #expect(try await client.publishAndWait(scene.topic("third"), "own") == .success)
        try await client.send(
            .unsubscribe(Unsubscribe(packetIdentifier: 8, filters: [try TopicFilter(scene.topic("other"))])))
        guard case .unsubAck = try await client.next() else { throw MQTTClient.Closed() }
        // PUBREC does not make room, PUBACK and PUBCOMP do.
        for number in 3...5 {
            let first = inFlight.removeFirst()
            let acknowledgement = Acknowledgement(packetIdentifier: first.packetIdentifier)
            if qos == .exactlyOnce {
                try await client.send(.pubRec(acknowledgement))
                #expect(try await client.next() == .pubRel(acknowledgement))
                try await client.expectSilence()
                try await client.send(.pubComp(acknowledgement))
            } else {
                try await client.send(.pubAck(acknowledgement))
            }
            let message = try await client.nextMessage()
            #expect(String(buffer: message.payload) == "\(number)")
            inFlight.append(message)
        }
        // A refusal makes room at once.
        try await send("6", on: scene.topic(), qos, by: publisher)
        try await client.expectSilence()
        let refusal = Acknowledgement(packetIdentifier: inFlight[0].packetIdentifier, reason: .unspecifiedError)
        try await client.send(qos == .atLeastOnce ? .pubAck(refusal) : .pubRec(refusal))
        #expect(try await client.nextText() == "6")
    }

    @Test("a client that goes beyond the server's receive maximum is cut off")
    func beyondTheServers() async throws {
        let scene = try Scene()
        let (client, answer) = try await scene.open(scene.connect("eager"))
        #expect(answer.properties.receiveMaximum == 3)
        for number: UInt16 in 1...3 {
            try await client.publish(scene.topic(), "\(number)", qos: .exactlyOnce, identifier: number)
            #expect(try await client.next() == .pubRec(Acknowledgement(packetIdentifier: number)))
        }
        // QoS 0 is not counted, a repetition is none more, and PUBREL makes room.
        try await client.publish(scene.topic(), "0")
        try await client.publish(scene.topic(), "3", qos: .exactlyOnce, identifier: 3, isDuplicate: true)
        #expect(try await client.next() == .pubRec(Acknowledgement(packetIdentifier: 3)))
        try await client.send(.pubRel(Acknowledgement(packetIdentifier: 1)))
        #expect(try await client.next() == .pubComp(Acknowledgement(packetIdentifier: 1)))
        try await client.publish(scene.topic(), "4", qos: .exactlyOnce, identifier: 4)
        #expect(try await client.next() == .pubRec(Acknowledgement(packetIdentifier: 4)))
        try await client.publish(scene.topic(), "5", qos: .atLeastOnce, identifier: 5)
        try await client.expectEnd(.receiveMaximumExceeded)
        #expect(try await scene.stored() == ["1", "2", "3", "0", "4"])
    }

    @Test("MQTT 3.1.1 has no receive maximum: a client that sends much is read more slowly, and loses nothing")
    func oldClients() async throws {
        let scene = try Scene()
        let client = try await scene.client("eager", version: .v311)
        var bytes: [UInt8] = []
        for number: UInt16 in 1...100 {
            let publish = Publish(
                topic: scene.topic(), payload: ByteBuffer(string: "\(number)"), qos: .atLeastOnce,
                packetIdentifier: number)
            bytes += Raw.bytes(.publish(publish), .v311)
        }
        try await client.send(bytes: bytes)
        for number: UInt16 in 1...100 {
            #expect(try await client.next() == .pubAck(Acknowledgement(packetIdentifier: number)))
        }
        #expect(try await scene.stored() == (1...100).map(String.init))
    }

    @Test(
        "[MQTT-3.1.2-24] [MQTT-3.1.2-25] what is too large for the client is let go of as if it had been sent",
        arguments: QualityOfService.allCases)
    func maximumPacketSize(qos: QualityOfService) async throws {
        let scene = try Scene()
        var connect = scene.connect("small")
        connect.properties.maximumPacketSize = 200
        connect.properties.receiveMaximum = 1
        let client = try await scene.open(connect).client
        try await client.subscribe(scene.topic())
        let publisher = try await scene.client("publisher")
        let large = String(repeating: "x", count: 200)
        for text in [large, "small", large, "end"] { try await send(text, on: scene.topic(), qos, by: publisher) }
        for text in ["small", "end"] {
            let message = try await client.nextMessage()
            #expect(String(buffer: message.payload) == text)
            try await answer(message, by: client)
        }
        try await client.expectSilence()
        // To the byte.
        let empty = Raw.bytes(
            .publish(
                Publish(
                    topic: scene.topic(), payload: ByteBuffer(), qos: qos, packetIdentifier: qos == .atMostOnce ? 0 : 1)
            ),
            .v5)
        // The remaining length takes two bytes from 128 on.
        let room = 200 - empty.count - 1
        for count in [room, room + 1] {
            try await send(String(repeating: "y", count: count), on: scene.topic(), qos, by: publisher)
        }
        let message = try await client.nextMessage()
        #expect(message.payload.readableBytes == room)
        try await answer(message, by: client)
        try await client.expectSilence()
    }

    @Test(
        "what is sent again keeps to the new connection's maximum packet size",
        arguments: [
            QualityOfService.atLeastOnce, .exactlyOnce,
        ])
    func resendsWithinMaximumPacketSize(qos: QualityOfService) async throws {
        let scene = try Scene()
        var connect = scene.connect("small", expiry: 60)
        let first = try await scene.open(connect).client
        try await first.subscribe(scene.topic())
        let publisher = try await scene.client("publisher")
        let large = String(repeating: "x", count: 200)
        for text in [large, "small"] { try await send(text, on: scene.topic(), qos, by: publisher) }
        for text in [large, "small"] { #expect(try await first.nextText() == text) }
        first.close()
        connect.cleanStart = false
        connect.properties.maximumPacketSize = 200
        connect.properties.receiveMaximum = 1
        let second = try await scene.open(connect).client
        let message = try await second.nextMessage()
        #expect(String(buffer: message.payload) == "small" && message.isDuplicate)
        try await answer(message, by: second)
        // The window is free: the other counts as delivered.
        try await send("next", on: scene.topic(), qos, by: publisher)
        #expect(try await second.nextText() == "next")
    }

    @Test("explanations are left out where they do not fit")
    func explanations() async throws {
        let scene = try Scene()
        var connect = scene.connect("small")
        connect.properties.maximumPacketSize = 24
        let client = try await scene.open(connect).client
        try await client.send(.subscribe(Subscribe(packetIdentifier: 1, requests: [.init(try TopicFilter("outside"))])))
        let answer = SubscriptionAcknowledgement(packetIdentifier: 1, reasons: [.topicFilterInvalid])
        #expect(try await client.next() == .subAck(answer))
        try await client.send(bytes: [0x00, 0x00])
        try await client.waitUntilClosed()
        #expect(client.received == [.disconnect(Disconnect(reason: .malformedPacket))])
    }

    @Test("a client that takes no answer so large is not left waiting for it")
    func answersThatDoNotFit() async throws {
        let scene = try Scene()
        // CONNACK.
        for size: UInt32 in [1, 4, 5, 15] {
            var connect = scene.connect("tiny")
            connect.properties.maximumPacketSize = size
            let client = try await MQTTClient.connect(port: scene.stack.port)
            try await client.send(.connect(connect))
            try await client.waitUntilClosed()
            #expect(client.received == (size < 5 ? [] : [.connAck(ConnAck(reason: .packetTooLarge))]))
        }
        // SUBACK of more filters than it has bytes.
        var connect = scene.connect("small")
        connect.properties.maximumPacketSize = 24
        let client = try await scene.open(connect).client
        let filters = try (1...30).map { Subscribe.Request(try TopicFilter(scene.topic("\($0)"))) }
        try await client.send(.subscribe(Subscribe(packetIdentifier: 1, requests: filters)))
        try await client.expectEnd(.packetTooLarge)
    }

    @Test("a packet above the server's maximum ends the connection, as soon as its head says so")
    func beyondTheServersPacketSize() async throws {
        let scene = try Scene()
        let (client, answer) = try await scene.open(scene.connect("large"))
        let maximum = Int(try #require(answer.properties.maximumPacketSize))
        // The largest that is taken: its payload is beyond what a message may have, which is said.
        let topic = Raw.text(scene.topic())
        // Its head has four bytes, identifier and property length have three.
        let bytes = Raw.packet(0x32, topic, [0, 1, 0], Array(repeating: 0x78, count: maximum - 4 - topic.count - 3))
        #expect(bytes.count == maximum)
        try await client.send(bytes: bytes)
        guard case .pubAck(let refusal) = try await client.next() else { throw MQTTClient.Closed() }
        #expect(refusal.reason == .quotaExceeded)
        try await client.send(bytes: [0x30] + Raw.length(maximum - 3))
        try await client.expectEnd(.packetTooLarge)
    }
}
