// SPDX-License-Identifier: Apache-2.0

/// Strings of JSON: their escapes taken out and put in.
enum JSONText {
    /// Appends the characters that a scanned string stands for. The scanner has checked the escapes.
    static func unescape(_ text: UnsafeRawBufferPointer, into output: inout [UInt8]) {
        var offset = 0
        while offset < text.count {
            let byte = text[offset]
            guard byte == UInt8(ascii: "\\"), offset + 1 < text.count else {
                output.append(byte)
                offset += 1
                continue
            }
            let kind = text[offset + 1]
            offset += 2
            switch kind {
            case UInt8(ascii: "b"): output.append(0x08)
            case UInt8(ascii: "f"): output.append(0x0C)
            case UInt8(ascii: "n"): output.append(0x0A)
            case UInt8(ascii: "r"): output.append(0x0D)
            case UInt8(ascii: "t"): output.append(0x09)
            case UInt8(ascii: "u"):
                var scalar = UInt32(JSONCursor.hexadecimal(text, at: offset) ?? 0xFFFD)
                offset += 4
                if scalar & 0xFC00 == 0xD800 {
                    let low = UInt32(JSONCursor.hexadecimal(text, at: offset + 2) ?? 0xDC00)
                    offset += 6
                    scalar = 0x10000 + (scalar & 0x3FF) << 10 + (low & 0x3FF)
                }
                append(scalar, to: &output)
            default: output.append(kind)
            }
        }
    }

    private static func append(_ scalar: UInt32, to output: inout [UInt8]) {
        let scalar = Unicode.Scalar(scalar) ?? "\u{FFFD}"
        output.append(contentsOf: UTF8.encode(scalar) ?? UTF8.encodedReplacementCharacter)
    }

    /// Appends a string with its quotes; the bytes are UTF-8.
    static func append(quoted text: UnsafeRawBufferPointer, to output: inout [UInt8]) {
        output.append(UInt8(ascii: "\""))
        for byte in text {
            switch byte {
            case UInt8(ascii: "\""), UInt8(ascii: "\\"):
                output.append(UInt8(ascii: "\\"))
                output.append(byte)
            case 0x0A: output.append(contentsOf: [UInt8(ascii: "\\"), UInt8(ascii: "n")])
            case 0x0D: output.append(contentsOf: [UInt8(ascii: "\\"), UInt8(ascii: "r")])
            case 0x09: output.append(contentsOf: [UInt8(ascii: "\\"), UInt8(ascii: "t")])
            case 0..<0x20:
                output.append(contentsOf: "\\u00".utf8)
                output.append(byte < 0x10 ? UInt8(ascii: "0") : UInt8(ascii: "1"))
                let nibble = byte & 0xF
                output.append(nibble < 10 ? UInt8(ascii: "0") + nibble : UInt8(ascii: "a") + nibble - 10)
            default: output.append(byte)
            }
        }
        output.append(UInt8(ascii: "\""))
    }
}
