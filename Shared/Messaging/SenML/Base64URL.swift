// SPDX-License-Identifier: Apache-2.0

/// base64url without padding (RFC 4648 section 5), as SenML's `vd` has it in JSON.
enum Base64URL {
    /// Whether the text is well-formed: its alphabet only, no padding, no impossible length, no bits left over that are not zero
    /// (RFC 4648 section 3.5).
    static func isValid(_ text: UnsafeRawBufferPointer) -> Bool {
        guard text.count % 4 != 1 else { return false }
        for byte in text where value(of: byte) == nil { return false }
        guard let last = text.last, let bits = value(of: last) else { return text.isEmpty }
        switch text.count % 4 {
        case 2: return bits & 0xF == 0
        case 3: return bits & 0x3 == 0
        default: return true
        }
    }

    /// Appends the octets of text that is valid.
    static func decode(_ text: UnsafeRawBufferPointer, into output: inout [UInt8]) {
        var pending: UInt32 = 0
        var bits: UInt32 = 0
        for byte in text {
            pending = pending << 6 | UInt32(value(of: byte) ?? 0)
            bits += 6
            if bits >= 8 {
                bits -= 8
                output.append(UInt8(truncatingIfNeeded: pending >> bits))
            }
        }
    }

    static func encode(_ octets: UnsafeRawBufferPointer, into output: inout [UInt8]) {
        var pending: UInt32 = 0
        var bits: UInt32 = 0
        for octet in octets {
            pending = pending << 8 | UInt32(octet)
            bits += 8
            while bits >= 6 {
                bits -= 6
                output.append(digit(UInt8(truncatingIfNeeded: pending >> bits) & 0x3F))
            }
        }
        if bits > 0 { output.append(digit(UInt8(truncatingIfNeeded: pending << (6 - bits)) & 0x3F)) }
    }

    @inline(__always)
    private static func value(of byte: UInt8) -> UInt8? {
        switch byte {
        case UInt8(ascii: "A")...UInt8(ascii: "Z"): byte - UInt8(ascii: "A")
        case UInt8(ascii: "a")...UInt8(ascii: "z"): byte - UInt8(ascii: "a") + 26
        case UInt8(ascii: "0")...UInt8(ascii: "9"): byte - UInt8(ascii: "0") + 52
        case UInt8(ascii: "-"): 62
        case UInt8(ascii: "_"): 63
        default: nil
        }
    }

    private static func digit(_ value: UInt8) -> UInt8 {
        switch value {
        case 0..<26: UInt8(ascii: "A") + value
        case 26..<52: UInt8(ascii: "a") + (value - 26)
        case 52..<62: UInt8(ascii: "0") + (value - 52)
        case 62: UInt8(ascii: "-")
        default: UInt8(ascii: "_")
        }
    }
}
