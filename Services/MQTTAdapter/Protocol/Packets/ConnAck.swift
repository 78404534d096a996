// SPDX-License-Identifier: Apache-2.0
import NIOCore

/// CONNACK (section 3.2).
package struct ConnAck: Equatable, Sendable {
    package var sessionPresent: Bool
    /// In MQTT 3.1.1 one that ConnectReturnCode has; others are written as "server unavailable".
    package var reason: ReasonCode
    /// MQTT 5.
    package var properties: Properties

    package init(sessionPresent: Bool = false, reason: ReasonCode = .success, properties: Properties = Properties()) {
        self.sessionPresent = sessionPresent
        self.reason = reason
        self.properties = properties
    }

    init(_ reader: inout PacketReader, _ version: ProtocolVersion) throws(Violation) {
        let flags = try reader.byte()
        guard flags & 0xFE == 0 else { throw .connAckReserved }
        sessionPresent = flags == 1
        let code = try reader.byte()
        switch version {
        case .v311:
            guard let code = ConnectReturnCode(rawValue: code) else { throw .unknownReason }
            reason = code.reason
            properties = Properties()
        case .v5:
            reason = try ReasonCode(code, in: .connAck, from: .server)
            properties = try Properties(&reader, place: .connAck)
        }
        guard !sessionPresent || reason == .success else { throw .sessionPresentOnFailure }
    }

    func write(into buffer: inout ByteBuffer, _ version: ProtocolVersion) {
        // Never a session on a refused connection ([MQTT-3.2.2-6]).
        buffer.writeInteger(sessionPresent && reason == .success ? 1 : 0, as: UInt8.self)
        switch version {
        case .v311: buffer.writeInteger((ConnectReturnCode(reason) ?? .serverUnavailable).rawValue)
        case .v5:
            buffer.writeInteger(reason.rawValue)
            properties.write(into: &buffer)
        }
    }
}

extension ReasonCode {
    /// A code that came, checked against where it stands.
    init(_ code: UInt8, in packet: PacketType, from sender: Sender) throws(Violation) {
        guard let reason = ReasonCode(rawValue: code), reason.mayStand(in: packet, from: sender) else {
            throw .unknownReason
        }
        self = reason
    }
}
