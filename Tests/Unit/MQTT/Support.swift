// SPDX-License-Identifier: Apache-2.0
import MQTTAdapter
import NIOCore

/// Scans and decodes one packet that stands alone.
func decode(_ bytes: [UInt8], _ version: ProtocolVersion = .v5, from sender: Sender = .client) throws -> Packet {
    try bytes.withUnsafeBytes { raw in
        let scanner = PacketScanner(maximumPacketSize: PacketScanner.largestPacket, version: version)
        guard case .packet(let head) = try scanner.scan(raw), head.packetLength == raw.count else {
            throw Violation.truncated
        }
        return try Packet(raw, head: head, version: version, from: sender)
    }
}

func encode(_ packet: Packet, _ version: ProtocolVersion = .v5) -> [UInt8] {
    var buffer = ByteBuffer()
    packet.encode(into: &buffer, version: version)
    return Array(buffer.readableBytesView)
}

/// What `bytes` are refused with.
func violation(_ bytes: [UInt8], _ version: ProtocolVersion = .v5, from sender: Sender = .client) -> Violation? {
    do {
        _ = try decode(bytes, version, from: sender)
        return nil
    } catch {
        return error as? Violation
    }
}
