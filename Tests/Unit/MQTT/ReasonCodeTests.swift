// SPDX-License-Identifier: Apache-2.0
import MQTTAdapter
import Testing

/// The reason codes of each packet, from the tables of sections 3.2.2.2 to 3.15.2.1.
@Suite struct ReasonCodeTests {
    private static let connAck: Set<UInt8> = [
        0x00, 0x80, 0x81, 0x82, 0x83, 0x84, 0x85, 0x86, 0x87, 0x88, 0x89, 0x8A, 0x8C, 0x90, 0x95, 0x97, 0x99, 0x9A,
        0x9B,
        0x9C, 0x9D, 0x9F,
    ]
    private static let pubAck: Set<UInt8> = [0x00, 0x10, 0x80, 0x83, 0x87, 0x90, 0x91, 0x97, 0x99]
    private static let pubRel: Set<UInt8> = [0x00, 0x92]
    private static let subAck: Set<UInt8> = [0, 1, 2, 0x80, 0x83, 0x87, 0x8F, 0x91, 0x97, 0x9E, 0xA1, 0xA2]
    private static let unsubAck: Set<UInt8> = [0x00, 0x11, 0x80, 0x83, 0x87, 0x8F, 0x91]
    private static let clientDisconnect: Set<UInt8> = [
        0x00, 0x04, 0x80, 0x81, 0x82, 0x83, 0x90, 0x93, 0x94, 0x95, 0x96, 0x97, 0x98, 0x99,
    ]
    /// Table 3-10, and 0x8C, which table 2-6 lists for DISCONNECT.
    private static let serverDisconnect: Set<UInt8> = [
        0x80, 0x81, 0x82, 0x83, 0x87, 0x89, 0x8B, 0x8C, 0x8D, 0x8E, 0x8F, 0x90, 0x93, 0x94, 0x95, 0x96, 0x97, 0x98,
        0x99,
        0x9A, 0x9B, 0x9C, 0x9D, 0x9E, 0x9F, 0xA0, 0xA1, 0xA2,
    ]

    /// A packet with `code` where its reason stands.
    private struct Place: Sendable, CustomTestStringConvertible {
        let name: String
        let sender: Sender
        let codes: Set<UInt8>
        let packet: @Sendable (UInt8) -> [UInt8]
        var testDescription: String { "\(name) \(sender)" }
    }

    private static let places: [Place] = {
        let method: [UInt8] = [0x15, 0, 1, 0x78]
        var places = [
            Place(name: "CONNACK", sender: .server, codes: connAck) { [0x20, 3, 0, $0, 0] },
            Place(name: "SUBACK", sender: .server, codes: subAck) { [0x90, 4, 0, 1, 0, $0] },
            Place(name: "UNSUBACK", sender: .server, codes: unsubAck) { [0xB0, 4, 0, 1, 0, $0] },
            Place(name: "DISCONNECT", sender: .client, codes: clientDisconnect) { [0xE0, 1, $0] },
            Place(name: "DISCONNECT", sender: .server, codes: serverDisconnect) { [0xE0, 2, $0, 0] },
            Place(name: "AUTH", sender: .client, codes: [0x18, 0x19]) { [0xF0, 6, $0, 4] + method },
            Place(name: "AUTH", sender: .server, codes: [0x00, 0x18]) { [0xF0, 6, $0, 4] + method },
        ]
        for sender in [Sender.client, .server] {
            places += [
                Place(name: "PUBACK", sender: sender, codes: pubAck) { [0x40, 3, 0, 1, $0] },
                Place(name: "PUBREC", sender: sender, codes: pubAck) { [0x50, 4, 0, 1, $0, 0] },
                Place(name: "PUBREL", sender: sender, codes: pubRel) { [0x62, 3, 0, 1, $0] },
                Place(name: "PUBCOMP", sender: sender, codes: pubRel) { [0x70, 4, 0, 1, $0, 0] },
            ]
        }
        return places
    }()

    // [MQTT-4.12.0-2] [MQTT-4.12.0-3] AUTH has "continue" from both sides.
    @Test(
        """
        [MQTT-3.2.2-8] [MQTT-3.4.2-1] [MQTT-3.5.2-1] [MQTT-3.6.2-1] [MQTT-3.7.2-1] [MQTT-3.9.3-2] [MQTT-3.11.3-2]
        [MQTT-3.14.2-1] [MQTT-3.15.2-1] a packet has the reason codes of its table and no others
        """, arguments: places)
    private func tables(place: Place) {
        for code in UInt8(0)...255 {
            let expected: Violation? = place.codes.contains(code) ? nil : .unknownReason
            #expect(violation(place.packet(code), from: place.sender) == expected, "0x\(String(code, radix: 16))")
        }
    }

    // [MQTT-3.9.3-2 of 3.1.1]
    @Test("SUBACK and CONNACK of 3.1.1 have the codes of their tables and no others")
    func tables311() {
        for code in UInt8(0)...255 {
            let isSubAck = [0, 1, 2, 0x80].contains(code)
            #expect((violation([0x90, 3, 0, 1, code], .v311, from: .server) == nil) == isSubAck)
            #expect((violation([0x20, 2, 0, code], .v311, from: .server) == nil) == (code < 6))
        }
        let reasons: [ReasonCode] = [.grantedQoS2, .notAuthorized, .quotaExceeded]
        let packet = Packet.subAck(SubscriptionAcknowledgement(packetIdentifier: 1, reasons: reasons))
        #expect(encode(packet, .v311) == [0x90, 5, 0, 1, 2, 0x80, 0x80])
    }

    // [MQTT-3.2.2-6 of 3.1.1] [MQTT-3.1.3-9 of 3.1.1] [MQTT-3.1.2-2 of 3.1.1]
    @Test("CONNACK of 3.1.1 says what 5 says, where it can")
    func returnCodes() {
        for code in ConnectReturnCode.allCases { #expect(ConnectReturnCode(code.reason) == code) }
        #expect(ConnectReturnCode(.unsupportedProtocolVersion)?.rawValue == 1)
        #expect(ConnectReturnCode(.clientIdentifierNotValid)?.rawValue == 2)
        #expect(ConnectReturnCode(.serverBusy)?.rawValue == 3)
        #expect(ConnectReturnCode(.badUserNameOrPassword)?.rawValue == 4)
        #expect(ConnectReturnCode(.banned)?.rawValue == 5)
        for reason in [ReasonCode.malformedPacket, .protocolError, .packetTooLarge, .qosNotSupported] {
            #expect(ConnectReturnCode(reason) == nil)
        }
    }

    @Test("every code has its own name, and fails from 0x80 on")
    func names() {
        #expect(Set(ReasonCode.allCases.map(\.name)).count == ReasonCode.allCases.count)
        for code in ReasonCode.allCases { #expect(code.isFailure == (code.rawValue >= 0x80)) }
    }
}
