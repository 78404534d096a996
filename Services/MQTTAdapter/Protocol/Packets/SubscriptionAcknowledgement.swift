// SPDX-License-Identifier: Apache-2.0
import NIOCore

/// SUBACK or UNSUBACK (sections 3.9 and 3.11).
package struct SubscriptionAcknowledgement: Equatable, Sendable {
    package var packetIdentifier: UInt16
    /// One for each filter, in their order. Empty only in UNSUBACK of MQTT 3.1.1, which says nothing of them.
    package var reasons: [ReasonCode]
    /// MQTT 5.
    package var properties: Properties

    package init(packetIdentifier: UInt16, reasons: [ReasonCode], properties: Properties = Properties()) {
        self.packetIdentifier = packetIdentifier
        self.reasons = reasons
        self.properties = properties
    }

    init(_ reader: inout PacketReader, _ type: PacketType, _ version: ProtocolVersion) throws(Violation) {
        packetIdentifier = try reader.packetIdentifier()
        let place: PropertyPlaces = type == .subAck ? .subAck : .unsubAck
        properties = version == .v5 ? try Properties(&reader, place: place) : Properties()
        reasons = []
        if type == .unsubAck, version == .v311 { return }
        guard !reader.isAtEnd else { throw .noReason }
        while !reader.isAtEnd {
            let reason = try ReasonCode(reader.byte(), in: type, from: .server)
            // 0, 1, 2 and 0x80 are all that MQTT 3.1.1 has ([MQTT-3.9.3-2]).
            guard version == .v5 || reason.rawValue <= 0x80 else { throw .unknownReason }
            reasons.append(reason)
        }
    }

    func write(into buffer: inout ByteBuffer, _ type: PacketType, _ version: ProtocolVersion) {
        buffer.writeInteger(packetIdentifier)
        if version == .v5 { properties.write(into: &buffer) }
        if type == .unsubAck, version == .v311 { return }
        for reason in reasons {
            buffer.writeInteger(version == .v311 ? min(reason.rawValue, 0x80) : reason.rawValue)
        }
    }
}
