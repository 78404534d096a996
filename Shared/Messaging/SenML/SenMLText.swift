// SPDX-License-Identifier: Apache-2.0

/// Text of a record before it is kept: where its bytes are, without escapes, and what they say as part of a name.
struct SenMLText {
    enum Origin {
        case source
        case scratch
    }

    static let empty = SenMLText(origin: .source, offset: 0, count: 0)

    var origin: Origin
    var offset: Int
    var count: Int
    /// All bytes are `A-Z a-z 0-9 - : . / _`; known for names only.
    var isNameText = true
    /// The first byte is a letter or digit; known for names only.
    var beginsName = false

    init(origin: Origin, offset: Int, count: Int) {
        self.origin = origin
        self.offset = offset
        self.count = count
    }

    /// Looks at the bytes by the rules of RFC 8428 section 4.5.1.
    @inline(__always)
    mutating func classifyName(_ bytes: UnsafeRawBufferPointer) {
        isNameText = true
        for byte in bytes where !Self.isNameByte(byte) {
            isNameText = false
            break
        }
        beginsName = !bytes.isEmpty && Self.isAlphanumeric(bytes[0])
    }

    /// Bits of the ASCII codes 64 to 127 that letters have.
    private static let letters: UInt64 = 0x07FF_FFFE_07FF_FFFE
    /// Bits of the ASCII codes 0 to 63 that digits have.
    private static let digits: UInt64 = 0x03FF_0000_0000_0000
    /// `-`, `.`, `/`, `:` below 64.
    private static let lowPunctuation: UInt64 = 1 << 45 | 1 << 46 | 1 << 47 | 1 << 58
    /// `_` is 95.
    private static let highPunctuation: UInt64 = 1 << (95 - 64)

    @inline(__always)
    private static func isNameByte(_ byte: UInt8) -> Bool {
        let set = byte < 64 ? digits | lowPunctuation : letters | highPunctuation
        return byte < 128 && set >> UInt64(byte & 63) & 1 == 1
    }

    @inline(__always)
    private static func isAlphanumeric(_ byte: UInt8) -> Bool {
        byte < 128 && (byte < 64 ? digits : letters) >> UInt64(byte & 63) & 1 == 1
    }
}
