// SPDX-License-Identifier: Apache-2.0
import MQTTAdapter
import NIOCore
import Testing

/// A PUBLISH from its publisher to a subscriber.
@Suite struct ForwardingTests {
    private func publish(
        _ qos: QualityOfService = .atMostOnce, isDuplicate: Bool = false, retain: Bool = false,
        properties: Properties = Sample.everyMessageProperty
    ) -> Publish {
        Publish(
            topic: "a/b", payload: ByteBuffer(string: "payload"), qos: qos, retain: retain, isDuplicate: isDuplicate,
            packetIdentifier: qos == .atMostOnce ? 0 : 77, properties: properties)
    }

    private func forward(
        _ bytes: [UInt8], _ form: PublishForm, from version: ProtocolVersion = .v5, topic: String? = nil
    ) throws -> [UInt8] {
        try bytes.withUnsafeBytes { raw in
            guard case .packet(let head) = try PacketScanner(maximumPacketSize: 10_000, version: version).scan(raw)
            else {
                throw Violation.truncated
            }
            var buffer = ByteBuffer()
            let view = try PublishView(raw, head: head, version: version)
            Array((topic ?? "").utf8).withUnsafeBytes {
                view.write(as: form, topic: topic == nil ? nil : $0, into: &buffer)
            }
            return Array(buffer.readableBytesView)
        }
    }

    @Test(
        """
        [MQTT-3.3.2-4] [MQTT-3.3.2-15] [MQTT-3.3.2-16] [MQTT-3.3.2-17] [MQTT-3.3.2-18] [MQTT-3.3.2-20] properties are passed
        on as they came, in their order
        """, arguments: QualityOfService.allCases)
    func properties(qos: QualityOfService) throws {
        let bytes = encode(.publish(publish()))
        for form in [
            PublishForm(version: .v5, qos: qos, packetIdentifier: 3),
            PublishForm(version: .v5, qos: qos, packetIdentifier: 3, subscriptionIdentifiers: [5]),
            PublishForm(version: .v5, qos: qos, packetIdentifier: 3, topicAlias: 1, secondsWaited: 1),
        ] {
            guard case .publish(let packet) = try decode(forward(bytes, form), from: .server) else {
                Issue.record("not a PUBLISH")
                return
            }
            var expected = Sample.everyMessageProperty
            expected.subscriptionIdentifiers = form.subscriptionIdentifiers
            expected.topicAlias = form.topicAlias == 0 ? nil : form.topicAlias
            expected.messageExpiryInterval = 60 - form.secondsWaited
            #expect(packet.properties == expected)
            #expect(packet.topic == "a/b" && packet.payload == ByteBuffer(string: "payload"))
        }
    }

    // [MQTT-3.3.1-3 of 3.1.1] [MQTT-3.3.1-1 of 3.1.1] [MQTT-2.3.1-5 of 3.1.1] [MQTT-4.3.1-1 of 3.1.1]
    @Test(
        """
        [MQTT-3.3.1-1] [MQTT-3.3.1-2] [MQTT-3.3.1-3] [MQTT-2.2.1-2] [MQTT-4.3.1-1] [MQTT-4.3.2-2] [MQTT-4.3.3-2] the head is
        the subscriber's own
        """, arguments: ProtocolVersion.allCases)
    func heads(version: ProtocolVersion) throws {
        for incoming in QualityOfService.allCases {
            for isDuplicate in [false, true] where incoming != .atMostOnce || !isDuplicate {
                let packet = publish(incoming, isDuplicate: isDuplicate, retain: true, properties: Properties())
                let bytes = encode(.publish(packet), version)
                for outgoing in QualityOfService.allCases {
                    for resends in [false, true] {
                        let form = PublishForm(
                            version: version, qos: outgoing, packetIdentifier: 9, retain: false, isDuplicate: resends)
                        let written = try forward(bytes, form, from: version)
                        let duplicate: UInt8 = resends && outgoing != .atMostOnce ? 8 : 0
                        #expect(written[0] == 0x30 | duplicate | outgoing.rawValue << 1)
                        let identifier: [UInt8] = outgoing == .atMostOnce ? [] : [0, 9]
                        let none: [UInt8] = version == .v5 ? [0] : []
                        #expect(Array(written[2...]) == [0, 3] + "a/b".utf8 + identifier + none + "payload".utf8)
                    }
                }
            }
        }
    }

    @Test("[MQTT-3.3.2-6] the expiry is less by the time waited, and never below zero")
    func expiry() throws {
        for (waited, left) in [(0, 60), (1, 59), (60, 0), (61, 0), (UInt32.max, 0)] as [(UInt32, UInt32)] {
            let form = PublishForm(version: .v5, secondsWaited: waited)
            guard case .publish(let packet) = try decode(forward(encode(.publish(publish())), form), from: .server)
            else {
                Issue.record("not a PUBLISH")
                return
            }
            #expect(packet.properties.messageExpiryInterval == left)
        }
    }

    @Test("a publisher's alias is no subscriber's")
    func aliases() throws {
        var incoming = publish(properties: Properties())
        incoming.topic = ""
        incoming.properties.topicAlias = 4
        let written = try forward(encode(.publish(incoming)), PublishForm(version: .v5), topic: "a/b")
        #expect(try decode(written, from: .server) == .publish(publish(properties: Properties())))
        let old = try forward(encode(.publish(incoming)), PublishForm(version: .v311), topic: "a/b")
        #expect(try decode(old, .v311, from: .server) == .publish(publish(properties: Properties())))
    }

    @Test(
        "what has a longer head than it needs is written anew", arguments: [[0x8C, 0], [0x8C, 0x80, 0]] as [[UInt8]])
    func longHeads(length: [UInt8]) throws {
        let body = [0, 3] + Array("a/bpayload".utf8)
        let written = try forward([0x30] + length + body, PublishForm(version: .v311), from: .v311)
        #expect(written == [0x30, 12] + body)
    }
}
