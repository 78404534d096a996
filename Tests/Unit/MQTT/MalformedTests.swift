// SPDX-License-Identifier: Apache-2.0
import MQTTAdapter
import NIOCore
import Testing

/// Packets that break the format in any place.
@Suite struct MalformedTests {
    // [MQTT-4.8.0-1 of 3.1.1] [MQTT-3.1.4-1 of 3.1.1]
    @Test(
        "[MQTT-3.1.4-1] [MQTT-4.13.1-1] a packet that is cut anywhere is refused, or is shorter", arguments: Sample.all)
    func cut(sample: Sample) throws {
        let body = try body(of: sample)
        for length in body.indices {
            let shorter = framed(sample.bytes[0], Array(body[..<length]))
            guard let packet = try? decode(shorter, sample.version, from: sample.sender) else { continue }
            #expect(packet.type == sample.packet.type && packet != sample.packet)
            #expect(endsAnywhere(sample), "\(length) of \(body.count) bytes are a packet")
        }
    }

    @Test("a packet with a byte too many is refused", arguments: Sample.all)
    func surplus(sample: Sample) throws {
        let body = try body(of: sample)
        let longer = framed(sample.bytes[0], body + [0])
        let packet = try? decode(longer, sample.version, from: sample.sender)
        #expect((packet != nil) == isOpen(sample))
    }

    @Test("packets that go one way only", arguments: Sample.all)
    func directions(sample: Sample) {
        let other: Sender = sample.sender == .client ? .server : .client
        guard !sample.packet.type.maySend(other, sample.version) else { return }
        #expect(violation(sample.bytes, sample.version, from: other) == .wrongDirection)
    }

    // [MQTT-2.3.1-1 of 3.1.1]
    @Test("[MQTT-2.2.1-3] [MQTT-2.2.1-4] packet identifier 0 is refused", arguments: ProtocolVersion.allCases)
    func zeroIdentifiers(version: ProtocolVersion) {
        let filter: [UInt8] = [0, 1, 0x61]
        let none: [UInt8] = version == .v5 ? [0] : []
        for (first, rest, sender) in [
            (0x32, [0, 1, 0x61, 0, 0] + none, .client), (0x34, [0, 1, 0x61, 0, 0] + none, .server),
            (0x40, [0, 0], .client), (0x50, [0, 0], .server), (0x62, [0, 0], .client), (0x70, [0, 0], .server),
            (0x82, [0, 0] + none + filter + [0], .client), (0xA2, [0, 0] + none + filter, .client),
            (0x90, [0, 0] + none + [0], .server), (0xB0, [0, 0] + none + (version == .v5 ? [0] : []), .server),
        ] as [(UInt8, [UInt8], Sender)] {
            #expect(violation([first, UInt8(rest.count)] + rest, version, from: sender) == .zeroPacketIdentifier)
        }
    }

    // [MQTT-3.3.1-4 of 3.1.1] [MQTT-3.3.1-2 of 3.1.1] [MQTT-3.3.2-2 of 3.1.1] [MQTT-4.7.1-1 of 3.1.1]
    // [MQTT-4.7.3-1 of 3.1.1]
    @Test(
        "[MQTT-3.3.1-4] [MQTT-3.3.1-2] [MQTT-3.3.2-2] [MQTT-4.7.0-1] [MQTT-4.7.3-1] PUBLISH whose head or topic is wrong",
        arguments: ProtocolVersion.allCases)
    func publishes(version: ProtocolVersion) {
        let none: [UInt8] = version == .v5 ? [0] : []
        func publish(_ flags: UInt8, _ topic: String) -> Violation? {
            let identifier: [UInt8] = flags & 6 == 0 ? [] : [0, 1]
            let body = [0, UInt8(topic.utf8.count)] + topic.utf8 + identifier + none
            return violation([0x30 | flags, UInt8(body.count)] + body, version)
        }
        for flags in [0, 1, 2, 3, 4, 5, 10, 11, 12, 13] as [UInt8] { #expect(publish(flags, "a") == nil) }
        for flags in [6, 7, 14, 15] as [UInt8] { #expect(publish(flags, "a") == .qosThree) }
        for flags in [8, 9] as [UInt8] { #expect(publish(flags, "a") == .duplicateAtMostOnce) }
        for topic in ["#", "+", "a/#", "a/+/b", "a+", "a#", "0123456789+", "0123456#", "\u{E9}+"] {
            #expect(publish(0, topic) == .wildcardInTopic)
        }
        #expect(publish(0, "") == .emptyTopic)
    }

    // [MQTT-3.8.3-3 of 3.1.1] [MQTT-3.8.3-4 of 3.1.1] [MQTT-3.10.3-2 of 3.1.1]
    @Test("SUBSCRIBE and UNSUBSCRIBE of 3.1.1 that are refused")
    func subscriptions311() {
        #expect(violation([0x82, 2, 0, 1], .v311) == .noFilter)
        #expect(violation([0xA2, 2, 0, 1], .v311) == .noFilterToRemove)
        for options in UInt8(0)...255 {
            let expected: Violation? = options < 3 ? nil : options == 3 ? .subscriptionQoSThree : .subscriptionReserved
            #expect(violation([0x82, 6, 0, 1, 0, 1, 0x61, options], .v311) == expected)
        }
    }

    // [MQTT-3.8.3-1 of 3.1.1]
    @Test("[MQTT-3.8.3-5] each byte of options of SUBSCRIBE")
    func subscriptionOptions() throws {
        for options in UInt8(0)...255 {
            let found = violation([0x82, 7, 0, 1, 0, 0, 1, 0x61, options])
            let isValid = options & 0xC0 == 0 && options & 3 != 3 && options >> 4 & 3 != 3
            #expect((found == nil) == isValid)
            if options & 0xC0 != 0 { #expect(found == .subscriptionReserved) }
            guard isValid, case .subscribe(let packet) = try decode([0x82, 7, 0, 1, 0, 0, 1, 0x61, options]) else {
                continue
            }
            #expect(encode(.subscribe(packet)).last == options)
            #expect(packet.requests[0].options.noLocal == (options & 4 != 0))
            #expect(packet.requests[0].options.retainAsPublished == (options & 8 != 0))
        }
    }

    @Test("[MQTT-4.7.3-1] an empty filter, and one with too many levels", arguments: ProtocolVersion.allCases)
    func filters(version: ProtocolVersion) {
        let none: [UInt8] = version == .v5 ? [0] : []
        #expect(violation([0x82, UInt8(5 + none.count), 0, 1] + none + [0, 0, 0], version) == .emptyFilter)
        #expect(violation([0xA2, UInt8(4 + none.count), 0, 1] + none + [0, 0], version) == .emptyFilter)
        let deepest = Array(repeating: "+", count: TopicRules.maximumLevels).joined(separator: "/")
        #expect(throws: Never.self) { try TopicFilter(deepest) }
        #expect(throws: Violation.tooManyLevels) { try TopicFilter(deepest + "/+") }
        #expect(throws: Violation.tooManyLevels) { try TopicFilter(String(repeating: "/", count: 65_535)) }
    }

    // [MQTT-3.2.2-4 of 3.1.1]
    @Test("[MQTT-3.2.2-1] [MQTT-3.2.2-6] flags of CONNACK", arguments: ProtocolVersion.allCases)
    func connAcks(version: ProtocolVersion) {
        let none: [UInt8] = version == .v5 ? [0] : []
        let refused: UInt8 = version == .v5 ? 0x80 : 3
        for flags in UInt8(2)...255 {
            #expect(
                violation([0x20, UInt8(2 + none.count), flags, 0] + none, version, from: .server) == .connAckReserved)
        }
        let present = [0x20, UInt8(2 + none.count), 1, refused] + none
        #expect(violation(present, version, from: .server) == .sessionPresentOnFailure)
        let packet = Packet.connAck(ConnAck(sessionPresent: true, reason: .notAuthorized))
        #expect(encode(packet, version)[2] == 0)
    }

    private func body(of sample: Sample) throws -> [UInt8] {
        let bytes = sample.bytes
        let scanner = PacketScanner(maximumPacketSize: PacketScanner.largestPacket)
        guard case .packet(let head) = try bytes.withUnsafeBytes({ try scanner.scan($0) }) else {
            throw Violation.truncated
        }
        return Array(bytes[head.length...])
    }

    private func framed(_ first: UInt8, _ body: [UInt8]) -> [UInt8] {
        var buffer = ByteBuffer(bytes: [first])
        VariableByteInteger.write(UInt32(body.count), into: &buffer)
        return Array(buffer.readableBytesView) + body
    }

    /// Whether a part of the packet can be a packet: what follows is optional, or as long as the packet.
    private func endsAnywhere(_ sample: Sample) -> Bool {
        switch sample.packet.type {
        case .publish, .subAck, .subscribe, .unsubscribe, .unsubAck: true
        case .pubAck, .pubRec, .pubRel, .pubComp, .disconnect, .auth: sample.version == .v5
        default: false
        }
    }

    /// Whether any byte may follow.
    private func isOpen(_ sample: Sample) -> Bool {
        switch sample.packet.type {
        case .publish, .subAck: true
        case .unsubAck: sample.version == .v5
        // The short form of an acknowledgement goes on with a reason.
        case .pubAck: sample.version == .v5 && sample.bytes.count == 4
        default: false
        }
    }
}
