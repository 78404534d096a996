// SPDX-License-Identifier: Apache-2.0
import NIOCore

/// PUBACK, PUBREC, PUBREL or PUBCOMP (sections 3.4 to 3.7), which look alike. One of two bytes allocates nothing.
package struct Acknowledgement: Equatable, Sendable {
    package var packetIdentifier: UInt16
    /// MQTT 5; success in MQTT 3.1.1.
    package var reason: ReasonCode
    /// MQTT 5.
    package var reasonString: String?
    /// MQTT 5.
    package var userProperties: [Properties.Pair]

    package init(
        packetIdentifier: UInt16, reason: ReasonCode = .success, reasonString: String? = nil,
        userProperties: [Properties.Pair] = []
    ) {
        self.packetIdentifier = packetIdentifier
        self.reason = reason
        self.reasonString = reasonString
        self.userProperties = userProperties
    }

    init(_ reader: inout PacketReader, _ type: PacketType, _ version: ProtocolVersion) throws(Violation) {
        self.init(packetIdentifier: try reader.packetIdentifier())
        guard version == .v5, !reader.isAtEnd else { return }
        reason = try ReasonCode(reader.byte(), in: type, from: .client)
        guard !reader.isAtEnd else { return }
        let properties = try Properties(&reader, place: .acknowledgement)
        reasonString = properties.reasonString
        userProperties = properties.userProperties
    }

    func write(into buffer: inout ByteBuffer, _ version: ProtocolVersion) {
        buffer.writeInteger(packetIdentifier)
        guard version == .v5 else { return }
        if reasonString != nil || !userProperties.isEmpty {
            var properties = Properties()
            properties.reasonString = reasonString
            properties.userProperties = userProperties
            buffer.writeInteger(reason.rawValue)
            properties.write(into: &buffer)
        } else if reason != .success {
            buffer.writeInteger(reason.rawValue)
        }
    }

    /// The whole packet of four bytes, or five in MQTT 5 where it failed: all that the hot path sends.
    ///
    /// - Parameter type: PUBACK, PUBREC, PUBREL or PUBCOMP.
    @inline(__always)
    package static func write(
        _ type: PacketType, _ packetIdentifier: UInt16, _ reason: ReasonCode = .success,
        into buffer: inout ByteBuffer, _ version: ProtocolVersion
    ) {
        let first = UInt32(type.rawValue << 4 | (type == .pubRel ? 2 : 0)) << 24
        let hasReason = version == .v5 && reason != .success
        buffer.writeInteger(first | (hasReason ? 3 : 2) << 16 | UInt32(packetIdentifier))
        if hasReason { buffer.writeInteger(reason.rawValue) }
    }
}
