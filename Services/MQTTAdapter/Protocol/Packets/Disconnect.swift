// SPDX-License-Identifier: Apache-2.0
import NIOCore

/// DISCONNECT (section 3.14). In MQTT 3.1.1 only a client sends it, and it is empty.
package struct Disconnect: Equatable, Sendable {
    package var reason: ReasonCode
    package var properties: Properties

    package init(reason: ReasonCode = .success, properties: Properties = Properties()) {
        self.reason = reason
        self.properties = properties
    }

    init(_ reader: inout PacketReader, _ version: ProtocolVersion, _ sender: Sender) throws(Violation) {
        self.init()
        guard version == .v5, !reader.isAtEnd else { return }
        reason = try ReasonCode(reader.byte(), in: .disconnect, from: sender)
        guard !reader.isAtEnd else { return }
        properties = try Properties(&reader, place: .disconnect)
        if sender == .server, properties.sessionExpiryInterval != nil { throw .serverSessionExpiry }
    }

    func write(into buffer: inout ByteBuffer, _ version: ProtocolVersion) {
        guard version == .v5 else { return }
        let hasProperties = properties != Properties()
        if reason != .success || hasProperties { buffer.writeInteger(reason.rawValue) }
        if hasProperties { properties.write(into: &buffer) }
    }
}

/// AUTH of MQTT 5 (section 3.15).
package struct Auth: Equatable, Sendable {
    package var reason: ReasonCode
    package var properties: Properties

    package init(reason: ReasonCode, properties: Properties) {
        self.reason = reason
        self.properties = properties
    }

    init(_ reader: inout PacketReader, _ sender: Sender) throws(Violation) {
        reason = .success
        properties = Properties()
        if !reader.isAtEnd {
            reason = try ReasonCode(reader.byte(), in: .auth, from: sender)
            if !reader.isAtEnd { properties = try Properties(&reader, place: .auth) }
        } else if sender == .client {
            throw .unknownReason
        }
        guard properties.authenticationMethod != nil || reason == .success else { throw .authenticationMethodMissing }
    }

    func write(into buffer: inout ByteBuffer) {
        if reason == .success, properties == Properties() { return }
        buffer.writeInteger(reason.rawValue)
        properties.write(into: &buffer)
    }
}
