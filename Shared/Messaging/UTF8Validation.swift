// SPDX-License-Identifier: Apache-2.0

/// UTF-8 validity (RFC 3629) of bytes that came from outside, without making a String.
public enum UTF8Validation {
    /// Whether the bytes are well-formed UTF-8: no overlong forms, no surrogates, nothing above U+10FFFF.
    public static func isValid(_ bytes: UnsafeRawBufferPointer) -> Bool {
        var offset = 0
        while offset < bytes.count {
            if bytes.count - offset >= 8,
                bytes.loadUnaligned(fromByteOffset: offset, as: UInt64.self) & 0x8080_8080_8080_8080 == 0
            {
                offset += 8
                continue
            }
            if bytes[offset] < 0x80 {
                offset += 1
                continue
            }
            let length = sequenceLength(bytes, at: offset)
            guard length > 0 else { return false }
            offset += length
        }
        return true
    }

    /// As ``isValid(_:)`` and without control characters (U+0000 to U+001F, U+007F to U+009F).
    public static func isValidText(_ bytes: UnsafeRawBufferPointer) -> Bool {
        var offset = 0
        while offset < bytes.count {
            let byte = bytes[offset]
            if byte < 0x80 {
                guard byte >= 0x20, byte != 0x7F else { return false }
                offset += 1
                continue
            }
            let length = sequenceLength(bytes, at: offset)
            guard length > 0, !(byte == 0xC2 && bytes[offset + 1] < 0xA0) else { return false }
            offset += length
        }
        return true
    }

    /// Length of the well-formed sequence of two to four bytes that begins at `offset`; 0 when there is none (RFC 3629 section 4).
    @inlinable
    static func sequenceLength(_ bytes: UnsafeRawBufferPointer, at offset: Int) -> Int {
        let available = bytes.count - offset
        guard available >= 2 else { return 0 }
        let first = bytes[offset]
        let second = bytes[offset + 1]
        switch first {
        case 0xC2...0xDF:
            return second & 0xC0 == 0x80 ? 2 : 0
        case 0xE0...0xEF:
            guard available >= 3, second & 0xC0 == 0x80, bytes[offset + 2] & 0xC0 == 0x80 else { return 0 }
            if first == 0xE0 && second < 0xA0 { return 0 }
            if first == 0xED && second >= 0xA0 { return 0 }
            return 3
        case 0xF0...0xF4:
            guard available >= 4, second & 0xC0 == 0x80, bytes[offset + 2] & 0xC0 == 0x80,
                bytes[offset + 3] & 0xC0 == 0x80
            else { return 0 }
            if first == 0xF0 && second < 0x90 { return 0 }
            if first == 0xF4 && second >= 0x90 { return 0 }
            return 4
        default:
            return 0
        }
    }
}
