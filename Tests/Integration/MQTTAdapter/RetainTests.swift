// SPDX-License-Identifier: Apache-2.0
import Core
import MQTTAdapter
import Messaging
import NIOCore
import TestKit
import Testing

/// Retained messages (MQTT 5 section 3.3.1.3).
@Suite(.serialized, .sharedStack()) struct RetainTests {
    // [MQTT-3.3.1-5 of 3.1.1] [MQTT-3.3.1-6 of 3.1.1] [MQTT-3.3.1-7 of 3.1.1] [MQTT-3.3.1-8 of 3.1.1]
    @Test(
        "[MQTT-3.3.1-5] the last retained message of each topic is kept with its QoS",
        arguments: ProtocolVersion.allCases)
    func replaces(version: ProtocolVersion) async throws {
        let scene = try Scene()
        let publisher = try await scene.client("publisher", version: version)
        func retain(_ text: String, _ rest: String, _ qos: QualityOfService) async throws {
            try await publisher.publish(
                scene.topic(rest), text, qos: qos, identifier: qos == .atMostOnce ? 0 : 20, retain: true)
            switch qos {
            case .atMostOnce: try await publisher.expectSilence()
            case .atLeastOnce: #expect(try await publisher.next() == .pubAck(Acknowledgement(packetIdentifier: 20)))
            case .exactlyOnce:
                #expect(try await publisher.next() == .pubRec(Acknowledgement(packetIdentifier: 20)))
                try await publisher.send(.pubRel(Acknowledgement(packetIdentifier: 20)))
                #expect(try await publisher.next() == .pubComp(Acknowledgement(packetIdentifier: 20)))
            }
        }
        for former in QualityOfService.allCases {
            for latter in QualityOfService.allCases {
                try await retain("former", "a", former)
                try await retain("latter", "a", latter)
                try await retain("other", "b", former)
                let client = try await scene.client("listener", version: version)
                try await client.subscribe(scene.topic("#"))
                let messages = [try await client.nextMessage(), try await client.nextMessage()]
                for (message, expected) in zip(messages, [("a", "latter", latter), ("b", "other", former)]) {
                    #expect(message.topic == scene.topic(expected.0))
                    #expect(String(buffer: message.payload) == expected.1)
                    #expect(message.qos == expected.2 && message.retain && !message.isDuplicate)
                }
                for message in messages { try await answer(message, by: client) }
                try await client.expectSilence()
            }
        }
    }

    // [MQTT-3.3.1-10 of 3.1.1] [MQTT-3.3.1-11 of 3.1.1] [MQTT-3.3.1-12 of 3.1.1]
    @Test(
        "[MQTT-3.3.1-6] [MQTT-3.3.1-7] [MQTT-3.3.1-8] an empty retained message removes, and one without retain leaves alone",
        arguments: QualityOfService.allCases, ProtocolVersion.allCases)
    func removes(qos: QualityOfService, version: ProtocolVersion) async throws {
        let scene = try Scene()
        let live = try await scene.client("live", version: version)
        try await live.subscribe(scene.topic())
        let publisher = try await scene.client("publisher", version: version)
        func publish(_ text: String, retain: Bool) async throws {
            try await publisher.publish(
                scene.topic(), text, qos: qos, identifier: qos == .atMostOnce ? 0 : 20, retain: retain)
            if qos != .atMostOnce { _ = try await publisher.next() }
            if qos == .exactlyOnce {
                try await publisher.send(.pubRel(Acknowledgement(packetIdentifier: 20)))
                _ = try await publisher.next()
            }
            try await publisher.expectSilence()
            // Those who listen get it as any other.
            let message = try await live.nextMessage()
            #expect(String(buffer: message.payload) == text && !message.retain)
            try await answer(message, by: live)
        }
        func kept() async throws -> [String] {
            let client = try await scene.client("late", version: version)
            try await client.subscribe(scene.topic())
            try await client.send(.pingRequest)
            var texts: [String] = []
            while case .publish(let message) = try await client.next() { texts.append(String(buffer: message.payload)) }
            return texts
        }
        try await publish("kept", retain: true)
        try await publish("live", retain: false)
        #expect(try await kept() == ["kept"])
        try await publish("", retain: false)
        #expect(try await kept() == ["kept"])
        try await publish("", retain: true)
        #expect(try await kept().isEmpty)
        try await publish("", retain: true)
        #expect(try await kept().isEmpty)
    }

    @Test("[MQTT-3.3.1-9] [MQTT-3.3.1-10] [MQTT-3.3.1-11] retain handling: always, for new subscriptions, never")
    func handling() async throws {
        let scene = try Scene()
        let publisher = try await scene.client("publisher")
        try await publisher.publishAndWait(scene.topic(), "kept", retain: true)
        func options(_ handling: SubscriptionOptions.RetainHandling) -> SubscriptionOptions {
            SubscriptionOptions(maximumQoS: .atMostOnce, retainHandling: handling)
        }
        for (handling, times) in [(SubscriptionOptions.RetainHandling.send, 3), (.sendIfNew, 1), (.doNotSend, 0)] {
            let client = try await scene.client("listener", expiry: 60)
            for time in 1...3 {
                try await client.subscribe(scene.topic(), options: options(handling))
                if time <= times {
                    let message = try await client.nextMessage()
                    #expect(message.retain && String(buffer: message.payload) == "kept")
                }
                try await client.expectSilence()
            }
            // A subscription that was there is not new on another connection; one that ended is.
            try await client.disconnect()
            let again = try await scene.client("listener", cleanStart: false, expiry: 60)
            try await again.subscribe(scene.topic(), options: options(handling))
            if handling == .send { #expect(try await again.nextText() == "kept") }
            try await again.expectSilence()
            try await again.send(
                .unsubscribe(Unsubscribe(packetIdentifier: 2, filters: [try TopicFilter(scene.topic())])))
            _ = try await again.next()
            try await again.subscribe(scene.topic(), options: options(handling))
            if handling != .doNotSend { #expect(try await again.nextText() == "kept") }
            try await again.expectSilence()
            try await scene.client("listener").disconnect()
        }
    }

    @Test(
        "a filter twice in one SUBSCRIBE is as two SUBSCRIBE", arguments: [(0, 0, 2), (1, 1, 1), (1, 2, 1), (2, 1, 0)])
    func twice(first: UInt8, second: UInt8, times: Int) async throws {
        let scene = try Scene()
        let publisher = try await scene.client("publisher")
        try await publisher.publishAndWait(scene.topic(), "kept", retain: true)
        let client = try await scene.client("listener")
        let topic = Raw.text(scene.topic())
        try await client.send(bytes: Raw.packet(0x82, [0, 1, 0], topic, [first << 4], topic, [second << 4]))
        guard case .subAck(let answer) = try await client.next() else { throw MQTTClient.Closed() }
        #expect(answer.reasons == [.success, .success])
        for _ in 0..<times { #expect(try await client.nextText() == "kept") }
        try await client.expectSilence()
    }

    // [MQTT-3.3.1-9 of 3.1.1]
    @Test(
        "[MQTT-3.3.1-12] [MQTT-3.3.1-13] live messages have RETAIN as they came where that is asked for",
        arguments: QualityOfService.allCases)
    func asPublished(qos: QualityOfService) async throws {
        let scene = try Scene()
        let asPublished = try await scene.client("as-published")
        try await asPublished.subscribe(
            scene.topic("#"), options: SubscriptionOptions(maximumQoS: .exactlyOnce, retainAsPublished: true))
        let (plain, old) = (try await scene.client("plain"), try await scene.client("old", version: .v311))
        for client in [plain, old] { try await client.subscribe(scene.topic("#")) }
        let publisher = try await scene.client("publisher")
        for (identifier, retain) in [(1, true), (2, false)] as [(UInt16, Bool)] {
            try await publisher.publish(
                scene.topic(), "x", qos: qos, identifier: qos == .atMostOnce ? 0 : identifier, retain: retain)
            #expect(try await asPublished.nextMessage().retain == retain)
            for client in [plain, old] { #expect(try await !client.nextMessage().retain) }
        }
        // What is retained has it, asked for or not.
        for client in [asPublished, plain, old] {
            try await client.subscribe(scene.topic(), identifier: 2)
            #expect(try await client.nextMessage().retain)
        }
    }

    @Test("a retained message expires, and has what is left of its interval until then")
    func expires() async throws {
        let scene = try Scene()
        let publisher = try await scene.client("publisher")
        let began = WallClock.system.now()
        for (rest, seconds) in [("short", 1), ("long", 3_600)] as [(String, UInt32)] {
            var properties = Properties()
            properties.messageExpiryInterval = seconds
            try await publisher.publishAndWait(scene.topic(rest), rest, retain: true, properties: properties)
        }
        try await eventually("one is over") { WallClock.system.now() > began + 2_000_000_000 }
        let client = try await scene.client("listener")
        try await client.subscribe(scene.topic("#"))
        let message = try await client.nextMessage()
        #expect(String(buffer: message.payload) == "long")
        let left = message.properties.messageExpiryInterval ?? 0
        #expect(left < 3_600 && left > 3_500)
        try await client.expectSilence()
    }

    @Test("a filter over all channels brings retained messages, once for each topic")
    func everyChannel() async throws {
        let scene = try Scene()
        let publisher = try await scene.client("publisher")
        for rest in ["a", "b/c"] { try await publisher.publishAndWait(scene.topic(rest), rest, retain: true) }
        for filter in ["+/+/+/\(scene.name)/#", "m/+/c/+/\(scene.name)/#"] {
            // A thing that nothing is known of yet.
            let client = try await scene.stack.client(scene.stack.things.listener, scene.name)
            try await client.subscribe(filter, qos: .atLeastOnce)
            var texts: Set<String> = []
            for _ in 1...2 {
                let message = try await client.nextMessage()
                #expect(message.retain && message.qos == .atLeastOnce)
                texts.insert(String(buffer: message.payload))
            }
            #expect(texts == ["a", "b/c"])
            try await client.expectSilence()
        }
    }
}
