// SPDX-License-Identifier: Apache-2.0
import MQTTAdapter
import NIOCore
import Testing

/// Strings of UTF-8, in each place where one can stand.
@Suite struct TextTests {
    private static let marker = "TEXT"
    private static let malformed: [[UInt8]] = [
        [0x80], [0xC0, 0x80], [0xC1, 0xBF], [0xE0, 0x80, 0x80], [0xF0, 0x80, 0x80, 0x80], [0xC2], [0xE2, 0x82],
        [0xED, 0xA0, 0x80], [0xED, 0xBF, 0xBF], [0xF4, 0x90, 0x80, 0x80], [0xF8, 0x88, 0x80, 0x80], [0xFE], [0xFF],
    ]

    // [MQTT-1.5.3-1 of 3.1.1] [MQTT-3.1.3-4 of 3.1.1] [MQTT-3.1.3-10 of 3.1.1] [MQTT-3.1.3-11 of 3.1.1]
    // [MQTT-3.3.2-1 of 3.1.1] [MQTT-3.8.3-1 of 3.1.1] [MQTT-3.10.3-1 of 3.1.1]
    // [MQTT-3.1.3-4] [MQTT-3.1.3-11] [MQTT-3.1.3-12] [MQTT-3.3.2-1] [MQTT-3.3.2-13] [MQTT-3.3.2-19]
    // [MQTT-3.8.3-1] [MQTT-3.10.3-1]
    @Test("[MQTT-1.5.4-1] [MQTT-1.5.7-1] what is not UTF-8 is refused in every string", arguments: places)
    func refusesMalformed(sample: Sample) {
        for text in Self.malformed {
            // At its end, where a sequence is cut, and within, where eight bytes are looked at together.
            for padded in [text, text + [0x61], Array("0123456789".utf8) + text + Array("0123456789".utf8)] {
                #expect(violation(replacing(sample, by: padded), sample.version, from: sample.sender) == .invalidText)
            }
        }
    }

    // [MQTT-1.5.3-2 of 3.1.1] [MQTT-4.7.3-2 of 3.1.1]
    @Test("[MQTT-1.5.4-2] [MQTT-4.7.3-2] U+0000 is refused in every string", arguments: places)
    func refusesNull(sample: Sample) {
        for text in [[0], [0x61, 0], Array("01234567\0".utf8), Array("\0123456789".utf8)] as [[UInt8]] {
            #expect(violation(replacing(sample, by: text), sample.version, from: sample.sender) == .nullInText)
        }
    }

    // [MQTT-1.5.3-3 of 3.1.1]
    @Test("[MQTT-1.5.4-3] a byte order mark stays what it is", arguments: places)
    func keepsByteOrderMarks(sample: Sample) throws {
        let text = "\u{FEFF}x\u{FEFF}\u{10FFFF}\u{7F}"
        let bytes = replacing(sample, by: Array(text.utf8))
        let packet = try decode(bytes, sample.version, from: sample.sender)
        #expect(encode(packet, sample.version) == bytes)
    }

    // [MQTT-4.7.3-3 of 3.1.1]
    @Test("[MQTT-4.7.3-3] a string is cut before 65,536 bytes, between characters, wherever it stands")
    func cutsLongText() throws {
        let longest = String(repeating: "a", count: 65_535)
        var properties = Properties()
        for text in [longest, longest + "b", String(repeating: "\u{E9}", count: 40_000)] {
            properties.reasonString = text
            properties.userProperties = [.init(text, text)]
            let packet = Packet.disconnect(Disconnect(reason: .unspecifiedError, properties: properties))
            guard case .disconnect(let again) = try decode(encode(packet)) else {
                Issue.record("not a DISCONNECT")
                return
            }
            let cut = text.utf8.first == 0x61 ? longest : String(repeating: "\u{E9}", count: 32_767)
            #expect(again.properties.reasonString == cut)
            #expect(again.properties.userProperties == [.init(cut, cut)])
        }
        properties = Properties()
        properties.authenticationMethod = "x"
        properties.authenticationData = Array(repeating: 1, count: 70_000)
        let packet = Packet.auth(Auth(reason: .reauthenticate, properties: properties))
        guard case .auth(let again) = try decode(encode(packet)) else {
            Issue.record("not an AUTH")
            return
        }
        #expect(again.properties.authenticationData?.count == 65_535)
        #expect(throws: Violation.self) { try TopicFilter(longest + "b") }
    }

    /// Packets with one string of the text `marker` each.
    static let places: [Sample] = {
        let text = marker
        var samples: [Sample] = []
        for version in ProtocolVersion.allCases {
            func add(_ packet: Packet, _ sender: Sender = .client) {
                samples.append(Sample(packet, version, from: sender))
            }
            var connect = Connect(version: version, clientIdentifier: text)
            add(.connect(connect))
            connect.clientIdentifier = ""
            connect.userName = text
            add(.connect(connect))
            connect.userName = nil
            connect.will = Will(topic: text, payload: ByteBuffer())
            add(.connect(connect))
            add(.publish(Publish(topic: text, payload: ByteBuffer())))
            add(.publish(Publish(topic: text, payload: ByteBuffer(), qos: .exactlyOnce, packetIdentifier: 1)), .server)
            guard let filter = try? TopicFilter(text) else { continue }
            add(.subscribe(Subscribe(packetIdentifier: 1, requests: [.init(filter)])))
            add(.unsubscribe(Unsubscribe(packetIdentifier: 1, filters: [filter])))
        }
        func properties(_ set: (inout Properties) -> Void) -> Properties {
            var properties = Properties()
            set(&properties)
            return properties
        }
        let name = properties { $0.userProperties = [.init(text, "")] }
        let value = properties { $0.userProperties = [.init("", text)] }
        let reason = properties { $0.reasonString = text }
        for properties in [
            name, value, properties { $0.contentType = text }, properties { $0.responseTopic = text },
        ] {
            samples.append(
                Sample(.publish(Publish(topic: "a", payload: ByteBuffer(), properties: properties)), .v5, from: .client)
            )
            let will = Will(topic: "a", payload: ByteBuffer(), properties: properties)
            samples.append(Sample(.connect(Connect(version: .v5, will: will)), .v5, from: .client))
        }
        for properties in [
            name, value, reason, properties { $0.assignedClientIdentifier = text },
            properties { $0.responseInformation = text }, properties { $0.serverReference = text },
            properties { $0.authenticationMethod = text },
        ] {
            samples.append(Sample(.connAck(ConnAck(properties: properties)), .v5, from: .server))
        }
        for properties in [name, value, reason] {
            let packet = Packet.disconnect(Disconnect(reason: .unspecifiedError, properties: properties))
            samples.append(Sample(packet, .v5, from: .client))
            samples.append(
                Sample(
                    .subAck(.init(packetIdentifier: 1, reasons: [.success], properties: properties)), .v5, from: .server
                ))
            samples.append(
                Sample(
                    .unsubAck(.init(packetIdentifier: 1, reasons: [.success], properties: properties)), .v5,
                    from: .server))
            let acknowledgement = Acknowledgement(
                packetIdentifier: 1, reasonString: properties.reasonString, userProperties: properties.userProperties)
            samples.append(Sample(.pubRec(acknowledgement), .v5, from: .client))
        }
        return samples
    }()

    /// The sample's bytes with other text in the marker's place; all lengths are one byte, or two in front of the text.
    private func replacing(_ sample: Sample, by text: [UInt8]) -> [UInt8] {
        let bytes = sample.bytes
        let marker = Array(Self.marker.utf8)
        guard let place = bytes.indices.first(where: { bytes[$0...].starts(with: marker) }) else { return [] }
        let growth = text.count - marker.count
        var changed = bytes
        changed.replaceSubrange(place..<place + marker.count, with: text)
        changed[place - 1] = UInt8(text.count)
        changed[1] = UInt8(Int(changed[1]) + growth)
        if let length = propertyLength(sample, bytes, before: place) {
            changed[length] = UInt8(Int(changed[length]) + growth)
        }
        return changed
    }

    /// Where the property length is, if the text at `place` is within the properties.
    private func propertyLength(_ sample: Sample, _ bytes: [UInt8], before place: Int) -> Int? {
        guard sample.version == .v5 else { return nil }
        let index: Int
        switch sample.packet {
        case .connect(let packet):
            guard packet.will != nil, packet.will?.properties != Properties() else { return nil }
            // Fixed header, name, level, flags, keep-alive, no properties, no identifier.
            index = 2 + 6 + 1 + 1 + 2 + 1 + 2
        case .publish(let packet):
            guard packet.properties != Properties() else { return nil }
            index = 2 + 3
        case .connAck, .subAck, .unsubAck: index = 4
        case .disconnect: index = 3
        case .pubRec: index = 5
        default: return nil
        }
        return index < place ? index : nil
    }
}
