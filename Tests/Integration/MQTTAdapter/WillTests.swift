// SPDX-License-Identifier: Apache-2.0
import Core
import MQTTAdapter
import Messaging
import NIOCore
import TestKit
import Testing

/// Wills (MQTT 5 sections 3.1.2.5 and 3.1.3.2).
@Suite(.serialized, .sharedStack()) struct WillTests {
    /// How a connection may end.
    enum End: CaseIterable, Sendable {
        case lost, violation, withWill, takenOver, failed
    }

    // [MQTT-3.1.2-8 of 3.1.1]
    @Test(
        "[MQTT-3.1.2-7] [MQTT-3.1.2-8] a will is kept, and published when the connection ends without a normal DISCONNECT",
        arguments: ProtocolVersion.allCases, End.allCases)
    func published(version: ProtocolVersion, end: End) async throws {
        let scene = try Scene()
        let listener = try await scene.client("listener")
        try await listener.subscribe(scene.topic("#"))
        let client = try await scene.client("dies", version: version, will: scene.will("gone"))
        try await client.expectSilence()
        switch end {
        case .lost: client.close()
        case .violation: try await client.send(bytes: [0x00, 0x00])
        case .withWill:
            // Only MQTT 5 has it; a DISCONNECT of 3.1.1 with a body is none.
            try await client.send(bytes: [0xE0, 0x01, 0x04])
        case .takenOver: _ = try await scene.client("dies", version: version)
        case .failed:
            // A DISCONNECT of MQTT 5 that says that something is wrong.
            try await client.send(bytes: [0xE0, 0x01, 0x80])
        }
        let will = try await listener.nextMessage()
        #expect(String(buffer: will.payload) == "gone")
        #expect(will.topic == scene.topic("will"))
        #expect(will.qos == .atLeastOnce && !will.retain)
        // Once.
        let publisher = try await scene.client("publisher")
        try await publisher.publishAndWait(scene.topic(), "end")
        #expect(try await listener.nextText() == "end")
        #expect(try await scene.stored() == ["gone", "end"])
    }

    // [MQTT-3.1.2-10 of 3.1.1] [MQTT-3.14.4-3 of 3.1.1]
    @Test(
        "[MQTT-3.1.2-10] [MQTT-3.14.4-3] a will that was published or taken back is gone",
        arguments: ProtocolVersion.allCases)
    func gone(version: ProtocolVersion) async throws {
        let scene = try Scene()
        let listener = try await scene.client("listener")
        try await listener.subscribe(scene.topic("#"))
        func open(_ will: Will?) async throws -> MQTTClient {
            try await scene.client("dies", version: version, cleanStart: false, expiry: 60, will: will)
        }
        let first = try await open(scene.will("taken back"))
        try await first.disconnect()
        let second = try await open(scene.will("published"))
        #expect(second.isSessionPresent)
        second.close()
        #expect(try await listener.nextText() == "published")
        // The session goes on without.
        let third = try await open(nil)
        #expect(third.isSessionPresent)
        third.close()
        let fourth = try await open(scene.will("last"))
        fourth.close()
        #expect(try await listener.nextText() == "last")
        #expect(try await scene.stored() == ["published", "last"])
    }

    @Test("[MQTT-3.1.2-12 of 3.1.1] no will: nothing is published", arguments: ProtocolVersion.allCases)
    func none(version: ProtocolVersion) async throws {
        let scene = try Scene()
        let listener = try await scene.client("listener")
        try await listener.subscribe(scene.topic("#"))
        let client = try await scene.client("dies", version: version)
        client.close()
        let other = try await scene.client("other", version: version, will: scene.will("other"))
        other.close()
        #expect(try await listener.nextText() == "other")
        #expect(try await scene.stored() == ["other"])
    }

    // [MQTT-3.1.2-16 of 3.1.1] [MQTT-3.1.2-17 of 3.1.1]
    @Test(
        "[MQTT-3.1.2-14] [MQTT-3.1.2-15] a will is retained if its flag says so", arguments: ProtocolVersion.allCases,
        [false, true])
    func retained(version: ProtocolVersion, retain: Bool) async throws {
        let scene = try Scene()
        let live = try await scene.client("live")
        try await live.subscribe(
            scene.topic("#"), options: SubscriptionOptions(maximumQoS: .exactlyOnce, retainAsPublished: true))
        let client = try await scene.client(
            "dies", version: version, will: scene.will("gone", qos: .exactlyOnce, retain: retain))
        client.close()
        let message = try await live.nextMessage()
        #expect(message.qos == .exactlyOnce && message.retain == retain)
        let late = try await scene.client("late", version: version)
        try await late.subscribe(scene.topic("#"))
        if retain {
            let kept = try await late.nextMessage()
            #expect(kept.retain && kept.qos == .exactlyOnce && String(buffer: kept.payload) == "gone")
        }
        try await late.expectSilence()
    }

    @Test("[MQTT-3.1.3-10] the properties of a will are passed on, user properties in their order")
    func properties() async throws {
        let scene = try Scene()
        let listener = try await scene.client("listener")
        try await listener.subscribe(scene.topic("#"))
        var will = scene.will("gone")
        will.properties.payloadFormatIsText = true
        will.properties.messageExpiryInterval = 600
        will.properties.contentType = "text/x-farewell"
        will.properties.responseTopic = "somewhere/else"
        will.properties.correlationData = [0, 0xFF]
        will.properties.userProperties = [.init("b", "1"), .init("a", "2"), .init("b", "1"), .init("", "")]
        let client = try await scene.client("dies", will: will)
        client.close()
        let message = try await listener.nextMessage()
        var properties = message.properties
        #expect((590...600).contains(properties.messageExpiryInterval ?? 0))
        properties.messageExpiryInterval = 600
        #expect(properties == will.properties)
    }

    @Test(
        "a will waits for its delay, or for the end of the session if that is first", arguments: [(1, 60), (3_600, 1)])
    func delayed(delay: UInt32, expiry: UInt32) async throws {
        let scene = try Scene()
        let listener = try await scene.client("listener")
        try await listener.subscribe(scene.topic("#"))
        let client = try await scene.client("dies", expiry: expiry, will: scene.will("late", delay: delay))
        client.close()
        // Something that is published when the connection is gone comes before.
        let other = try await scene.client("other", will: scene.will("at once"))
        other.close()
        #expect(try await listener.nextText() == "at once")
        #expect(try await listener.nextText() == "late")
    }

    @Test("a will with a delay is published with the session that DISCONNECT or a clean start ends", arguments: [0, 1])
    func endsWithItsSession(how: Int) async throws {
        let scene = try Scene()
        let listener = try await scene.client("listener")
        try await listener.subscribe(scene.topic("#"))
        let client = try await scene.client("dies", expiry: 3_600, will: scene.will("gone", delay: 3_600))
        if how == 0 {
            var goodbye = Disconnect(reason: .disconnectWithWill)
            goodbye.properties.sessionExpiryInterval = 0
            try await client.send(.disconnect(goodbye))
        } else {
            client.close()
            try await scene.client("dies").disconnect()
        }
        #expect(try await listener.nextText() == "gone")
    }

    @Test(
        "[MQTT-3.1.3-9] a client that is back before the delay is over has no will published", arguments: [false, true])
    func cancelled(takesOver: Bool) async throws {
        let scene = try Scene()
        let listener = try await scene.client("listener")
        try await listener.subscribe(scene.topic("#"))
        let client = try await scene.client("dies", expiry: 60, will: scene.will("never", delay: 1))
        if !takesOver { client.close() }
        let back = try await scene.client("dies", cleanStart: false, expiry: 60)
        #expect(back.isSessionPresent)
        // Another will of the same delay, whose client does not come back, is published.
        let other = try await scene.client("other", expiry: 60, will: scene.will("other", delay: 1))
        other.close()
        #expect(try await listener.nextText() == "other")
        try await back.expectSilence()
        #expect(try await scene.stored() == ["other"])
    }
}
