// SPDX-License-Identifier: Apache-2.0

/// The fixed header of a packet, and so where the packet ends (section 2.1; section 2.2 in MQTT 3.1.1).
package struct PacketHead: Equatable, Sendable {
    package let type: PacketType
    /// The low half of the first byte.
    package let flags: UInt8
    /// 2 to 5: the first byte and the remaining length's.
    package let length: Int
    /// The remaining length.
    package let bodyLength: Int

    /// Of the whole packet, in bytes.
    package var packetLength: Int { length + bodyLength }

    /// Whether the remaining length has as few bytes as it can ([MQTT-1.5.5-1]).
    package var isMinimal: Bool { length == 1 + VariableByteInteger.length(of: UInt32(truncatingIfNeeded: bodyLength)) }
}

/// Finds packets in what one read brought, in place.
package struct PacketScanner: Sendable {
    /// The largest packet that the format can say: one byte, four of length, 268,435,455 of body.
    package static let largestPacket = 5 + Int(VariableByteInteger.maximum)

    package enum Result: Equatable, Sendable {
        /// The whole packet is there.
        case packet(PacketHead)
        /// At least so many bytes more are needed; exact once the header is there.
        case incomplete(missing: Int)
    }

    /// In bytes, of whole packets. A larger one is refused as soon as its header says so.
    package var maximumPacketSize: Int
    /// Unknown before CONNECT.
    package var version: ProtocolVersion?

    package init(maximumPacketSize: Int, version: ProtocolVersion? = nil) {
        self.maximumPacketSize = maximumPacketSize
        self.version = version
    }

    /// The packet that begins at `offset`.
    @inline(__always)
    package func scan(_ bytes: UnsafeRawBufferPointer, from offset: Int = 0) throws(Violation) -> Result {
        guard offset >= 0, offset < bytes.count else { return .incomplete(missing: 2) }
        let available = bytes.count - offset
        let first = bytes[offset]
        guard let type = PacketType(rawValue: first >> 4) else { throw .reservedType }
        let flags = first & 0x0F
        if let required = type.requiredFlags, flags != required { throw .reservedFlags }
        if type == .auth, version == .v311 { throw .authIn311 }
        guard available > 1 else { return .incomplete(missing: 1) }
        var bodyLength = Int(bytes[offset + 1])
        var length = 2
        if bodyLength >= 0x80 {
            bodyLength &= 0x7F
            var shift = 7
            while true {
                guard length < 5 else { throw .lengthTooLong }
                guard available > length else {
                    // What is known already may be too much; the bytes that come only add.
                    guard length + 1 + bodyLength <= maximumPacketSize else { throw .packetTooLarge }
                    return .incomplete(missing: 1)
                }
                let byte = bytes[offset + length]
                bodyLength |= Int(byte & 0x7F) << shift
                shift += 7
                length += 1
                guard byte >= 0x80 else {
                    // MQTT 3.1.1 does not ask for the shortest form.
                    if byte == 0, version == .v5 { throw .lengthNotMinimal }
                    break
                }
            }
        }
        let head = PacketHead(type: type, flags: flags, length: length, bodyLength: bodyLength)
        guard head.packetLength <= maximumPacketSize else { throw .packetTooLarge }
        guard head.packetLength <= available else { return .incomplete(missing: head.packetLength - available) }
        return .packet(head)
    }
}
