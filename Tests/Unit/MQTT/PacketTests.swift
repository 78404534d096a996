// SPDX-License-Identifier: Apache-2.0
import MQTTAdapter
import NIOCore
import Testing

@Suite struct PacketTests {
    @Test("[MQTT-3.1.2-1] CONNECT, exact bytes both ways")
    func connect() throws {
        let bytes: [UInt8] = [
            0x10, 0x10, 0, 4, 0x4D, 0x51, 0x54, 0x54, 4, 2, 0, 60, 0, 4, 0x64, 0x65, 0x76, 0x31,
        ]
        let packet = Packet.connect(Connect(version: .v311, keepAlive: 60, clientIdentifier: "dev1"))
        #expect(try decode(bytes) == packet)
        #expect(encode(packet) == bytes)
    }

    @Test("[MQTT-3.1.2-3] [MQTT-3.1.2-11] [MQTT-3.1.2-12] [MQTT-3.1.2-13] flags of CONNECT")
    func connectFlags() {
        func connect(_ flags: UInt8) -> [UInt8] { [0x10, 13, 0, 4, 0x4D, 0x51, 0x54, 0x54, 5, flags, 0, 0, 0, 0, 0] }
        #expect(violation(connect(0x02)) == nil)
        #expect(violation(connect(0x03)) == .connectReserved)
        #expect(violation(connect(0x0A)) == .willQoSWithoutWill)
        #expect(violation(connect(0x22)) == .willRetainWithoutWill)
        #expect(violation(connect(0x1E)) == .willQoSThree)
    }

    @Test("[MQTT-3.3.1-2] [MQTT-3.3.1-4] [MQTT-2.2.1-3] [MQTT-3.3.2-2] [MQTT-1.5.4-2] PUBLISH that is refused")
    func malformedPublish() {
        #expect(violation([0x36, 6, 0, 1, 0x61, 0, 1, 0]) == .qosThree)
        #expect(violation([0x38, 4, 0, 1, 0x61, 0]) == .duplicateAtMostOnce)
        #expect(violation([0x32, 6, 0, 1, 0x61, 0, 0, 0]) == .zeroPacketIdentifier)
        #expect(violation([0x30, 4, 0, 1, 0x2B, 0]) == .wildcardInTopic)
        #expect(violation([0x30, 4, 0, 1, 0, 0]) == .nullInText)
        #expect(violation([0x30, 4, 0, 1, 0xFF, 0]) == .invalidText)
        #expect(violation([0x30, 3, 0, 0, 0]) == .emptyTopic)
        #expect(violation([0x30, 6, 0, 0, 3, 0x23, 0, 0]) == .zeroAlias)
        #expect(violation([0x30, 6, 0, 1, 0x61, 2, 0x0B, 1]) == .clientSubscriptionIdentifier)
        #expect(violation([0x30, 8, 0, 1, 0x61, 4, 1, 1, 1, 1]) == .repeatedProperty)
        #expect(violation([0x30, 6, 0, 1, 0x61, 2, 0x24, 1]) == .misplacedProperty)
    }

    @Test("[MQTT-2.1.3-1] [MQTT-3.8.1-1] [MQTT-1.5.5-1] fixed headers that are refused")
    func malformedHeads() {
        #expect(violation([0x00, 0]) == .reservedType)
        #expect(violation([0x80, 0]) == .reservedFlags)
        #expect(violation([0xC0, 0x80, 0x80, 0x80, 0x80, 1]) == .lengthTooLong)
        #expect(violation([0xC0, 0x80, 0]) == .lengthNotMinimal)
        #expect(violation([0xD0, 0]) == .wrongDirection)
        #expect(violation([0xF0, 0], .v311) == .authIn311)
    }

    @Test("[MQTT-3.8.3-2] [MQTT-3.8.3-4] [MQTT-3.8.3-5] [MQTT-3.10.3-2] subscriptions that are refused")
    func malformedSubscriptions() {
        #expect(violation([0x82, 3, 0, 1, 0]) == .noFilter)
        #expect(violation([0xA2, 3, 0, 1, 0]) == .noFilterToRemove)
        #expect(violation([0x82, 7, 0, 1, 0, 0, 1, 0x61, 0x40]) == .subscriptionReserved)
        #expect(violation([0x82, 7, 0, 1, 0, 0, 1, 0x61, 0x03]) == .subscriptionQoSThree)
        #expect(violation([0x82, 7, 0, 1, 0, 0, 1, 0x61, 0x30]) == .retainHandlingThree)
        let shared = [UInt8]("$share/g/a".utf8)
        #expect(violation([0x82, 16, 0, 1, 0, 0, 10] + shared + [4]) == .noLocalShared)
    }

    @Test("what is encoded decodes to the same, in both versions", arguments: ProtocolVersion.allCases)
    func roundTrips(version: ProtocolVersion) throws {
        let filter = try TopicFilter("a/+/#")
        let client: [Packet] = [
            .publish(Publish(topic: "a/b", payload: ByteBuffer(string: "x"), qos: .exactlyOnce, packetIdentifier: 7)),
            .pubAck(Acknowledgement(packetIdentifier: 1)), .pubRel(Acknowledgement(packetIdentifier: 65_535)),
            .subscribe(Subscribe(packetIdentifier: 2, requests: [.init(filter, .init(maximumQoS: .exactlyOnce))])),
            .unsubscribe(Unsubscribe(packetIdentifier: 3, filters: [filter])), .pingRequest, .disconnect(Disconnect()),
        ]
        for packet in client { #expect(try decode(encode(packet, version), version) == packet) }
        let server: [Packet] = [
            .connAck(ConnAck(sessionPresent: true)), .connAck(ConnAck(reason: .notAuthorized)), .pingResponse,
            .subAck(SubscriptionAcknowledgement(packetIdentifier: 2, reasons: [.grantedQoS2, .unspecifiedError])),
        ]
        for packet in server { #expect(try decode(encode(packet, version), version, from: .server) == packet) }
    }

    @Test("a PUBLISH fed byte by byte is found when its last byte comes, and never before")
    func byteByByte() throws {
        let bytes = encode(.publish(Publish(topic: "a/b", payload: ByteBuffer(repeating: 1, count: 300))))
        let scanner = PacketScanner(maximumPacketSize: 1000, version: .v5)
        for count in 0..<bytes.count {
            let result = try bytes[..<count].withUnsafeBytes { try scanner.scan($0) }
            guard case .incomplete(let missing) = result else {
                Issue.record("found in \(count) bytes")
                return
            }
            #expect(missing > 0 && missing <= bytes.count - count)
        }
        #expect(try bytes.withUnsafeBytes { try scanner.scan($0) } != .incomplete(missing: 1))
        let small = PacketScanner(maximumPacketSize: 100)
        #expect(throws: Violation.packetTooLarge) { try bytes[..<3].withUnsafeBytes { try small.scan($0) } }
    }

    @Test("[MQTT-3.3.2-6] [MQTT-3.3.2-17] a PUBLISH is passed on verbatim, re-headed or with other properties")
    func forwarding() throws {
        var properties = Properties()
        properties.messageExpiryInterval = 10
        properties.userProperties = [.init("a", "1"), .init("a", "2")]
        let packet = Publish(topic: "a/b", payload: ByteBuffer(string: "x"), properties: properties)
        let bytes = encode(.publish(packet))
        func forward(_ form: PublishForm) throws -> [UInt8] {
            try bytes.withUnsafeBytes { raw in
                guard case .packet(let head) = try PacketScanner(maximumPacketSize: 1000).scan(raw) else { return [] }
                var buffer = ByteBuffer()
                try PublishView(raw, head: head, version: .v5).write(as: form, into: &buffer)
                return Array(buffer.readableBytesView)
            }
        }
        #expect(try forward(PublishForm(version: .v5)) == bytes)
        var expected = packet
        expected.qos = .atLeastOnce
        expected.packetIdentifier = 9
        #expect(
            try forward(PublishForm(version: .v5, qos: .atLeastOnce, packetIdentifier: 9))
                == encode(.publish(expected)))
        expected = packet
        expected.properties = Properties()
        #expect(try forward(PublishForm(version: .v311)) == encode(.publish(expected), .v311))
        expected = packet
        expected.topic = ""
        expected.properties.topicAlias = 3
        expected.properties.subscriptionIdentifiers = [200]
        expected.properties.messageExpiryInterval = 6
        let form = PublishForm(
            version: .v5, topicAlias: 3, omitsTopic: true, subscriptionIdentifiers: [200], secondsWaited: 4)
        #expect(try decode(forward(form), from: .server) == .publish(expected))
    }
}
