// SPDX-License-Identifier: Apache-2.0
import NIOCore

extension Packet {
    /// Appends the packet's bytes. CONNECT is written in its own version.
    package func encode(into buffer: inout ByteBuffer, version: ProtocolVersion) {
        var body = ByteBuffer()
        writeBody(into: &body, version)
        buffer.writeInteger(type.rawValue << 4 | flags)
        VariableByteInteger.write(UInt32(truncatingIfNeeded: body.readableBytes), into: &buffer)
        buffer.writeImmutableBuffer(body)
    }

    /// As encode(into:version:), within what the receiver takes: reason string and user properties of packets other than PUBLISH are left out
    /// where they would not fit ([MQTT-3.2.2-19], [MQTT-3.2.2-20], [MQTT-3.4.2-2] and their like).
    ///
    /// - Returns: false when the packet does not fit even so; nothing is written ([MQTT-3.1.2-24]).
    package func encode(into buffer: inout ByteBuffer, version: ProtocolVersion, maximumPacketSize: Int) -> Bool {
        for packet in [self, withoutExplanations] {
            var bytes = ByteBuffer()
            packet.encode(into: &bytes, version: version)
            guard bytes.readableBytes > maximumPacketSize else {
                buffer.writeImmutableBuffer(bytes)
                return true
            }
        }
        return false
    }

    private var flags: UInt8 {
        if case .publish(let publish) = self { return publish.flags }
        return type.requiredFlags ?? 0
    }

    private func writeBody(into buffer: inout ByteBuffer, _ version: ProtocolVersion) {
        switch self {
        case .connect(let packet): packet.write(into: &buffer)
        case .connAck(let packet): packet.write(into: &buffer, version)
        case .publish(let packet): packet.write(into: &buffer, version)
        case .pubAck(let packet), .pubRec(let packet), .pubRel(let packet), .pubComp(let packet):
            packet.write(into: &buffer, version)
        case .subscribe(let packet): packet.write(into: &buffer, version)
        case .subAck(let packet), .unsubAck(let packet): packet.write(into: &buffer, type, version)
        case .unsubscribe(let packet): packet.write(into: &buffer, version)
        case .pingRequest, .pingResponse: break
        case .disconnect(let packet): packet.write(into: &buffer, version)
        case .auth(let packet): packet.write(into: &buffer)
        }
    }

    /// Without reason string and user properties, unless it is a PUBLISH or goes to the server: for receivers that ask for none ([MQTT-3.1.2-29]) or
    /// take no packet so large.
    package var withoutExplanations: Packet {
        func bare(_ packet: Acknowledgement) -> Acknowledgement {
            Acknowledgement(packetIdentifier: packet.packetIdentifier, reason: packet.reason)
        }
        switch self {
        case .connAck(var packet):
            packet.properties = packet.properties.withoutExplanations
            return .connAck(packet)
        case .pubAck(let packet): return .pubAck(bare(packet))
        case .pubRec(let packet): return .pubRec(bare(packet))
        case .pubRel(let packet): return .pubRel(bare(packet))
        case .pubComp(let packet): return .pubComp(bare(packet))
        case .subAck(var packet):
            packet.properties = packet.properties.withoutExplanations
            return .subAck(packet)
        case .unsubAck(var packet):
            packet.properties = packet.properties.withoutExplanations
            return .unsubAck(packet)
        case .disconnect(var packet):
            packet.properties = packet.properties.withoutExplanations
            return .disconnect(packet)
        case .auth(var packet):
            packet.properties = packet.properties.withoutExplanations
            return .auth(packet)
        case .connect, .publish, .subscribe, .unsubscribe, .pingRequest, .pingResponse: return self
        }
    }
}
