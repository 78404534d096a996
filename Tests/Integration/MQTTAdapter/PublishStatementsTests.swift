// SPDX-License-Identifier: Apache-2.0
import Core
import MQTTAdapter
import Messaging
import NIOCore
import TestKit
import Testing

/// PUBLISH, its acknowledgements, and what subscribers get (MQTT 5 sections 3.3 to 3.7, 4.3, 4.5 and 4.6).
@Suite(.serialized, .sharedStack()) struct PublishStatementsTests {
    // MARK: Acknowledgements

    // MARK: Topics

    // [MQTT-3.3.2-3 of 3.1.1]
    @Test("[MQTT-3.3.2-3] what a subscriber gets matches its filter, whatever names it uses")
    func topics() async throws {
        let scene = try Scene()
        let (domain, channel, name) = (scene.stack.things.domain, scene.stack.things.channel, scene.name)
        let publisher = try await scene.client("publisher")
        let client = try await scene.client("listener")
        let filters = [
            "#", "+/#", "channels/#", "channels/+/#", "channels/\(channel)/#", "channels/+/messages/#",
            "channels/+/+/\(name)/#", "+/\(channel)/messages/\(name)/b/c", "+/+/+/\(name)/+/+",
            "channels/\(channel)/+/\(name)/+/c", "channels/\(channel)/messages/\(name)/b/c/#", "m/#", "m/+/#",
            "m/\(domain)/#", "m/\(domain)/c/#", "m/\(domain)/c/+/\(name)/#", "m/+/c/+/+/b/+", "m/+/+/#",
            "m/\(domain)/+/\(channel)/\(name)/#", "m/\(domain)/c/\(channel)/\(name)/b/c",
            "channels/press-line/messages/\(name)/#", "m/factory/c/press-line/\(name)/b/c",
            "m/\(domain)/c/press-line/\(name)/+/c", "channels/\("\(channel)".uppercased())/messages/\(name)/#",
            "/channels/\(channel)/messages/\(name)/#", "/#", "/+/+/messages/\(name)/#",
            "/m/\(domain)/c/\(channel)/\(name)/#",
        ]
        for (number, filter) in filters.enumerated() {
            for text in [filter, "$share/g/" + filter] {
                #expect(try await client.subscribe(text) == [.grantedQoS2], "\(text)")
                let topics = [
                    "channels/\(channel)/messages/\(name)/b/c", "m/\(domain)/c/\(channel)/\(name)/b/c",
                    "channels/press-line/messages/\(name)/b/c",
                ]
                let topic = topics[number % topics.count]
                for qos in [QualityOfService.atMostOnce, .atLeastOnce] {
                    try await send("\(number)", on: topic, qos, by: publisher)
                    let message = try await scene.nextMessage(client)
                    #expect(String(buffer: message.payload) == "\(number)")
                    #expect(try TopicFilter(filter).matches(message.topic), "\(message.topic) for \(filter)")
                    try await answer(message, by: client)
                }
                try await client.send(.unsubscribe(Unsubscribe(packetIdentifier: 2, filters: [try TopicFilter(text)])))
                guard case .unsubAck = try await client.next() else { throw MQTTClient.Closed() }
            }
        }
    }

    @Test("filters that the topics of no message match are refused")
    func emptyLevels() async throws {
        let scene = try Scene()
        let client = try await scene.client("listener")
        let channel = scene.stack.things.channel
        for filter in [
            "channels/\(channel)/messages/", "channels//\(channel)/messages", "channels/\(channel)/messages//#",
            "//channels/\(channel)/messages", scene.topic("a//b"), scene.topic("a/b/"), "/",
            "m//\(scene.stack.things.domain)/c/\(channel)", scene.topic("a.b"), scene.topic("a b"), "$SYSTEM/#", "x",
        ] {
            #expect(try await client.subscribe(filter) == [.topicFilterInvalid], "\(filter)")
        }
    }

    // MARK: Expiry

    private func publish(_ text: String, created: Int64, expiry: UInt32?, _ scene: Scene) async throws {
        var properties = ByteBuffer()
        if let expiry {
            properties.writeInteger(UInt8(0x02))
            properties.writeInteger(expiry)
        }
        try await scene.stack.publish(
            RawMessage(
                domain: scene.stack.things.domain, channel: scene.stack.things.channel, subtopic: scene.name,
                publisher: scene.stack.things.publisher.id, transport: .mqtt, contentType: .octetStream,
                created: created, payload: ByteBuffer(string: text),
                mqtt: MQTTDetails(qos: 1, properties: properties)))
    }

    // MARK: Order
}
