// SPDX-License-Identifier: Apache-2.0
import MQTTAdapter
import NIOCore
import Testing

@Suite struct ConnectTests {
    // [MQTT-3.1.2-9 of 3.1.1] [MQTT-3.1.2-19 of 3.1.1] [MQTT-3.1.2-21 of 3.1.1] [MQTT-3.1.3-1 of 3.1.1]
    // [MQTT-3.1.3-3 of 3.1.1]
    @Test("fields of CONNECT of 3.1.1, in their order")
    func order311() throws {
        let bytes: [UInt8] = [
            0x10, 39, 0, 4, 0x4D, 0x51, 0x54, 0x54, 4, 0xF4, 0, 30, 0, 4, 0x64, 0x65, 0x76, 0x31,  // dev1
            0, 7, 0x67, 0x6F, 0x6E, 0x65, 0x2F, 0xC3, 0xA9, 0, 2, 0, 255,  // gone/é and the will's payload
            0, 4, 0x75, 0x73, 0x65, 0x72, 0, 2, 0, 255,  // user and the password
        ]
        let packet = Packet.connect(Sample.fullConnect(.v311))
        #expect(encode(packet, .v311) == bytes)
        #expect(try decode(bytes, .v311) == packet)
    }

    @Test("[MQTT-3.1.2-9] [MQTT-3.1.2-17] [MQTT-3.1.2-19] [MQTT-3.1.3-1] [MQTT-3.1.3-3] a CONNECT of 5 with everything")
    func everything() throws {
        let packet = Packet.connect(Sample.fullConnect(.v5))
        let bytes = encode(packet)
        #expect(try decode(bytes) == packet)
        let texts = ["SCRAM-SHA-256", "dev1", "text/plain", "gone/", "user"].map { Array($0.utf8) }
        let places = texts.map { text in bytes.indices.first { bytes[$0...].starts(with: text) } ?? -1 }
        #expect(places == places.sorted() && places[0] > 0)
    }

    // [MQTT-3.1.2-11 of 3.1.1] [MQTT-3.1.2-13 of 3.1.1] [MQTT-3.1.2-14 of 3.1.1] [MQTT-3.1.2-15 of 3.1.1]
    // [MQTT-3.1.2-18 of 3.1.1] [MQTT-3.1.2-20 of 3.1.1] [MQTT-3.1.2-22 of 3.1.1] [MQTT-3.1.2-3 of 3.1.1]
    @Test(
        """
        [MQTT-3.1.2-3] [MQTT-3.1.2-11] [MQTT-3.1.2-12] [MQTT-3.1.2-13] [MQTT-3.1.2-16] [MQTT-3.1.2-18] each byte of flags
        of CONNECT, with the fields that it announces
        """, arguments: ProtocolVersion.allCases)
    func flags(version: ProtocolVersion) {
        let none: [UInt8] = version == .v5 ? [0] : []
        let field: [UInt8] = [0, 1, 0x61]
        for flags in UInt8(0)...255 {
            let (hasWill, hasPassword, hasUser) = (flags & 4 != 0, flags & 0x40 != 0, flags & 0x80 != 0)
            var body: [UInt8] = [0, 4, 0x4D, 0x51, 0x54, 0x54, version.rawValue, flags, 0, 0] + none + field
            if hasWill { body += none + field + field }
            if hasUser { body += field }
            if hasPassword { body += field }
            let found = violation([0x10, UInt8(body.count)] + body, version)
            let isValid =
                flags & 1 == 0 && (hasWill ? flags & 0x18 != 0x18 : flags & 0x38 == 0)
                && (version == .v5 || !hasPassword || hasUser)
            #expect((found == nil) == isValid, "flags \(flags)")
            // A field that was not announced, and one that is not there.
            #expect(violation([0x10, UInt8(body.count + 3)] + body + field, version) != nil)
            #expect(violation([0x10, UInt8(body.count - 1)] + body.dropLast(), version) != nil)
        }
    }

    // [MQTT-3.1.2-1 of 3.1.1] [MQTT-3.1.2-2 of 3.1.1]
    @Test("[MQTT-3.1.2-1] [MQTT-3.1.2-2] names and versions of other protocols")
    func versions() {
        func connect(_ name: String, _ level: UInt8) -> Violation? {
            let none: [UInt8] = level == 5 ? [0] : []
            let body = [0, UInt8(name.utf8.count)] + name.utf8 + [level, 2, 0, 0] + none + [0, 0]
            return violation([0x10, UInt8(body.count)] + body)
        }
        #expect(connect("MQTT", 4) == nil)
        #expect(connect("MQTT", 5) == nil)
        for level in UInt8(0)...255 where level != 4 && level != 5 { #expect(connect("MQTT", level) == .protocolLevel) }
        for name in ["", "MQIsdp", "mqtt", "MQTT ", "MQT"] { #expect(connect(name, 4) == .protocolName) }
        #expect(Violation.protocolLevel.reason == .unsupportedProtocolVersion)
        #expect(Violation.protocolName.reason == .unsupportedProtocolVersion)
    }

    // [MQTT-3.1.3-7 of 3.1.1] [MQTT-3.1.3-8 of 3.1.1] [MQTT-3.1.3-5 of 3.1.1]
    @Test("[MQTT-3.1.3-5] client identifiers: none with a kept session of 3.1.1 is refused, all others come through")
    func clientIdentifiers() throws {
        let empty = Connect(version: .v311, cleanStart: false)
        #expect(violation(encode(.connect(empty), .v311), .v311) == .emptyIdentifierKept)
        #expect(Violation.emptyIdentifierKept.reason == .clientIdentifierNotValid)
        #expect(violation(encode(.connect(Connect(version: .v311)), .v311), .v311) == nil)
        #expect(violation(encode(.connect(Connect(version: .v5, cleanStart: false)))) == nil)
        for identifier in ["0123456789abcdefghijklm", "nopqrstuvwxyzABCDEFGHIJ", "KLMNOPQRSTUVWXYZ", "\u{1F600}"] {
            for version in ProtocolVersion.allCases {
                let packet = Packet.connect(Connect(version: version, clientIdentifier: identifier))
                #expect(try decode(encode(packet, version), version) == packet)
            }
        }
    }

    @Test("wills that are refused", arguments: ProtocolVersion.allCases)
    func wills(version: ProtocolVersion) {
        func connect(_ topic: String) -> Violation? {
            let will = Will(topic: topic, payload: ByteBuffer())
            return violation(encode(.connect(Connect(version: version, will: will)), version), version)
        }
        #expect(connect("a") == nil)
        #expect(connect("") == .emptyTopic)
        #expect(connect("a/#") == .wildcardInTopic)
        #expect(connect("+") == .wildcardInTopic)
    }

    @Test("CONNACK with all properties, exact bytes of a short one")
    func connAcks() throws {
        let packet = Packet.connAck(ConnAck(sessionPresent: true, properties: Sample.everyConnAckProperty))
        #expect(try decode(encode(packet), from: .server) == packet)
        var properties = Properties()
        properties.maximumQoSIsOne = true
        properties.topicAliasMaximum = 16
        properties.assignedClientIdentifier = "ab"
        let bytes: [UInt8] = [0x20, 13, 0, 0, 10, 0x12, 0, 2, 0x61, 0x62, 0x22, 0, 16, 0x24, 1]
        #expect(encode(.connAck(ConnAck(properties: properties))) == bytes)
        #expect(encode(.connAck(ConnAck(sessionPresent: true)), .v311) == [0x20, 2, 1, 0])
    }

    @Test("[MQTT-3.15.2-1] [MQTT-4.12.0-2] AUTH: its method is needed, unless it ends a re-authentication")
    func auth() throws {
        #expect(try decode([0xF0, 0], from: .server) == .auth(Auth(reason: .success, properties: Properties())))
        #expect(encode(.auth(Auth(reason: .success, properties: Properties()))) == [0xF0, 0])
        #expect(violation([0xF0, 0]) == .unknownReason)
        for code in [0x18, 0x19] as [UInt8] {
            #expect(violation([0xF0, 2, code, 0]) == .authenticationMethodMissing)
            #expect(violation([0xF0, 1, code]) == .authenticationMethodMissing)
        }
        #expect(violation([0xF0, 2, 0x18, 0], from: .server) == .authenticationMethodMissing)
        #expect(violation([0xF0, 0], .v311) == .authIn311)
        let bytes: [UInt8] = [0xF0, 11, 0x18, 9, 0x15, 0, 1, 0x78, 0x16, 0, 2, 1, 2]
        guard case .auth(let packet) = try decode(bytes) else {
            Issue.record("not an AUTH")
            return
        }
        #expect(packet.properties.authenticationMethod == "x" && packet.properties.authenticationData == [1, 2])
        #expect(encode(.auth(packet)) == bytes)
    }
}
