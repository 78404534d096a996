// SPDX-License-Identifier: Apache-2.0
import NIOCore
import NIOWebSocket

/// Frames that the server sends, as bytes (RFC 6455 section 5.2): not masked, not fragmented, without extensions; the same for every connection.
enum WebSocketFraming {
    static func frame(_ opcode: WebSocketOpcode, _ payload: ByteBuffer) -> ByteBuffer {
        var buffer = ByteBuffer()
        let length = payload.readableBytes
        buffer.reserveCapacity(10 + length)
        buffer.writeInteger(0x80 | UInt8(webSocketOpcode: opcode))
        switch length {
        case ..<126: buffer.writeInteger(UInt8(truncatingIfNeeded: length))
        case ..<65_536:
            buffer.writeInteger(UInt8(126))
            buffer.writeInteger(UInt16(truncatingIfNeeded: length))
        default:
            buffer.writeInteger(UInt8(127))
            buffer.writeInteger(UInt64(length))
        }
        buffer.writeImmutableBuffer(payload)
        return buffer
    }

    /// A close frame; the reason is cut to what a control frame holds (125 bytes with the code), between characters.
    static func close(_ code: CloseCode, _ reason: String) -> ByteBuffer {
        var payload = ByteBuffer()
        payload.writeInteger(code.rawValue)
        var room = 123
        for character in reason {
            room -= character.utf8.count
            guard room >= 0 else { break }
            payload.writeString(String(character))
        }
        return frame(.connectionClose, payload)
    }
}

/// Status codes of close frames (RFC 6455 section 7.4.1 and its registry).
enum CloseCode: UInt16 {
    case normal = 1000
    /// The server ends.
    case goingAway = 1001
    case protocolError = 1002
    /// A kind of frame that the subprotocol does not have.
    case unacceptable = 1003
    /// A payload that is not what it is said to be.
    case invalidPayload = 1007
    /// The right to it is gone, or was never there.
    case policyViolation = 1008
    case tooBig = 1009
    case internalError = 1011
    case tryAgainLater = 1013
}
