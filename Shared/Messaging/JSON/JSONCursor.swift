// SPDX-License-Identifier: Apache-2.0

/// A position in JSON text, and the scanners that move it; each reads one token strictly by RFC 8259.
struct JSONCursor {
    /// A string's content without its quotes, as it stands in the source.
    struct Text {
        var offset: Int
        var length: Int
        var hasEscapes: Bool
    }

    /// Deepest nesting that ``skipValue(depth:)`` can keep track of: a bit for each level.
    static let deepest = 63

    let bytes: UnsafeRawBufferPointer
    private(set) var offset = 0

    init(_ bytes: UnsafeRawBufferPointer) {
        self.bytes = bytes
    }

    @inline(__always)
    var isAtEnd: Bool { offset >= bytes.count }

    /// The byte at the position; 0, which begins no token, at the end.
    @inline(__always)
    var current: UInt8 { offset < bytes.count ? bytes[offset] : 0 }

    /// Why the byte at the position cannot be taken.
    var unexpected: JSONError { JSONError(isAtEnd ? .truncated : .unexpectedByte, offset: offset) }

    @inline(__always)
    mutating func skipWhiteSpace() {
        while offset < bytes.count {
            let byte = bytes[offset]
            guard byte <= 0x20, byte == 0x20 || byte == 0x0A || byte == 0x0D || byte == 0x09 else { return }
            offset += 1
        }
    }

    /// Takes `byte` if it is next.
    @inline(__always)
    mutating func take(_ byte: UInt8) -> Bool {
        guard offset < bytes.count, bytes[offset] == byte else { return false }
        offset += 1
        return true
    }

    @inline(__always)
    mutating func expect(_ byte: UInt8) throws(JSONError) {
        guard take(byte) else { throw unexpected }
    }

    /// Takes a member's name, the colon and the white space around them.
    @inline(__always)
    mutating func scanKey() throws(JSONError) -> Text {
        guard current == UInt8(ascii: "\"") else { throw unexpected }
        let key = try scanString()
        skipWhiteSpace()
        try expect(UInt8(ascii: ":"))
        skipWhiteSpace()
        return key
    }

    /// Takes a string, which must begin at the position.
    @inline(__always)
    mutating func scanString() throws(JSONError) -> Text {
        try expect(UInt8(ascii: "\""))
        let start = offset
        var hasEscapes = false
        while true {
            skipPlainCharacters()
            guard offset < bytes.count else { throw JSONError(.truncated, offset: offset) }
            let byte = bytes[offset]
            if byte == UInt8(ascii: "\"") {
                let text = Text(offset: start, length: offset - start, hasEscapes: hasEscapes)
                offset += 1
                return text
            }
            if byte == UInt8(ascii: "\\") {
                hasEscapes = true
                try scanEscape()
            } else if byte < 0x20 {
                throw JSONError(.controlCharacter, offset: offset)
            } else {
                let length = UTF8Validation.sequenceLength(bytes, at: offset)
                guard length > 0 else { throw JSONError(.invalidUTF8, offset: offset) }
                offset += length
            }
        }
    }

    /// Moves to the next quote, backslash, control character or non-ASCII byte.
    @inline(__always)
    private mutating func skipPlainCharacters() {
        let ones: UInt64 = 0x0101_0101_0101_0101
        let tops: UInt64 = 0x8080_8080_8080_8080
        while bytes.count - offset >= 8 {
            let word = UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: offset, as: UInt64.self))
            // A byte's top bit is set where the byte is zero; borrows only ever spoil bytes above the first true one.
            let quotes = word ^ (ones &* 0x22)
            let backslashes = word ^ (ones &* 0x5C)
            let found =
                ((quotes &- ones) & ~quotes) | ((backslashes &- ones) & ~backslashes)
                | ((word &- (ones &* 0x20)) & ~word) | word
            let marks = found & tops
            if marks != 0 {
                offset += marks.trailingZeroBitCount >> 3
                return
            }
            offset += 8
        }
        while offset < bytes.count {
            let byte = bytes[offset]
            if byte < 0x20 || byte >= 0x80 || byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "\\") { return }
            offset += 1
        }
    }

    private mutating func scanEscape() throws(JSONError) {
        let start = offset
        offset += 1
        guard offset < bytes.count else { throw JSONError(.truncated, offset: offset) }
        let byte = bytes[offset]
        offset += 1
        switch byte {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"), UInt8(ascii: "b"), UInt8(ascii: "f"),
            UInt8(ascii: "n"), UInt8(ascii: "r"), UInt8(ascii: "t"):
            return
        case UInt8(ascii: "u"):
            let unit = try scanHexadecimal()
            if unit & 0xFC00 == 0xDC00 { throw JSONError(.loneSurrogate, offset: start) }
            guard unit & 0xFC00 == 0xD800 else { return }
            guard take(UInt8(ascii: "\\")), take(UInt8(ascii: "u")) else {
                throw JSONError(isAtEnd ? .truncated : .loneSurrogate, offset: start)
            }
            guard try scanHexadecimal() & 0xFC00 == 0xDC00 else { throw JSONError(.loneSurrogate, offset: start) }
        default: throw JSONError(.invalidEscape, offset: start)
        }
    }

    private mutating func scanHexadecimal() throws(JSONError) -> UInt16 {
        guard let unit = Self.hexadecimal(bytes, at: offset) else {
            throw JSONError(bytes.count - offset < 4 ? .truncated : .invalidEscape, offset: offset)
        }
        offset += 4
        return unit
    }

    /// Four hexadecimal digits.
    static func hexadecimal(_ bytes: UnsafeRawBufferPointer, at offset: Int) -> UInt16? {
        guard bytes.count - offset >= 4 else { return nil }
        var unit: UInt16 = 0
        for byte in bytes[offset..<(offset + 4)] {
            switch byte {
            case UInt8(ascii: "0")...UInt8(ascii: "9"): unit = unit << 4 | UInt16(byte - UInt8(ascii: "0"))
            case UInt8(ascii: "a")...UInt8(ascii: "f"): unit = unit << 4 | UInt16(byte - UInt8(ascii: "a") + 10)
            case UInt8(ascii: "A")...UInt8(ascii: "F"): unit = unit << 4 | UInt16(byte - UInt8(ascii: "A") + 10)
            default: return nil
            }
        }
        return unit
    }

    /// Takes a number, which must begin at the position.
    @inline(__always)
    mutating func scanNumber() throws(JSONError) -> DecimalNumber {
        var number = DecimalNumber()
        number.isNegative = take(UInt8(ascii: "-"))
        let integerStart = offset
        while let digit = takeDigit() { number.append(integerDigit: digit) }
        let integerDigits = offset - integerStart
        guard integerDigits > 0 else { throw JSONError(isAtEnd ? .truncated : .invalidNumber, offset: offset) }
        if integerDigits > 1 && bytes[integerStart] == UInt8(ascii: "0") {
            throw JSONError(.invalidNumber, offset: integerStart)
        }
        if take(UInt8(ascii: ".")) {
            let fractionStart = offset
            while let digit = takeDigit() { number.append(fractionDigit: digit) }
            guard offset > fractionStart else { throw JSONError(isAtEnd ? .truncated : .invalidNumber, offset: offset) }
        }
        if current | 0x20 == UInt8(ascii: "e") {
            offset += 1
            try scanExponent(of: &number)
        }
        return number
    }

    private mutating func scanExponent(of number: inout DecimalNumber) throws(JSONError) {
        let isNegative = current == UInt8(ascii: "-")
        if isNegative || current == UInt8(ascii: "+") { offset += 1 }
        let start = offset
        var exponent = 0
        // Beyond a million the digits change nothing any more: no payload is long enough to bring the value back into range.
        while let digit = takeDigit() { exponent = min(exponent * 10 + Int(digit), 10_000_000) }
        guard offset > start else { throw JSONError(isAtEnd ? .truncated : .invalidNumber, offset: offset) }
        number.exponent += isNegative ? -exponent : exponent
    }

    @inline(__always)
    private mutating func takeDigit() -> UInt8? {
        guard offset < bytes.count else { return nil }
        let digit = bytes[offset] &- UInt8(ascii: "0")
        guard digit < 10 else { return nil }
        offset += 1
        return digit
    }

    /// Takes `true`, `false` or `null`.
    mutating func scanLiteral(_ word: StaticString) throws(JSONError) {
        for index in 0..<word.utf8CodeUnitCount { try expect(word.utf8Start[index]) }
    }
}
