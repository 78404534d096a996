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

    // [MQTT-3.3.4-1 of 3.1.1]
    @Test("[MQTT-3.3.4-1] a PUBLISH is answered as its QoS demands", arguments: ProtocolVersion.allCases)
    func answers(version: ProtocolVersion) async throws {
        let scene = try Scene()
        let client = try await scene.client("publisher", version: version)
        let before = client.receivedBytes.count
        try await client.publish(scene.topic(), "0")
        try await client.expectSilence()
        try await client.publish(scene.topic(), "1", qos: .atLeastOnce, identifier: 0x1234)
        #expect(try await client.next() == .pubAck(Acknowledgement(packetIdentifier: 0x1234)))
        try await client.publish(scene.topic(), "2", qos: .exactlyOnce, identifier: 0x4321)
        #expect(try await client.next() == .pubRec(Acknowledgement(packetIdentifier: 0x4321)))
        try await client.send(.pubRel(Acknowledgement(packetIdentifier: 0x4321)))
        #expect(try await client.next() == .pubComp(Acknowledgement(packetIdentifier: 0x4321)))
        #expect(
            client.receivedBytes.dropFirst(before) == [
                0xD0, 0, 0x40, 2, 0x12, 0x34, 0x50, 2, 0x43, 0x21, 0x70, 2, 0x43, 0x21,
            ])
        #expect(try await scene.stored() == ["0", "1", "2"])
    }

    @Test(
        "a QoS 2 message that is repeated before PUBREL is answered, and delivered once",
        arguments: ProtocolVersion.allCases)
    func exactlyOnce(version: ProtocolVersion) async throws {
        let scene = try Scene()
        let listener = try await scene.client("listener")
        try await listener.subscribe(scene.topic())
        let client = try await scene.client("publisher", version: version)
        let acknowledgement = Acknowledgement(packetIdentifier: 7)
        for isDuplicate in [false, true, true] {
            try await client.publish(scene.topic(), "one", qos: .exactlyOnce, identifier: 7, isDuplicate: isDuplicate)
            #expect(try await client.next() == .pubRec(acknowledgement))
        }
        for _ in 1...2 {
            try await client.send(.pubRel(acknowledgement))
            guard case .pubComp(let answer) = try await client.next() else { throw MQTTClient.Closed() }
            #expect(answer.packetIdentifier == 7)
        }
        // The identifier is a new message's, whatever DUP says.
        try await client.publish(scene.topic(), "two", qos: .exactlyOnce, identifier: 7, isDuplicate: true)
        #expect(try await client.next() == .pubRec(acknowledgement))
        for text in ["one", "two"] {
            let message = try await listener.nextMessage()
            #expect(String(buffer: message.payload) == text)
            #expect(!message.isDuplicate)
        }
        try await listener.expectSilence()
        #expect(try await scene.stored() == ["one", "two"])
    }

    @Test("PUBREL of an identifier that is not known is answered so")
    func unknownIdentifier() async throws {
        let scene = try Scene()
        let client = try await scene.client("publisher")
        try await client.send(.pubRel(Acknowledgement(packetIdentifier: 9)))
        let notFound = Acknowledgement(packetIdentifier: 9, reason: .packetIdentifierNotFound)
        #expect(try await client.next() == .pubComp(notFound))
        try await client.send(.pubRec(Acknowledgement(packetIdentifier: 9)))
        #expect(try await client.next() == .pubRel(notFound))
        // Acknowledgements of nothing are no fault of one who may have lost track.
        try await client.send(
            .pubAck(Acknowledgement(packetIdentifier: 9)), .pubComp(Acknowledgement(packetIdentifier: 9)))
        try await client.expectSilence()
    }

    @Test("an acknowledgement of another QoS ends the connection")
    func otherAcknowledgement() async throws {
        let scene = try Scene()
        let publisher = try await scene.client("publisher")
        for qos in [QualityOfService.atLeastOnce, .exactlyOnce] {
            let client = try await scene.client("listener")
            try await client.subscribe(scene.topic())
            try await send("x", on: scene.topic(), qos, by: publisher)
            let acknowledgement = Acknowledgement(packetIdentifier: try await client.nextMessage().packetIdentifier)
            try await client.send(qos == .atLeastOnce ? .pubRec(acknowledgement) : .pubAck(acknowledgement))
            try await client.expectEnd(.protocolError)
        }
    }

    @Test("[MQTT-3.3.5-2 of 3.1.1] what is not allowed ends the connection of a client that cannot be told")
    func notAllowed() async throws {
        let scene = try Scene()
        for topic in ["somewhere/else", "channels/\(ChannelID.new())/messages"] {
            for qos in [QualityOfService.atLeastOnce, .exactlyOnce] {
                let old = try await scene.client("old", version: .v311)
                try await old.publish(topic, "no", qos: qos, identifier: 3)
                try await old.expectEnd(.topicNameInvalid)
                let new = try await scene.client("new")
                try await new.publish(topic, "no", qos: qos, identifier: 3)
                let refusal = Acknowledgement(packetIdentifier: 3, reason: .topicNameInvalid)
                #expect(try await new.next() == (qos == .atLeastOnce ? .pubAck(refusal) : .pubRec(refusal)))
                // The identifier is free again.
                try await new.publish(scene.topic(), "\(qos)", qos: .exactlyOnce, identifier: 3)
                #expect(try await new.next() == .pubRec(Acknowledgement(packetIdentifier: 3)))
            }
        }
    }

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
            "m//\(scene.stack.things.domain)/c/\(channel)", scene.topic("a.b"), scene.topic("a b"), "$SYSTEM/#",
            "/$SYS/#", "x",
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

    // MARK: Properties

    @Test(
        "properties are passed on as they came, user properties in their order", arguments: QualityOfService.allCases)
    func properties(qos: QualityOfService) async throws {
        let scene = try Scene()
        let client = try await scene.client("listener")
        try await client.subscribe(scene.topic(), qos: qos)
        let old = try await scene.client("old", version: .v311)
        try await old.subscribe(scene.topic(), qos: qos)
        var properties = Properties()
        properties.payloadFormatIsText = true
        properties.contentType = "text/x-reading; charset=\u{FEFF}utf-8"
        properties.responseTopic = "answers/\u{E9}"
        properties.correlationData = [0, 1, 0xFF]
        properties.userProperties = [.init("b", "1"), .init("a", "2"), .init("b", "1"), .init("", "")]
        let publisher = try await scene.client("publisher")
        // Alias and retain are nobody else's business.
        var sent = properties
        sent.topicAlias = 5
        try await publisher.publish(
            scene.topic(), "payload", qos: qos, identifier: qos == .atMostOnce ? 0 : 1, properties: sent)
        let message = try await client.nextMessage()
        #expect(message.properties == properties)
        #expect(message.topic == scene.topic() && message.qos == qos)
        let plain = try await old.nextMessage()
        #expect(plain.topic == scene.topic() && String(buffer: plain.payload) == "payload")
    }

    @Test("a payload format is not looked into: what is said to be text is passed on as it is")
    func payloadFormat() async throws {
        let scene = try Scene()
        let client = try await scene.client("listener")
        try await client.subscribe(scene.topic())
        let publisher = try await scene.client("publisher")
        for isText in [false, true] {
            var properties = Properties()
            properties.payloadFormatIsText = isText
            try await publisher.publishAndWait(scene.topic(), "text", properties: properties)
            #expect(try await client.nextMessage().properties == properties)
        }
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

    @Test("[MQTT-4.3.3-7] [MQTT-4.3.3-13] what was begun is completed, on both sides, when the message has expired")
    func expiredWhileInFlight() async throws {
        let scene = try Scene()
        let subscriber = try await scene.client("subscriber", expiry: 60)
        try await subscriber.subscribe(scene.topic())
        let publisher = try await scene.client("publisher")
        var properties = Properties()
        properties.messageExpiryInterval = 1
        let began = WallClock.system.now()
        try await publisher.publish(
            scene.topic(), "short", qos: .exactlyOnce, identifier: 1, properties: properties)
        #expect(try await publisher.next() == .pubRec(Acknowledgement(packetIdentifier: 1)))
        let message = try await subscriber.nextMessage()
        subscriber.close()
        try await eventually("it is over") { WallClock.system.now() > began + 2_000_000_000 }
        try await publisher.send(.pubRel(Acknowledgement(packetIdentifier: 1)))
        #expect(try await publisher.next() == .pubComp(Acknowledgement(packetIdentifier: 1)))
        let again = try await scene.client("subscriber", cleanStart: false, expiry: 60)
        let repeated = try await again.nextMessage()
        #expect(repeated.isDuplicate && repeated.packetIdentifier == message.packetIdentifier)
        #expect(repeated.properties.messageExpiryInterval == 0)
        try await answer(repeated, by: again)
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

    // MARK: Aliases

    @Test(
        "[MQTT-3.3.2-7] [MQTT-3.3.2-9] aliases up to the maximum are taken, may be set anew, and end with their connection"
    )
    func aliases() async throws {
        let scene = try Scene()
        let listener = try await scene.client("listener")
        try await listener.subscribe(scene.topic("#"))
        func publish(_ topic: String, _ text: String, alias: UInt16, by client: MQTTClient) async throws {
            var properties = Properties()
            properties.topicAlias = alias
            try await client.publish(topic, text, properties: properties)
        }
        let client = try await scene.client("publisher", expiry: 60)
        for alias: UInt16 in [1, 32] { try await publish(scene.topic("t\(alias)"), "set", alias: alias, by: client) }
        for alias: UInt16 in [1, 32] { try await publish("", "used", alias: alias, by: client) }
        try await publish(scene.topic("other"), "set anew", alias: 1, by: client)
        try await publish("", "used", alias: 1, by: client)
        try await publish("", "used", alias: 32, by: client)
        for (topic, text) in [
            ("t1", "set"), ("t32", "set"), ("t1", "used"), ("t32", "used"), ("other", "set anew"), ("other", "used"),
            ("t32", "used"),
        ] {
            let message = try await listener.nextMessage()
            #expect(message.topic == scene.topic(topic) && String(buffer: message.payload) == text)
            #expect(message.properties.topicAlias == nil)
        }
        // The session goes on, its aliases do not.
        try await client.disconnect()
        let again = try await scene.client("publisher", cleanStart: false, expiry: 60)
        #expect(again.isSessionPresent)
        try await publish("", "unknown", alias: 1, by: again)
        try await again.expectEnd(.protocolError)
        for (alias, topic) in [(33, scene.topic()), (0, scene.topic()), (33, "")] as [(UInt16, String)] {
            let other = try await scene.client("other")
            try await publish(topic, "no", alias: alias, by: other)
            try await other.expectEnd(.topicAliasInvalid)
        }
        try await listener.expectSilence()
    }

    @Test("a refused message sets its alias all the same, and one that waits for an answer uses it")
    func aliasesOfOthers() async throws {
        let scene = try Scene()
        let client = try await scene.client("publisher")
        var properties = Properties()
        properties.topicAlias = 2
        #expect(try await client.publishAndWait("outside", "no", properties: properties) == .topicNameInvalid)
        #expect(try await client.publishAndWait("", "no", properties: properties) == .topicNameInvalid)
        #expect(try await client.publishAndWait(scene.topic(), "yes", properties: properties) == .success)
        #expect(try await client.publishAndWait("", "yes", properties: properties) == .success)
        #expect(try await scene.stored() == ["yes", "yes"])
    }

    // MARK: Overlapping subscriptions

    // [MQTT-3.3.5-1 of 3.1.1]
    @Test(
        "[MQTT-3.3.4-2] [MQTT-3.3.4-3] [MQTT-3.3.4-4] overlapping subscriptions bring one copy, the highest QoS and all identifiers",
        arguments: ProtocolVersion.allCases)
    func overlapping(version: ProtocolVersion) async throws {
        let scene = try Scene()
        let client = try await scene.client("listener", version: version)
        let filters: [(String, QualityOfService, UInt32?)] = [
            ("a/b", .atMostOnce, 1), ("a/+", .atLeastOnce, 268_435_455), ("#", .exactlyOnce, nil),
            ("a/#", .atMostOnce, 1),
            ("+/b", .atMostOnce, 200), ("a/c", .exactlyOnce, 5),
        ]
        for (filter, qos, identifier) in filters {
            try await client.subscribe(
                scene.topic(filter), qos: qos, subscriptionIdentifier: version == .v5 ? identifier : nil)
        }
        let publisher = try await scene.client("publisher")
        for qos in QualityOfService.allCases {
            try await send("\(qos)", on: scene.topic("a/b"), qos, by: publisher)
            let message = try await client.nextMessage()
            #expect(String(buffer: message.payload) == "\(qos)")
            #expect(message.qos == qos)
            #expect(
                message.properties.subscriptionIdentifiers.sorted() == (version == .v5 ? [1, 1, 200, 268_435_455] : []))
            try await answer(message, by: client)
            try await client.expectSilence()
        }
    }

    @Test("[MQTT-3.3.4-5] a message that comes by both of its names comes in two copies, each with its identifiers")
    func copies() async throws {
        let scene = try Scene()
        let (domain, channel) = (scene.stack.things.domain, scene.stack.things.channel)
        let client = try await scene.client("listener")
        let byDomain = "m/\(domain)/c/\(channel)/\(scene.name)"
        try await client.subscribe(scene.topic(), qos: .atLeastOnce, subscriptionIdentifier: 1)
        try await client.subscribe(scene.topic("#"), qos: .atLeastOnce, subscriptionIdentifier: 2)
        try await client.subscribe(byDomain, qos: .atMostOnce, subscriptionIdentifier: 3)
        let publisher = try await scene.client("publisher")
        try await publisher.publishAndWait(scene.topic(), "both")
        var found: [String: (QualityOfService, [UInt32])] = [:]
        for _ in 1...2 {
            let message = try await client.nextMessage()
            found[message.topic] = (message.qos, message.properties.subscriptionIdentifiers)
            try await answer(message, by: client)
        }
        #expect(found[scene.topic()]?.0 == .atLeastOnce && found[scene.topic()]?.1 == [1, 2])
        #expect(found[byDomain]?.0 == .atMostOnce && found[byDomain]?.1 == [3])
        try await client.expectSilence()
    }

    // MARK: Order

    // [MQTT-4.5.0-1 of 3.1.1] [MQTT-4.6.0-5 of 3.1.1] [MQTT-4.6.0-6 of 3.1.1]
    @Test(
        "[MQTT-4.5.0-1] [MQTT-4.6.0-5] [MQTT-4.6.0-6] all subscribers get all messages of a publisher and topic in order",
        arguments: QualityOfService.allCases)
    func order(qos: QualityOfService) async throws {
        let scene = try Scene()
        let sleeper = try await scene.client("sleeper", expiry: 60)
        try await sleeper.subscribe(scene.topic())
        try await sleeper.disconnect()
        let subscribers = [
            try await scene.client("a"), try await scene.client("b", version: .v311), try await scene.client("c"),
        ]
        for (subscriber, filter) in zip(subscribers, [scene.topic(), scene.topic("#"), "#"]) {
            try await subscriber.subscribe(filter)
        }
        let publisher = try await scene.client("publisher")
        let count = 200
        var bytes: [UInt8] = []
        for number in 1...count {
            let publish = Publish(
                topic: scene.topic(), payload: ByteBuffer(string: "\(number)"), qos: qos,
                packetIdentifier: qos == .atMostOnce ? 0 : UInt16(number))
            bytes += Raw.bytes(.publish(publish), .v5)
        }
        try await publisher.send(bytes: bytes)
        for subscriber in subscribers {
            for number in 1...count {
                let message = try await scene.nextMessage(subscriber)
                #expect(String(buffer: message.payload) == "\(number)")
            }
        }
        guard qos != .atMostOnce else { return }
        let again = try await scene.client("sleeper", cleanStart: false, expiry: 60)
        for number in 1...count { #expect(try await again.nextText() == "\(number)") }
    }

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

    @Test("DUP that came in does not go out, and a message to many goes out to each under its own identifier")
    func duplicates() async throws {
        let scene = try Scene()
        let client = try await scene.client("listener")
        try await client.subscribe(scene.topic())
        let publisher = try await scene.client("publisher")
        for _ in 1...2 {
            try await publisher.publish(
                scene.topic(), "x", qos: .atLeastOnce, identifier: 500, isDuplicate: true)
            #expect(try await publisher.next() == .pubAck(Acknowledgement(packetIdentifier: 500)))
        }
        let messages = [try await client.nextMessage(), try await client.nextMessage()]
        #expect(messages.allSatisfy { !$0.isDuplicate })
        #expect(messages[0].packetIdentifier != messages[1].packetIdentifier)
    }
}
