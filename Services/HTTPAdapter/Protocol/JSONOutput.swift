// SPDX-License-Identifier: Apache-2.0
import Core
import NIOCore

/// Writes JSON (RFC 8259) straight into bytes.
enum JSONOutput {
    /// A string with its quotes. What is written may repeat bytes of a request, so everything that needs escaping is escaped (section 7).
    static func write(_ text: String, into buffer: inout ByteBuffer) {
        buffer.writeStaticString("\"")
        if text.utf8.allSatisfy({ $0 >= 0x20 && $0 != UInt8(ascii: "\"") && $0 != UInt8(ascii: "\\") && $0 != 0x7F }) {
            buffer.writeString(text)
        } else {
            for byte in text.utf8 {
                switch byte {
                case UInt8(ascii: "\""): buffer.writeStaticString("\\\"")
                case UInt8(ascii: "\\"): buffer.writeStaticString("\\\\")
                case 0..<0x20, 0x7F:
                    let digits = String(byte, radix: 16)
                    buffer.writeString(digits.utf8.count == 1 ? "\\u000\(digits)" : "\\u00\(digits)")
                default: buffer.writeInteger(byte)
                }
            }
        }
        buffer.writeStaticString("\"")
    }

    static func write<Kind>(_ identifier: Identifier<Kind>, into buffer: inout ByteBuffer) {
        buffer.writeStaticString("\"")
        identifier.withText { _ = buffer.writeBytes($0) }
        buffer.writeStaticString("\"")
    }

    /// Nanoseconds as decimal seconds, exactly: no Double comes between.
    static func write(seconds nanoseconds: Int64, into buffer: inout ByteBuffer) {
        let magnitude = nanoseconds.magnitude
        if nanoseconds < 0 { buffer.writeStaticString("-") }
        buffer.writeString(String(magnitude / 1_000_000_000))
        var fraction = magnitude % 1_000_000_000
        guard fraction > 0 else { return }
        var digits = 9
        while fraction % 10 == 0 {
            fraction /= 10
            digits -= 1
        }
        let text = String(fraction)
        buffer.writeStaticString(".")
        buffer.writeRepeatingByte(UInt8(ascii: "0"), count: digits - text.utf8.count)
        buffer.writeString(text)
    }
}
