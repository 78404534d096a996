// SPDX-License-Identifier: Apache-2.0
import Core
import MQTTAdapter
import Messaging
import NIOCore
import TestKit
import Testing

/// How long sessions live, and what they keep (MQTT 5 sections 3.1.2.4, 3.1.2.11.2 and 4.1).
@Suite(.serialized, .sharedStack()) struct SessionStatementsTests {
    // [MQTT-3.1.2-4 of 3.1.1] [MQTT-3.1.2-6 of 3.1.1] [MQTT-3.1.4-3 of 3.1.1] [MQTT-3.2.2-1 of 3.1.1] [MQTT-3.2.2-2 of 3.1.1]
    // [MQTT-3.2.2-3 of 3.1.1]
    @Test(
        "[MQTT-3.1.2-4] [MQTT-3.1.2-5] [MQTT-3.1.2-6] [MQTT-3.1.4-4] [MQTT-3.2.2-2] [MQTT-3.2.2-3] clean start or not",
        arguments: ProtocolVersion.allCases)
    func cleanStart(version: ProtocolVersion) async throws {
        let scene = try Scene()
        let publisher = try await scene.client("publisher")
        func open(clean: Bool) async throws -> MQTTClient {
            try await scene.client("same", version: version, cleanStart: clean, expiry: 60)
        }
        // Nothing is there yet.
        let first = try await open(clean: false)
        #expect(!first.isSessionPresent)
        try await first.subscribe(scene.topic("#"))
        try await first.disconnect()
        // It goes on.
        let second = try await open(clean: false)
        #expect(second.isSessionPresent)
        try await publisher.publishAndWait(scene.topic(), "goes on")
        let message = try await second.nextMessage()
        #expect(String(buffer: message.payload) == "goes on")
        try await answer(message, by: second)
        try await second.disconnect()
        try await publisher.publishAndWait(scene.topic(), "waits")
        // It is discarded, with what waits and with its subscriptions.
        let third = try await open(clean: true)
        #expect(!third.isSessionPresent)
        try await publisher.publishAndWait(scene.topic(), "nobody's")
        try await third.expectSilence()
        try await third.disconnect()
        // The one that began clean goes on in MQTT 5, and ends with its connection in 3.1.1.
        let fourth = try await open(clean: false)
        #expect(fourth.isSessionPresent == (version == .v5))
        try await publisher.publishAndWait(scene.topic(), "nobody's")
        try await fourth.expectSilence()
        try await fourth.disconnect()
        try await open(clean: true).disconnect()
    }

    // [MQTT-3.1.3-2 of 3.1.1]
    @Test("[MQTT-3.1.3-2] the client identifier tells sessions apart", arguments: ProtocolVersion.allCases)
    func identifiers(version: ProtocolVersion) async throws {
        let scene = try Scene()
        for identifier in ["a", "b"] {
            let client = try await scene.client(identifier, version: version, cleanStart: false, expiry: 60)
            try await client.subscribe(scene.topic(identifier))
            try await client.disconnect()
        }
        let publisher = try await scene.client("publisher")
        for identifier in ["a", "b"] { try await publisher.publishAndWait(scene.topic(identifier), identifier) }
        for identifier in ["b", "a"] {
            let client = try await scene.client(identifier, version: version, cleanStart: false, expiry: 60)
            #expect(client.isSessionPresent)
            #expect(try await client.nextText() == identifier)
            try await client.expectSilence()
        }
    }

    // [MQTT-4.1.0-1 of 3.1.1]
    @Test(
        "[MQTT-3.1.2-23] [MQTT-3.1.2-5 of 3.1.1] what is above QoS 0 is stored for a session without connection",
        arguments: ProtocolVersion.allCases)
    func storesMessages(version: ProtocolVersion) async throws {
        let scene = try Scene()
        let subscriber = try await scene.client("sleeper", version: version, cleanStart: false, expiry: 60)
        try await subscriber.subscribe(scene.topic())
        // In flight when the connection ends.
        let publisher = try await scene.client("publisher")
        try await send("in flight", on: scene.topic(), .exactlyOnce, by: publisher)
        let inFlight = try await subscriber.nextMessage()
        subscriber.close()
        for qos in [QualityOfService.atLeastOnce, .exactlyOnce, .atMostOnce] {
            try await send("\(qos)", on: scene.topic(), qos, by: publisher)
        }
        let again = try await scene.client("sleeper", version: version, cleanStart: false, expiry: 60)
        let repeated = try await again.nextMessage()
        #expect(repeated.isDuplicate && repeated.packetIdentifier == inFlight.packetIdentifier)
        let waited = [try await again.nextMessage(), try await again.nextMessage()]
        for (message, qos) in zip(waited, [QualityOfService.atLeastOnce, .exactlyOnce]) {
            #expect(String(buffer: message.payload) == "\(qos)")
            #expect(message.qos == qos && !message.isDuplicate)
        }
        for message in [repeated] + waited { try await answer(message, by: again) }
        try await again.expectSilence()
    }

    // [MQTT-4.1.0-2 of 3.1.1]
    @Test(
        "[MQTT-4.1.0-1] a session whose connection lasts is there, however short its interval",
        arguments: ProtocolVersion.allCases)
    func livesWithItsConnection(version: ProtocolVersion) async throws {
        try await withMQTT { stack in
            let scene = Scene(stack)
            let client = try await scene.client("stays", version: version, expiry: 1)
            try await client.subscribe(scene.topic())
            // Another of the same interval, without a connection, comes and goes meanwhile.
            let other = try await scene.client("leaves", expiry: 1)
            try await other.subscribe(scene.topic("other"))
            try await other.disconnect()
            try await eventually("the other is over") { try await stack.metric("martlet_mqtt_subscriptions") == 1 }
            let publisher = try await scene.client("publisher")
            try await publisher.publishAndWait(scene.topic(), "still there")
            #expect(try await client.nextText() == "still there")
        }
    }

    @Test("[MQTT-4.1.0-2] a session is discarded when its interval is over")
    func expires() async throws {
        try await withMQTT { stack in
            let scene = Scene(stack)
            let client = try await scene.client("leaves", expiry: 1)
            try await client.subscribe(scene.topic())
            client.close()
            try await eventually("it is over") { try await stack.metric("martlet_mqtt_subscriptions") == 0 }
            #expect(try await !scene.client("leaves", cleanStart: false, expiry: 1).isSessionPresent)
        }
    }

    @Test("a DISCONNECT may shorten the interval, to nothing as well")
    func shortened() async throws {
        try await withMQTT { stack in
            let scene = Scene(stack)
            for seconds: UInt32 in [0, 1] {
                let client = try await scene.client("leaves", expiry: 3_600)
                try await client.subscribe(scene.topic())
                var goodbye = Disconnect()
                goodbye.properties.sessionExpiryInterval = seconds
                try await client.send(.disconnect(goodbye))
                try await client.waitUntilClosed()
                try await eventually("it is over") { try await stack.metric("martlet_mqtt_subscriptions") == 0 }
                #expect(try await !scene.client("leaves", cleanStart: false).isSessionPresent)
            }
        }
    }

    @Test("a DISCONNECT may lengthen the interval, but not of a session that had none")
    func lengthened() async throws {
        let scene = try Scene()
        var goodbye = Disconnect()
        goodbye.properties.sessionExpiryInterval = 3_600
        let client = try await scene.client("stays", expiry: 1)
        try await client.send(.disconnect(goodbye))
        try await client.waitUntilClosed()
        #expect(client.received.isEmpty)
        #expect(try await scene.client("stays", cleanStart: false, expiry: 60).isSessionPresent)
        let short = try await scene.client("short")
        try await short.send(.disconnect(goodbye))
        try await short.expectEnd(.protocolError)
        #expect(try await !scene.client("short", cleanStart: false).isSessionPresent)
    }

    @Test("an interval beyond the server's is cut, and CONNACK says so")
    func longest() async throws {
        let scene = try Scene()
        let week: UInt32 = 7 * 86_400
        for (asked, told) in [(nil, nil), (0, nil), (60, nil), (week, nil), (week + 1, week), (.max, week)]
            as [(UInt32?, UInt32?)]
        {
            let answer = try await scene.open(scene.connect("long", expiry: asked)).answer
            #expect(answer.properties.sessionExpiryInterval == told)
        }
        try await scene.client("long").disconnect()
    }

    @Test("[MQTT-3.1.2-7 of 3.1.1] retained messages are not part of a session", arguments: ProtocolVersion.allCases)
    func retained(version: ProtocolVersion) async throws {
        let scene = try Scene()
        let publisher = try await scene.client("publisher", version: version)
        try await publisher.publishAndWait(scene.topic(), "stays", retain: true)
        try await publisher.disconnect()
        let clean = try await scene.client("publisher", version: version)
        #expect(!clean.isSessionPresent)
        try await clean.subscribe(scene.topic())
        let message = try await clean.nextMessage()
        #expect(message.retain && String(buffer: message.payload) == "stays")
    }

    @Test("what is sent again is sent within the receive maximum of the connection, in its order")
    func resends() async throws {
        let scene = try Scene()
        var connect = scene.connect("narrow", expiry: 60)
        connect.properties.receiveMaximum = 4
        let first = try await scene.open(connect).client
        try await first.subscribe(scene.topic())
        let publisher = try await scene.client("publisher")
        for number in 1...6 { try await publisher.publishAndWait(scene.topic(), "\(number)") }
        var identifiers: [UInt16] = []
        for _ in 1...4 { identifiers.append(try await first.nextMessage().packetIdentifier) }
        try await first.expectSilence()
        first.close()
        connect.cleanStart = false
        connect.properties.receiveMaximum = 1
        let second = try await scene.open(connect).client
        for number in 1...6 {
            let message = try await second.nextMessage()
            #expect(String(buffer: message.payload) == "\(number)")
            #expect(message.isDuplicate == (number <= 4))
            if number <= 4 { #expect(message.packetIdentifier == identifiers[number - 1]) }
            try await second.expectSilence()
            try await answer(message, by: second)
        }
    }
}

/// Silence (MQTT 5 section 3.1.2.10).
@Suite(.serialized) struct KeepAliveTests {
    // [MQTT-3.1.2-24 of 3.1.1]
    @Test("[MQTT-3.1.2-22] one and a half keep-alives of silence end the connection, which a packet prevents")
    func silence() async throws {
        try await withMQTT { stack in
            let scene = Scene(stack)
            for version in ProtocolVersion.allCases {
                let silent = try await scene.open(scene.connect("silent", version: version, keepAlive: 1)).client
                let patient = try await scene.open(scene.connect("patient", version: version, keepAlive: 0)).client
                let awake = try await scene.open(scene.connect("awake", version: version, keepAlive: 1)).client
                try await eventually("the silent one is closed", interval: .milliseconds(200)) {
                    try await awake.expectSilence()
                    return silent.isClosed
                }
                try await silent.expectEnd(.keepAliveTimeout)
                try await awake.expectSilence()
                try await patient.expectSilence()
            }
        }
    }

    @Test("a keep-alive beyond the server's is replaced, which CONNACK says and which counts")
    func serverKeepAlive() async throws {
        try await withMQTT(["keepalive-maximum-seconds": "1"]) { stack in
            let scene = Scene(stack)
            for asked: UInt16 in [0, 60] {
                let (client, answer) = try await scene.open(scene.connect("silent\(asked)", keepAlive: asked))
                #expect(answer.properties.serverKeepAlive == 1)
                try await client.expectEnd(.keepAliveTimeout)
            }
            #expect(try await scene.open(scene.connect("same", keepAlive: 1)).answer.properties.serverKeepAlive == nil)
        }
    }

    @Test("a connection without CONNECT is closed in time")
    func connectTimeout() async throws {
        try await withMQTT(["connect-timeout-milliseconds": "200"]) { stack in
            let client = try await MQTTClient.connect(port: stack.port)
            try await client.send(bytes: [0x10])
            try await client.waitUntilClosed()
            #expect(client.receivedBytes.isEmpty)
        }
    }
}
