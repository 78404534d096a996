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

    @Test("[MQTT-4.7.3-4] topics, filters, shares and client identifiers are compared as they were sent")
    func looksAlike() async throws {
        let scene = try Scene()
        let alike = ["caf\u{E9}", "cafe\u{301}"]
        let publisher = try await scene.client("publisher")
        var clients: [MQTTClient] = []
        for text in alike {
            // Neither is the other's session.
            let client = try await scene.client(text, expiry: 60)
            #expect(!client.isSessionPresent)
            try await client.subscribe(scene.topic(text))
            clients.append(client)
        }
        for text in alike { try await publisher.publishAndWait(scene.topic(text), text, retain: true) }
        for (client, text) in zip(clients, alike) {
            let message = try await client.nextMessage()
            #expect(Array(message.topic.utf8) == Array(scene.topic(text).utf8))
            try await answer(message, by: client)
            // Both filters, and both retained messages.
            let other = try await scene.client("other")
            let filters = alike.map { scene.topic($0) }
            try await other.subscribe(filters[0], filters[1], qos: .atMostOnce)
            #expect(try await other.nextMessage().retain)
            #expect(try await other.nextMessage().retain)
            try await other.send(.unsubscribe(Unsubscribe(packetIdentifier: 2, filters: [try TopicFilter(filters[0])])))
            guard case .unsubAck = try await other.next() else { throw MQTTClient.Closed() }
            for text in alike { try await publisher.publishAndWait(scene.topic(text), "live") }
            #expect(Array(try await other.nextMessage().topic.utf8) == Array(filters[1].utf8))
            try await other.expectSilence()
        }
        // Shares of two names each get everything.
        let member = try await scene.client("member")
        for name in alike { try await member.subscribe("$share/\(name)/" + scene.topic("t"), qos: .atMostOnce) }
        try await publisher.publishAndWait(scene.topic("t"), "twice")
        for _ in 1...2 { #expect(try await member.nextText() == "twice") }
        // A separator is one, whatever stands behind it.
        let accent = scene.topic("a/\u{301}b")
        for filter in [accent, scene.topic("a/+"), scene.topic("+/\u{301}b"), scene.stack.topic("+/+/\u{301}b")] {
            let client = try await scene.client("accent")
            #expect(try await client.subscribe(filter, qos: .atMostOnce) == [.success])
            try await publisher.publishAndWait(accent, "accent")
            let message = try await client.nextMessage()
            #expect(Array(message.topic.utf8) == Array(accent.utf8))
        }
        #expect(
            try await member.subscribe("channels/\(scene.stack.things.channel)/messages/\u{301}x") == [.grantedQoS2])
    }

    // MARK: Expiry

    @Test("[MQTT-3.3.2-5] an expired message is not sent; what is left of its interval goes with one that is not")
    func expired() async throws {
        let scene = try Scene()
        let live = try await scene.client("live")
        try await live.subscribe(scene.topic())
        let sleeper = try await scene.client("sleeper", expiry: 60)
        try await sleeper.subscribe(scene.topic())
        try await sleeper.disconnect()
        var narrow = scene.connect("narrow")
        narrow.properties.receiveMaximum = 1
        let busy = try await scene.open(narrow).client
        try await busy.subscribe(scene.topic())
        let second: Int64 = 1_000_000_000
        let now = WallClock.system.now()
        // As another adapter has published them, some time ago.
        try await publish("fresh", created: now - 100 * second, expiry: 3_600, scene)
        try await publish("over", created: now - 100 * second, expiry: 99, scene)
        try await publish("soon over", created: now - 100 * second, expiry: 101, scene)
        try await publish("endless", created: now - 100 * second, expiry: nil, scene)
        for (text, left) in [("fresh", 3_500), ("soon over", 1), ("endless", nil)] as [(String, UInt32?)] {
            let message = try await live.nextMessage()
            #expect(String(buffer: message.payload) == text)
            let interval = message.properties.messageExpiryInterval
            #expect((interval == nil) == (left == nil))
            if let interval, let left { #expect(interval <= left && interval + 60 > left) }
            try await answer(message, by: live)
        }
        try await live.expectSilence()
        let first = try await busy.nextMessage()
        #expect(String(buffer: first.payload) == "fresh")
        try await eventually("one more is over") { WallClock.system.now() > now + 2 * second }
        // The first was in flight meanwhile, the others waited.
        try await answer(first, by: busy)
        #expect(try await busy.nextText() == "endless")
        let again = try await scene.client("sleeper", cleanStart: false, expiry: 60)
        for text in ["fresh", "endless"] {
            let message = try await again.nextMessage()
            #expect(String(buffer: message.payload) == text)
            try await answer(message, by: again)
        }
        try await again.expectSilence()
    }

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

    // [MQTT-4.6.0-4 of 3.1.1]
    @Test("[MQTT-4.6.0-4] PUBREL comes in the order of PUBREC", arguments: [nil, 60] as [UInt32?])
    func releases(expiry: UInt32?) async throws {
        let scene = try Scene()
        let client = try await scene.client("listener", expiry: expiry)
        try await client.subscribe(scene.topic())
        let publisher = try await scene.client("publisher")
        for number in 1...5 { try await send("\(number)", on: scene.topic(), .exactlyOnce, by: publisher) }
        var identifiers: [UInt16] = []
        for _ in 1...5 { identifiers.append(try await client.nextMessage().packetIdentifier) }
        // In another order than they came, one twice, and one that is nothing's.
        let order = [
            identifiers[3], identifiers[0], 60_000, identifiers[3], identifiers[4], identifiers[1], identifiers[2],
        ]
        var bytes: [UInt8] = []
        for identifier in order {
            bytes += Raw.bytes(.pubRec(Acknowledgement(packetIdentifier: identifier)), .v5)
        }
        try await client.send(bytes: bytes)
        for identifier in order {
            guard case .pubRel(let release) = try await client.next() else { throw MQTTClient.Closed() }
            #expect(release.packetIdentifier == identifier)
            #expect(release.reason == (identifier == 60_000 ? .packetIdentifierNotFound : .success))
        }
    }
}
