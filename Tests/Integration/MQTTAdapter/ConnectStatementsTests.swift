// SPDX-License-Identifier: Apache-2.0
import Core
import MQTTAdapter
import Messaging
import NIOCore
import TestKit
import Testing

/// CONNECT, CONNACK and AUTH (MQTT 5 sections 3.1, 3.2 and 4.12).
@Suite(.serialized, .sharedStack()) struct ConnectStatementsTests {
    // [MQTT-3.1.0-1 of 3.1.1] [MQTT-3.2.0-1 of 3.1.1]
    @Test(
        "[MQTT-3.1.0-1] [MQTT-3.2.0-1] [MQTT-3.14.0-1] what comes before CONNECT ends the connection without a word",
        arguments: [
            [0xC0, 0x00], [0xE0, 0x00], Raw.packet(0x82, [0, 1, 0], Raw.text("a"), [0]),
            Raw.packet(0x30, Raw.text("a"), [0]), Raw.packet(0x40, [0, 1]), Raw.packet(0x62, [0, 1]), [0xF0, 0x00],
            [0x20, 0x02, 0x00, 0x00], [0x00, 0x00], [0x47, 0x45, 0x54, 0x20], [0xFF, 0xFF, 0xFF, 0xFF, 0xFF],
        ] as [[UInt8]])
    func firstPacket(bytes: [UInt8]) async throws {
        let scene = try Scene()
        let client = try await MQTTClient.connect(port: scene.stack.port)
        try await client.send(bytes: bytes + Raw.bytes(.connect(scene.connect("late")), .v5))
        try await client.waitUntilClosed()
        #expect(client.receivedBytes.isEmpty)
    }

    // [MQTT-3.1.0-2 of 3.1.1]
    @Test("[MQTT-3.1.0-2] [MQTT-3.2.0-2] a second CONNECT ends the connection", arguments: ProtocolVersion.allCases)
    func secondConnect(version: ProtocolVersion) async throws {
        let scene = try Scene()
        let client = try await MQTTClient.connect(port: scene.stack.port, version: version)
        // Both before the first is answered.
        let connect = Packet.connect(scene.connect("twice", version: version))
        try await client.send(connect, connect)
        guard case .connAck(let answer) = try await client.next() else { throw MQTTClient.Closed() }
        #expect(answer.reason == .success)
        try await client.expectEnd(.protocolError)
    }

    @Test(
        "[MQTT-3.1.2-1] another protocol name is refused",
        arguments: [("MQIsdp", 3), ("MQTTX", 4), ("MQT", 4), ("", 4), ("mqtt", 4)] as [(String, UInt8)])
    func protocolName(name: String, level: UInt8) async throws {
        let scene = try Scene()
        let client = try await MQTTClient.connect(port: scene.stack.port)
        try await client.send(bytes: connect(scene, name: name, level: level))
        try await client.waitUntilClosed()
        #expect(client.receivedBytes == [0x20, 0x02, 0x00, 0x01])
    }

    // [MQTT-3.1.2-2 of 3.1.1]
    // Versions that are to come are taken to read CONNACK as 5 does; a level with the highest bit is a bridge of another kind.
    @Test(
        "[MQTT-3.1.2-2] a version that is not spoken is refused in terms that its client knows",
        arguments: [0, 1, 2, 3, 6, 7, 0x7F, 0x80, 0x84, 0x85, 0xFF] as [UInt8])
    func levels(level: UInt8) async throws {
        let scene = try Scene()
        let client = try await MQTTClient.connect(port: scene.stack.port, version: (6...0x7F) ~= level ? .v5 : .v311)
        try await client.send(bytes: connect(scene, level: level))
        guard case .connAck(let answer) = try await client.next() else { throw MQTTClient.Closed() }
        #expect(answer.reason == .unsupportedProtocolVersion)
        #expect(!answer.sessionPresent)
        try await client.waitUntilClosed()
        #expect(client.received.isEmpty)
        if client.version == .v311 { #expect(client.receivedBytes == [0x20, 0x02, 0x00, 0x01]) }
    }

    // Without anything that is not in the specification: [MQTT-7.0.0-2 of 3.1.1].
    @Test("[MQTT-3.1.4-4 of 3.1.1] [MQTT-2.3.1-7 of 3.1.1] a plain client of MQTT 3.1.1, byte by byte")
    func plainest() async throws {
        let scene = try Scene()
        let client = try await MQTTClient.connect(port: scene.stack.port, version: .v311)
        try await client.send(bytes: connect(scene, level: 4))
        guard case .connAck = try await client.next() else { throw MQTTClient.Closed() }
        #expect(client.receivedBytes == [0x20, 0x02, 0x00, 0x00])
        let topic = Raw.text(scene.topic())
        try await client.send(bytes: Raw.packet(0x82, [0x12, 0x34], topic, [1]))
        guard case .subAck = try await client.next() else { throw MQTTClient.Closed() }
        #expect(client.receivedBytes.dropFirst(4) == [0x90, 0x03, 0x12, 0x34, 0x01])
        try await client.send(bytes: Raw.packet(0x30, topic, Array("hello".utf8)))
        #expect(try await client.nextText() == "hello")
        #expect(client.receivedBytes.dropFirst(9) == Raw.packet(0x30, topic, Array("hello".utf8))[...])
        let so = client.receivedBytes.count
        try await client.send(bytes: Raw.packet(0xA2, [0x43, 0x21], topic) + [0xC0, 0x00])
        guard case .unsubAck = try await client.next() else { throw MQTTClient.Closed() }
        #expect(try await client.next() == .pingResponse)
        #expect(client.receivedBytes.dropFirst(so) == [0xB0, 0x02, 0x43, 0x21, 0xD0, 0x00])
        try await client.send(bytes: [0xE0, 0x00])
        try await client.waitUntilClosed()
    }

    @Test("[MQTT-3.1.4-5] an accepted CONNECT is answered by CONNACK with success and what the server's limits are")
    func accepted() async throws {
        let scene = try Scene()
        let (client, answer) = try await scene.open(scene.connect("accepted"))
        var properties = Properties()
        properties.receiveMaximum = 1_024
        properties.topicAliasMaximum = 32
        properties.maximumPacketSize = UInt32((1 << 20) + (64 << 10))
        #expect(answer == ConnAck(reason: .success, properties: properties))
        try await client.expectSilence()
    }

    @Test(
        "[MQTT-3.2.2-9] [MQTT-3.2.2-10] [MQTT-3.2.2-12] [MQTT-3.2.2-13] every QoS, retaining and all kinds of subscriptions are there"
    )
    func everythingIsAvailable() async throws {
        let scene = try Scene()
        let (client, answer) = try await scene.open(
            scene.connect("all", will: scene.will("gone", qos: .exactlyOnce, retain: true)))
        #expect(answer.reason == .success)
        let properties = answer.properties
        // Absent: available.
        #expect(properties.maximumQoSIsOne == nil && properties.retainAvailable == nil)
        #expect(properties.wildcardSubscriptionAvailable == nil && properties.sharedSubscriptionAvailable == nil)
        #expect(properties.subscriptionIdentifierAvailable == nil)
        for (qos, reason) in zip(
            QualityOfService.allCases, [.success, .grantedQoS1, .grantedQoS2] as [ReasonCode])
        {
            let granted = try await client.subscribe(
                scene.topic("+/#"), "$share/g/" + scene.topic(), qos: qos, subscriptionIdentifier: 1)
            #expect(granted == [reason, reason])
        }
        try await client.disconnect()
    }

    @Test("[MQTT-3.1.2-28] no response information unless it was asked for", arguments: [nil, false])
    func responseInformation(asks: Bool?) async throws {
        let scene = try Scene()
        var connect = scene.connect("response")
        connect.properties.requestResponseInformation = asks
        #expect(try await scene.open(connect).answer.properties.responseInformation == nil)
    }

    // MARK: Client identifiers

    @Test(
        "[MQTT-3.1.3-6] [MQTT-3.1.3-7] [MQTT-3.2.2-16] an empty client identifier gets one of its own, and is told it")
    func assigned() async throws {
        let scene = try Scene()
        var connect = scene.connect("", expiry: 60)
        connect.clientIdentifier = ""
        let (first, firstAnswer) = try await scene.open(connect)
        let (second, secondAnswer) = try await scene.open(connect)
        let assigned = try #require(firstAnswer.properties.assignedClientIdentifier)
        let other = try #require(secondAnswer.properties.assignedClientIdentifier)
        #expect(!assigned.isEmpty && assigned != other)
        // Neither took the other's session over.
        for client in [first, second] { try await client.expectSilence() }
        try await first.disconnect()
        connect.clientIdentifier = assigned
        connect.cleanStart = false
        let again = try await scene.open(connect).answer
        #expect(again.sessionPresent)
        #expect(again.properties.assignedClientIdentifier == nil)
    }

    @Test("[MQTT-3.1.3-6 of 3.1.1] so it does in 3.1.1")
    func assigned311() async throws {
        let scene = try Scene()
        var connect = scene.connect("", version: .v311)
        connect.clientIdentifier = ""
        let (first, second) = (try await scene.open(connect).client, try await scene.open(connect).client)
        for client in [first, second] { try await client.expectSilence() }
    }

    @Test("[MQTT-3.1.3-8 of 3.1.1] an empty client identifier without a clean session is refused with 2")
    func emptyWithoutCleanSession() async throws {
        let scene = try Scene()
        var connect = scene.connect("", version: .v311, cleanStart: false)
        connect.clientIdentifier = ""
        try await expectRefusal(of: Raw.bytes(.connect(connect), .v311), .v311, .clientIdentifierNotValid, scene)
    }

    // [MQTT-3.1.3-9 of 3.1.1]
    @Test("[MQTT-3.1.3-8] a client identifier that is too long is refused", arguments: ProtocolVersion.allCases)
    func longIdentifier(version: ProtocolVersion) async throws {
        let scene = try Scene()
        var connect = scene.connect("", version: version)
        connect.clientIdentifier = String(repeating: "x", count: 257)
        try await expectRefusal(of: Raw.bytes(.connect(connect), version), version, .clientIdentifierNotValid, scene)
    }

    // MARK: Refusals

    // [MQTT-3.2.2-5 of 3.1.1] [MQTT-3.1.4-5 of 3.1.1]
    @Test(
        "[MQTT-3.1.4-2] [MQTT-3.1.4-6] [MQTT-3.2.2-7] [MQTT-4.13.2-1] who is not known is refused, and nothing more is processed",
        arguments: ProtocolVersion.allCases)
    func unknown(version: ProtocolVersion) async throws {
        let scene = try Scene()
        var connect = scene.connect("unknown", version: version)
        connect.password = Array("not-a-key".utf8)
        try await expectRefusal(of: Raw.bytes(.connect(connect), version), version, .badUserNameOrPassword, scene)
    }

    @Test("[MQTT-3.1.4-1] a malformed CONNECT is answered with its reason, and nothing more is processed")
    func malformed() async throws {
        let scene = try Scene()
        let device = scene.stack.things.publisher
        let (user, key) = (Raw.text(device.id.description), Raw.text(device.key))
        let will = [Raw.properties()] + [Raw.text(scene.topic("will")), Raw.text("gone")]
        func bytes(_ flags: UInt8 = 0xC2, _ properties: [UInt8] = [], _ fields: [[UInt8]]? = nil) -> [UInt8] {
            Raw.packet(
                0x10, Raw.text("MQTT"), [5, flags, 0, 60], Raw.properties(properties),
                (fields ?? [Raw.text(scene.name), user, key]).flatMap { $0 })
        }
        var cases: [(String, [UInt8], ReasonCode)] = [
            ("reserved flag", bytes(0xC3), .malformedPacket),
            ("will QoS 3", bytes(0xDE, [], [Raw.text("c")] + will + [user, key]), .malformedPacket),
            ("will QoS without will", bytes(0xCA), .malformedPacket),
            ("will retain without will", bytes(0xE2), .malformedPacket),
            (
                "wildcards in the will topic",
                bytes(0xC6, [], [Raw.text("c"), [0], Raw.text("a/#"), Raw.text("gone"), user, key]), .topicNameInvalid
            ),
            ("no password", bytes(0xC2, [], [Raw.text("c"), user]), .malformedPacket),
            ("more than its fields", bytes(0xC2, [], [Raw.text("c"), user, key, [0]]), .malformedPacket),
            ("unknown property", bytes(0xC2, [0x7F, 0]), .malformedPacket),
            ("a property of PUBLISH", bytes(0xC2, [0x01, 0]), .malformedPacket),
            ("a property twice", bytes(0xC2, [0x21, 0, 9, 0x21, 0, 9]), .protocolError),
            ("receive maximum 0", bytes(0xC2, [0x21, 0, 0]), .protocolError),
            ("maximum packet size 0", bytes(0xC2, [0x27, 0, 0, 0, 0]), .protocolError),
            ("request problem information 2", bytes(0xC2, [0x17, 2]), .protocolError),
            ("authentication data without a method", bytes(0xC2, [0x16, 0, 1, 0]), .protocolError),
            (
                "properties longer than the packet", Raw.packet(0x10, Raw.text("MQTT"), [5, 2, 0, 60, 90]),
                .malformedPacket
            ),
        ]
        let (letter, payload) = (Raw.text("c"), Raw.text("gone"))
        for text in Raw.faultyTexts.map(Raw.field) {
            func add(_ what: String, _ bytes: [UInt8]) { cases.append((what, bytes, .malformedPacket)) }
            func add(_ what: String, willProperties: [UInt8]) {
                add(what, bytes(0xC6, [], [letter, willProperties, Raw.text(scene.topic()), payload, user, key]))
            }
            add("client identifier", bytes(0xC2, [], [text, user, key]))
            add("user name", bytes(0xC2, [], [letter, text, key]))
            add("will topic", bytes(0xC6, [], [letter, [0], text, payload, user, key]))
            add("user property", bytes(0xC2, [0x26] + text + letter))
            add("authentication method", bytes(0xC2, [0x15] + text))
            add("user property of the will", willProperties: Raw.property(0x26, letter, text))
            add("content type of the will", willProperties: Raw.property(0x03, text))
        }
        for (what, bytes, reason) in cases { try await expectRefusal(of: bytes, .v5, reason, scene, what) }
    }

    @Test("[MQTT-3.1.4-1 of 3.1.1] [MQTT-3.2.2-6 of 3.1.1] in 3.1.1, which has no code for it, without a word")
    func malformed311() async throws {
        let scene = try Scene()
        let device = scene.stack.things.publisher
        let (user, key) = (Raw.text(device.id.description), Raw.text(device.key))
        let will = [Raw.text(scene.topic("will")), Raw.text("gone")]
        func bytes(_ flags: UInt8 = 0xC2, _ fields: [[UInt8]]? = nil) -> [UInt8] {
            Raw.packet(
                0x10, Raw.text("MQTT"), [4, flags, 0, 60],
                (fields ?? [Raw.text(scene.name), user, key]).flatMap { $0 })
        }
        var cases: [(String, [UInt8])] = [
            ("reserved flag", bytes(0xC3)), ("will QoS 3", bytes(0xDE, [Raw.text("c")] + will + [user, key])),
            ("will QoS without will", bytes(0xCA)), ("will retain without will", bytes(0xE2)),
            ("password without user name", bytes(0x42, [Raw.text("c"), key])),
            ("no password", bytes(0xC2, [Raw.text("c"), user])),
            ("more than its fields", bytes(0xC2, [Raw.text("c"), user, key, [0]])),
        ]
        for (index, fault) in Raw.faultyTexts.enumerated() {
            let text = Raw.field(fault)
            cases += [
                ("client identifier \(index)", bytes(0xC2, [text, user, key])),
                ("user name \(index)", bytes(0xC2, [Raw.text("c"), text, key])),
                ("will topic \(index)", bytes(0xC6, [Raw.text("c"), text, Raw.text("gone"), user, key])),
            ]
        }
        for (what, bytes) in cases { try await expectRefusal(of: bytes, .v311, nil, scene, what) }
    }

    /// - Parameter reason: nil: nothing is answered.
    private func expectRefusal(
        of bytes: [UInt8], _ version: ProtocolVersion, _ reason: ReasonCode?, _ scene: Scene, _ what: String = ""
    ) async throws {
        let client = try await MQTTClient.connect(port: scene.stack.port, version: version)
        let publish = Publish(
            topic: scene.topic(), payload: ByteBuffer(string: "too early"), qos: .atLeastOnce, packetIdentifier: 1)
        try await client.send(bytes: bytes + Raw.bytes(.publish(publish), version))
        try await client.waitUntilClosed()
        let packets = client.received
        if let reason {
            guard packets.count == 1, case .connAck(let answer) = packets[0] else {
                Issue.record("\(what): \(packets)")
                return
            }
            #expect(answer.reason == reason, "\(what)")
            #expect(!answer.sessionPresent, "\(what)")
            if version == .v5 { #expect(answer.properties.reasonString?.isEmpty == false, "\(what)") }
        } else {
            #expect(client.receivedBytes.isEmpty, "\(what)")
        }
        #expect(try await scene.stored().isEmpty, "\(what)")
    }

    // MARK: Taking over

    // [MQTT-3.1.4-2 of 3.1.1]
    @Test(
        "[MQTT-3.1.4-3] a client identifier in use: the old connection is told and closed",
        arguments: ProtocolVersion.allCases, ProtocolVersion.allCases)
    func takeOver(old: ProtocolVersion, new: ProtocolVersion) async throws {
        let scene = try Scene()
        let first = try await scene.client("same", version: old)
        let second = try await scene.client("same", version: new)
        try await first.expectEnd(.sessionTakenOver)
        try await second.expectSilence()
    }

    // MARK: Authentication

    @Test(
        "[MQTT-4.12.0-1] [MQTT-4.12.0-2] [MQTT-4.12.0-4] [MQTT-4.12.0-5] an authentication method is refused at once, without AUTH"
    )
    func authenticationMethod() async throws {
        let scene = try Scene()
        let client = try await MQTTClient.connect(port: scene.stack.port)
        var connect = scene.connect("method")
        connect.properties.authenticationMethod = "SCRAM-SHA-256"
        connect.properties.authenticationData = [1, 2, 3]
        try await client.send(.connect(connect))
        try await client.waitUntilClosed()
        #expect(client.received.count == 1)
        guard case .connAck(let answer)? = client.received.first else { throw MQTTClient.Closed() }
        #expect(answer.reason == .badAuthenticationMethod)
    }

    @Test(
        "[MQTT-4.12.0-6] [MQTT-4.12.1-1] [MQTT-4.12.1-2] without a method in CONNECT there is none in CONNACK, and AUTH ends the connection",
        arguments: [0x18, 0x19] as [UInt8])
    func authenticationNotBegun(reason: UInt8) async throws {
        let scene = try Scene()
        let (client, answer) = try await scene.open(scene.connect("auth"))
        #expect(answer.properties.authenticationMethod == nil && answer.properties.authenticationData == nil)
        try await client.send(bytes: Raw.packet(0xF0, [reason], Raw.properties([0x15] + Raw.text("SCRAM-SHA-256"))))
        try await client.expectEnd(.protocolError)
    }

    /// A good CONNECT but for its name and level, without properties below level 5.
    private func connect(_ scene: Scene, name: String = "MQTT", level: UInt8) -> [UInt8] {
        let device = scene.stack.things.publisher
        return Raw.packet(
            0x10, Raw.text(name), [level, 0xC2, 0, 60], level >= 5 ? [0] : [], Raw.text(scene.name),
            Raw.text(device.id.description), Raw.text(device.key))
    }
}
