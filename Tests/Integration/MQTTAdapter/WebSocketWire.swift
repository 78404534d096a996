// SPDX-License-Identifier: Apache-2.0
import MQTTAdapter
import NIOCore

/// WebSocket written byte by byte, right or wrong as a test wants it (RFC 6455).
enum WebSocketWire {
    static let request = """
        GET /mqtt HTTP/1.1\r
        Host: localhost\r
        Upgrade: websocket\r
        Connection: Upgrade\r
        Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r
        Sec-WebSocket-Version: 13\r
        Sec-WebSocket-Protocol: mqtt\r
        \r

        """

    enum Opcode: UInt8 {
        case continuation = 0
        case text = 1
        case binary = 2
        case close = 8
        case ping = 9
    }

    /// A frame as clients send it: masked, unless told otherwise (section 5.1).
    static func frame(_ opcode: Opcode, _ payload: [UInt8], isFinal: Bool = true, isMasked: Bool = true) -> [UInt8] {
        var bytes = [opcode.rawValue | (isFinal ? 0x80 : 0)] + length(payload.count, isMasked)
        let key: [UInt8] = [0x11, 0x22, 0x33, 0x44]
        guard isMasked else { return bytes + payload }
        bytes += key
        for (index, byte) in payload.enumerated() { bytes.append(byte ^ key[index % 4]) }
        return bytes
    }

    /// The beginning of a frame that says it is so long.
    static func head(_ opcode: Opcode, length: Int) -> [UInt8] { [opcode.rawValue | 0x80] + self.length(length, true) }

    private static func length(_ count: Int, _ isMasked: Bool) -> [UInt8] {
        let mask: UInt8 = isMasked ? 0x80 : 0
        if count < 126 { return [mask | UInt8(count)] }
        if count <= 0xFFFF { return [mask | 126, UInt8(count >> 8), UInt8(count & 0xFF)] }
        return [mask | 127] + (0..<8).reversed().map { UInt8(truncatingIfNeeded: count >> ($0 * 8)) }
    }

    /// A packet's bytes.
    static func bytes(_ packet: Packet, _ version: ProtocolVersion = .v5) -> [UInt8] {
        var buffer = ByteBuffer()
        packet.encode(into: &buffer, version: version)
        return Array(buffer.readableBytesView)
    }
}
