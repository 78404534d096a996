// SPDX-License-Identifier: Apache-2.0
import Core
import MQTTAdapter
import Messaging
import NIOCore
import TestKit
import Testing

/// Topic aliases that the server sets, and response information.
@Suite(.serialized) struct AliasTests {
    private func subscriber(
        _ stack: MQTTStack, _ identifier: String = "subscriber", aliases: UInt16?, packetSize: UInt32? = nil,
        cleanStart: Bool = true
    ) async throws -> MQTTClient {
        var connect = stack.connect(stack.things.listener, identifier, cleanStart: cleanStart, expiry: 3_600)
        connect.properties.topicAliasMaximum = aliases
        connect.properties.maximumPacketSize = packetSize
        return try await stack.client(connect)
    }

    private struct Seen: Equatable {
        let topic: String
        let alias: UInt16?
    }

    private func next(_ client: MQTTClient, _ text: String) async throws -> Seen {
        let message = try await client.nextMessage()
        #expect(String(buffer: message.payload) == text)
        try await answer(message, by: client)
        return Seen(topic: message.topic, alias: message.properties.topicAlias)
    }

    /// [MQTT-3.1.2-26], [MQTT-3.3.2-11]
    @Test(arguments: QualityOfService.allCases)
    func aTopicGoesOutOnce(qos: QualityOfService) async throws {
        try await withMQTT { stack in
            let client = try await subscriber(stack, aliases: 2)
            try await client.subscribe(stack.topic("#"))
            // Of another version, so that no packet goes out as it came.
            let publisher = try await stack.client(stack.things.publisher, "publisher", version: .v311)
            var seen: [Seen] = []
            for subtopic in ["a", "b", "a", "c", "b", "c"] {
                try await send("to \(subtopic)", on: stack.topic(subtopic), qos, by: publisher)
                seen.append(try await next(client, "to \(subtopic)"))
            }
            #expect(
                seen == [
                    Seen(topic: stack.topic("a"), alias: 1), Seen(topic: stack.topic("b"), alias: 2),
                    Seen(topic: "", alias: 1), Seen(topic: stack.topic("c"), alias: nil),
                    Seen(topic: "", alias: 2), Seen(topic: stack.topic("c"), alias: nil),
                ])
        }
    }

    /// [MQTT-3.1.2-27]
    @Test func withoutAMaximumThereIsNone() async throws {
        try await withMQTT { stack in
            for aliases: UInt16? in [nil, 0] {
                let client = try await subscriber(stack, aliases: aliases)
                try await client.subscribe(stack.topic("#"))
                let publisher = try await stack.client(stack.things.publisher, "publisher", version: .v311)
                for text in ["one", "two"] {
                    try await send(text, on: stack.topic("a"), .atLeastOnce, by: publisher)
                    #expect(try await next(client, text) == Seen(topic: stack.topic("a"), alias: nil))
                }
            }
        }
    }

    @Test func noMoreThanTheServerSets() async throws {
        try await withMQTT { stack in
            let client = try await subscriber(stack, aliases: .max)
            try await client.subscribe(stack.topic("#"))
            let publisher = try await stack.client(stack.things.publisher, "publisher", version: .v311)
            for number in 1...17 {
                try await send("x", on: stack.topic("t\(number)"), .atMostOnce, by: publisher)
                let seen = try await next(client, "x")
                #expect(seen == Seen(topic: stack.topic("t\(number)"), alias: number <= 16 ? UInt16(number) : nil))
            }
        }
    }

    /// [MQTT-3.3.2-7]
    @Test func theyEndWithTheirConnection() async throws {
        try await withMQTT { stack in
            let client = try await subscriber(stack, aliases: 5)
            try await client.subscribe(stack.topic("#"))
            let publisher = try await stack.client(stack.things.publisher, "publisher")
            try await send("one", on: stack.topic("a"), .atLeastOnce, by: publisher)
            #expect(try await next(client, "one") == Seen(topic: stack.topic("a"), alias: 1))
            try await send("two", on: stack.topic("a"), .atLeastOnce, by: publisher)
            // Not acknowledged: it is sent again.
            let second = try await client.nextMessage()
            #expect(second.topic.isEmpty && second.properties.topicAlias == 1)
            client.close()
            let again = try await subscriber(stack, aliases: 5, cleanStart: false)
            let repeated = try await again.nextMessage()
            #expect(repeated.isDuplicate && repeated.packetIdentifier == second.packetIdentifier)
            #expect(repeated.topic == stack.topic("a") && repeated.properties.topicAlias == 1)
            #expect(String(buffer: repeated.payload) == "two")
        }
    }

    /// Properties and lengths around the alias, and a packet that would be too large with it.
    @Test func theRestOfThePacketStaysAsItIs() async throws {
        try await withMQTT { stack in
            let limit = 300
            let client = try await subscriber(stack, aliases: 5, packetSize: UInt32(limit))
            try await client.subscribe(stack.topic("#"), subscriptionIdentifier: 300)
            let publisher = try await stack.client(stack.things.publisher, "publisher")
            var sizes: Set<Bool> = []
            // Across lengths of one and two bytes, of the properties and of the packet, up to the limit.
            for count in 0..<170 {
                let text = String(repeating: "x", count: count)
                var properties = Properties()
                properties.userProperties = [Properties.Pair("unit", "K"), Properties.Pair("unit", "°C")]
                properties.correlationData = Array(repeating: 7, count: count * 7 % 130)
                var plain = Publish(
                    topic: stack.topic("a"), payload: ByteBuffer(string: text), qos: .atLeastOnce,
                    packetIdentifier: 1, properties: properties)
                plain.properties.subscriptionIdentifiers = [300]
                var bytes = ByteBuffer()
                Packet.publish(plain).encode(into: &bytes, version: .v5)
                guard bytes.readableBytes <= limit else { continue }
                try await publisher.publishAndWait(stack.topic("a"), text, properties: properties)
                let message = try await client.nextMessage()
                try await answer(message, by: client)
                #expect(String(buffer: message.payload) == text)
                #expect(message.properties.userProperties == properties.userProperties)
                #expect(message.properties.correlationData == properties.correlationData)
                #expect(message.properties.subscriptionIdentifiers == [300])
                // A packet that fits without the alias only goes without.
                let hasRoom = bytes.readableBytes + 5 <= limit
                #expect((message.properties.topicAlias == 1) == hasRoom, "\(bytes.readableBytes)")
                sizes.insert(hasRoom)
            }
            #expect(sizes == [true, false])
        }
    }

    /// [MQTT-3.1.2-28]: none unless asked for; none when asked for, either, as the tree of channels has no topic that is one thing's own.
    @Test(arguments: [nil, false, true])
    func thereIsNoResponseInformation(asked: Bool?) async throws {
        try await withMQTT { stack in
            var connect = stack.connect(stack.things.publisher, "client")
            connect.properties.requestResponseInformation = asked
            let client = try await MQTTClient.connect(port: stack.port)
            try await client.send(.connect(connect))
            guard case .connAck(let answer) = try await client.next() else { throw MQTTClient.Closed() }
            #expect(answer.reason == .success && answer.properties.responseInformation == nil)
        }
    }
}
