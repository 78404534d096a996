// SPDX-License-Identifier: Apache-2.0
import Core
import MQTTAdapter
import Messaging
import NIOCore
import TestKit
import Testing

/// SUBSCRIBE, UNSUBSCRIBE and PINGREQ (MQTT 5 sections 3.8 to 3.13).
@Suite(.serialized, .sharedStack()) struct SubscribeStatementsTests {
    // [MQTT-3.8.4-1 of 3.1.1] [MQTT-3.8.4-2 of 3.1.1] [MQTT-3.8.4-4 of 3.1.1] [MQTT-3.8.4-5 of 3.1.1] [MQTT-3.9.3-1 of 3.1.1]
    @Test(
        "[MQTT-2.2.1-6] [MQTT-3.8.4-1] [MQTT-3.8.4-2] [MQTT-3.8.4-5] [MQTT-3.8.4-6] [MQTT-3.8.4-7] [MQTT-3.9.3-1] SUBACK has a reason for each filter, in their order",
        arguments: ProtocolVersion.allCases)
    func acknowledges(version: ProtocolVersion) async throws {
        let scene = try Scene()
        let client = try await scene.client("listener", version: version)
        let requests: [(String, UInt8, ReasonCode)] = [
            (scene.topic("a"), 2, .grantedQoS2), ("outside", 1, .topicFilterInvalid), (scene.topic("b"), 0, .success),
            ("channels/\(ChannelID.new())/messages", 1, .topicFilterInvalid), (scene.topic("+"), 1, .grantedQoS1),
            ("m/\(DomainID.new())/c/+/#", 1, .notAuthorized),
        ]
        let body = requests.flatMap { Raw.text($0.0) + [$0.1] }
        try await client.send(bytes: Raw.packet(0x82, [0xAB, 0xCD], version == .v5 ? [0] : [], body))
        guard case .subAck(let granted) = try await client.next() else { throw MQTTClient.Closed() }
        #expect(granted.packetIdentifier == 0xABCD)
        #expect(
            granted.reasons
                == requests.map { version == .v311 && $0.2.isFailure ? .unspecifiedError : $0.2 })
        // Those that were granted are there, one SUBACK for all of them.
        let publisher = try await scene.client("publisher")
        for name in ["a", "b", "c"] { try await send(name, on: scene.topic(name), .exactlyOnce, by: publisher) }
        var messages: [Publish] = []
        for (name, qos) in [("a", QualityOfService.exactlyOnce), ("b", .atLeastOnce), ("c", .atLeastOnce)] {
            let message = try await client.nextMessage()
            #expect(String(buffer: message.payload) == name && message.qos == qos)
            messages.append(message)
        }
        for message in messages { try await answer(message, by: client) }
        try await client.expectSilence()
    }

    // [MQTT-3.8.4-6 of 3.1.1]
    @Test(
        "[MQTT-3.8.4-8] messages come with the lower of published and granted QoS", arguments: ProtocolVersion.allCases)
    func lowerQoS(version: ProtocolVersion) async throws {
        let scene = try Scene()
        let publisher = try await scene.client("publisher", version: version)
        for granted in QualityOfService.allCases {
            let client = try await scene.client("listener", version: version)
            try await client.subscribe(scene.topic(), qos: granted)
            for published in QualityOfService.allCases {
                try await send("x", on: scene.topic(), published, by: publisher)
                let message = try await client.nextMessage()
                #expect(message.qos == min(published, granted))
                try await answer(message, by: client)
            }
        }
    }

    @Test("[MQTT-3.8.3-2 of 3.1.1] filters with wildcards are supported, and do not match what begins with $")
    func wildcards() async throws {
        let scene = try Scene()
        let client = try await scene.client("listener", version: .v311)
        try await client.subscribe("#", "+/#", scene.topic("+/x/#"))
        let publisher = try await scene.client("publisher")
        for rest in ["a/x", "b/x/y/z", "c/y", "$d/x"] { try await publisher.publishAndWait(scene.topic(rest), rest) }
        #expect(try await publisher.publishAndWait("$other/x", "hidden") == .topicNameInvalid)
        for rest in ["a/x", "b/x/y/z", "c/y", "$d/x"] {
            let message = try await scene.nextMessage(client)
            #expect(message.topic == scene.topic(rest))
            try await answer(message, by: client)
        }
        try await client.expectSilence()
    }

    @Test("[MQTT-3.8.3-3] no local: nothing comes back to its publisher, and everything to others")
    func noLocal() async throws {
        let scene = try Scene()
        let client = try await scene.client("both", expiry: 60)
        let noLocal = SubscriptionOptions(maximumQoS: .exactlyOnce, noLocal: true)
        try await client.subscribe(scene.topic("#"), options: noLocal)
        let other = try await scene.client("other")
        try await other.subscribe(scene.topic("#"), qos: .atMostOnce)
        for qos in QualityOfService.allCases {
            try await send("own \(qos)", on: scene.topic(), qos, by: client)
            #expect(try await other.nextText() == "own \(qos)")
        }
        let publisher = try await scene.client("publisher")
        try await publisher.publishAndWait(scene.topic(), "another's")
        let message = try await client.nextMessage()
        #expect(String(buffer: message.payload) == "another's")
        try await answer(message, by: client)
        // A second subscription that does not mind brings it, by itself.
        try await client.subscribe(scene.topic("b"), identifier: 2, subscriptionIdentifier: 9)
        try await client.publish(scene.topic("b"), "own again")
        let own = try await client.nextMessage()
        #expect(String(buffer: own.payload) == "own again")
        #expect(own.properties.subscriptionIdentifiers == [9])
        // It holds on the session's next connection, and for what is retained.
        try await client.disconnect()
        let again = try await scene.client("both", cleanStart: false, expiry: 60)
        #expect(again.isSessionPresent)
        try await again.publishAndWait(scene.topic("kept"), "own", retain: true)
        try await again.subscribe(scene.topic("kept"), identifier: 3, options: noLocal)
        try await again.expectSilence()
        try await again.subscribe(scene.topic("kept"), identifier: 4)
        #expect(try await again.nextText() == "own")
    }

    @Test("[MQTT-3.8.4-4] replacing a subscription loses nothing, and brings retained messages again")
    func replaces() async throws {
        let scene = try Scene()
        var connect = scene.connect("listener")
        connect.properties.receiveMaximum = 1
        let client = try await scene.open(connect).client
        let publisher = try await scene.client("publisher")
        try await publisher.publishAndWait(scene.topic(), "retained", retain: true)
        try await client.subscribe(scene.topic(), qos: .atLeastOnce, subscriptionIdentifier: 1)
        let first = try await client.nextMessage()
        #expect(first.retain && first.properties.subscriptionIdentifiers == [1])
        // These wait behind the window.
        for number in 1...3 { try await publisher.publishAndWait(scene.topic(), "\(number)") }
        try await client.subscribe(scene.topic(), qos: .exactlyOnce, identifier: 2, subscriptionIdentifier: 2)
        try await answer(first, by: client)
        for number in 1...3 {
            let message = try await client.nextMessage()
            #expect(String(buffer: message.payload) == "\(number)")
            #expect(message.properties.subscriptionIdentifiers == [1])
            try await answer(message, by: client)
        }
        let again = try await client.nextMessage()
        #expect(again.retain && String(buffer: again.payload) == "retained")
        #expect(again.properties.subscriptionIdentifiers == [2])
        try await answer(again, by: client)
        try await publisher.publishAndWait(scene.topic(), "live")
        let live = try await client.nextMessage()
        #expect(live.properties.subscriptionIdentifiers == [2])
        try await answer(live, by: client)
        try await client.expectSilence()
    }

    @Test(
        "[MQTT-3.8.4-3 of 3.1.1] so it does in 3.1.1, and the new QoS counts")
    func replaces311() async throws {
        let scene = try Scene()
        let client = try await scene.client("listener", version: .v311)
        let publisher = try await scene.client("publisher")
        try await send("retained", on: scene.topic(), .exactlyOnce, by: publisher)
        try await publisher.publishAndWait(scene.topic(), "retained", retain: true)
        for qos in [QualityOfService.atLeastOnce, .atMostOnce] {
            try await client.subscribe(scene.topic(), qos: qos)
            let retained = try await client.nextMessage()
            #expect(retained.retain && retained.qos == qos)
            try await answer(retained, by: client)
            try await publisher.publishAndWait(scene.topic(), "live")
            let live = try await client.nextMessage()
            #expect(!live.retain && live.qos == qos)
            try await answer(live, by: client)
            try await client.expectSilence()
        }
    }

    // MARK: UNSUBSCRIBE

    // [MQTT-3.10.4-1 of 3.1.1] [MQTT-3.10.4-4 of 3.1.1] [MQTT-3.10.4-5 of 3.1.1] [MQTT-3.10.4-6 of 3.1.1]
    @Test(
        "[MQTT-3.10.4-1] [MQTT-3.10.4-4] [MQTT-3.10.4-5] [MQTT-3.10.4-6] [MQTT-3.11.3-1] UNSUBACK answers for each filter, compared as it is written",
        arguments: ProtocolVersion.allCases)
    func unsubscribes(version: ProtocolVersion) async throws {
        let scene = try Scene()
        let client = try await scene.client("listener", version: version)
        try await client.subscribe(scene.topic("a/+"), scene.topic("b"), scene.topic("\u{E9}"), qos: .atLeastOnce)
        let filters = [
            // Another filter of the same meaning, another of the same look, one that matches it.
            scene.topic("a/+/#"), scene.topic("e\u{301}"), scene.topic("#"), scene.topic("b"), scene.topic("b"),
        ]
        try await client.send(
            .unsubscribe(Unsubscribe(packetIdentifier: 0xFEDC, filters: try filters.map { try TopicFilter($0) })))
        guard case .unsubAck(let ended) = try await client.next() else { throw MQTTClient.Closed() }
        #expect(ended.packetIdentifier == 0xFEDC)
        let none = ReasonCode.noSubscriptionExisted
        #expect(ended.reasons == (version == .v5 ? [none, none, none, .success, none] : []))
        let publisher = try await scene.client("publisher")
        for rest in ["a/x", "b", "\u{E9}"] { try await publisher.publishAndWait(scene.topic(rest), rest) }
        #expect(try await client.nextText() == "a/x")
        #expect(try await client.nextText() == "\u{E9}")
        try await client.expectSilence()
    }

    // [MQTT-3.10.4-2 of 3.1.1] [MQTT-3.10.4-3 of 3.1.1]
    @Test(
        "[MQTT-3.10.4-2] [MQTT-3.10.4-3] after UNSUBSCRIBE nothing new is delivered, and what was begun is completed",
        arguments: ProtocolVersion.allCases)
    func completes(version: ProtocolVersion) async throws {
        let scene = try Scene()
        let client = try await scene.client("listener", version: version, cleanStart: false, expiry: 60)
        try await client.subscribe(scene.topic())
        let publisher = try await scene.client("publisher")
        try await send("one", on: scene.topic(), .atLeastOnce, by: publisher)
        try await send("two", on: scene.topic(), .exactlyOnce, by: publisher)
        let (one, two) = (try await client.nextMessage(), try await client.nextMessage())
        try await client.send(
            .unsubscribe(Unsubscribe(packetIdentifier: 5, filters: [try TopicFilter(scene.topic())])))
        guard case .unsubAck = try await client.next() else { throw MQTTClient.Closed() }
        for qos in QualityOfService.allCases { try await send("new", on: scene.topic(), qos, by: publisher) }
        // Also on the next connection.
        client.close()
        let again = try await scene.client("listener", version: version, cleanStart: false, expiry: 60)
        for message in [one, two] {
            let repeated = try await again.nextMessage()
            #expect(repeated.isDuplicate && repeated.packetIdentifier == message.packetIdentifier)
            try await answer(repeated, by: again)
        }
        try await again.expectSilence()
    }

    @Test("what waits and matches another subscription as well stays when one of them ends")
    func overlapping() async throws {
        let scene = try Scene()
        var connect = scene.connect("listener")
        connect.properties.receiveMaximum = 1
        let client = try await scene.open(connect).client
        try await client.subscribe(scene.topic("a"), subscriptionIdentifier: 1)
        try await client.subscribe(scene.topic("+"), identifier: 2, subscriptionIdentifier: 2)
        let publisher = try await scene.client("publisher")
        for number in 1...3 { try await publisher.publishAndWait(scene.topic("a"), "\(number)") }
        let first = try await client.nextMessage()
        try await client.send(
            .unsubscribe(Unsubscribe(packetIdentifier: 5, filters: [try TopicFilter(scene.topic("a"))])))
        guard case .unsubAck = try await client.next() else { throw MQTTClient.Closed() }
        try await answer(first, by: client)
        for number in 2...3 {
            let message = try await client.nextMessage()
            #expect(String(buffer: message.payload) == "\(number)")
            try await answer(message, by: client)
        }
    }

    // MARK: PINGREQ

    // [MQTT-3.12.4-1 of 3.1.1]
    @Test("[MQTT-3.12.4-1] PINGREQ is answered by PINGRESP", arguments: ProtocolVersion.allCases)
    func pings(version: ProtocolVersion) async throws {
        let scene = try Scene()
        let client = try await scene.client("pings", version: version)
        let before = client.receivedBytes.count
        try await client.send(bytes: [0xC0, 0x00, 0xC0, 0x00])
        #expect(try await client.next() == .pingResponse)
        #expect(try await client.next() == .pingResponse)
        #expect(client.receivedBytes.dropFirst(before) == [0xD0, 0x00, 0xD0, 0x00])
    }

    // MARK: What it is told

    @Test("without request problem information SUBACK explains nothing; CONNACK and DISCONNECT may")
    func problemInformation() async throws {
        let scene = try Scene()
        for asks in [nil, true, false] as [Bool?] {
            var connect = scene.connect("asks")
            connect.properties.requestProblemInformation = asks
            let client = try await scene.open(connect).client
            try await client.send(
                .subscribe(Subscribe(packetIdentifier: 1, requests: [.init(try TopicFilter("outside"))])))
            guard case .subAck(let granted) = try await client.next() else { throw MQTTClient.Closed() }
            #expect(granted.reasons == [.topicFilterInvalid])
            #expect((granted.properties.reasonString != nil) == (asks != false))
            try await client.send(bytes: [0x00, 0x00])
            try await client.waitUntilClosed()
            guard case .disconnect(let end)? = client.received.first else { throw MQTTClient.Closed() }
            #expect(end.properties.reasonString?.isEmpty == false)
        }
    }
}
