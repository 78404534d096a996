// SPDX-License-Identifier: Apache-2.0

/// A position in CBOR data (RFC 8949), and the readers that move it.
struct CBORCursor {
    /// Major types (section 3.1).
    enum Major: UInt8 {
        case unsigned = 0
        case negative = 1
        case bytes = 2
        case text = 3
        case array = 4
        case map = 5
        case tag = 6
        case simple = 7
    }

    /// The first byte of an item and its argument.
    struct Head {
        var major: Major
        /// The low five bits.
        var information: UInt8
        /// Value, length, count, tag number or the bits of a float.
        var argument: UInt64
        var isIndefinite: Bool { information == 31 }
    }

    static let breakByte: UInt8 = 0xFF

    let bytes: UnsafeRawBufferPointer
    private(set) var offset = 0

    init(_ bytes: UnsafeRawBufferPointer) {
        self.bytes = bytes
    }

    var isAtEnd: Bool { offset >= bytes.count }
    private var remaining: Int { bytes.count - offset }

    /// Takes a break if it is next.
    @inline(__always)
    mutating func takeBreak() -> Bool {
        guard offset < bytes.count, bytes[offset] == Self.breakByte else { return false }
        offset += 1
        return true
    }

    /// Takes an item's head; the break is not one.
    @inline(__always)
    mutating func readHead() throws(CBORError) -> Head {
        guard offset < bytes.count else { throw CBORError(.truncated, offset: offset) }
        let start = offset
        let first = bytes[offset]
        offset += 1
        guard let major = Major(rawValue: first >> 5) else { throw CBORError(.invalidHead, offset: start) }
        let information = first & 0x1F
        if information < 24 { return Head(major: major, information: information, argument: UInt64(information)) }
        let argument: UInt64
        switch information {
        case 24: argument = UInt64(try load(as: UInt8.self))
        case 25: argument = UInt64(try load(as: UInt16.self))
        case 26: argument = UInt64(try load(as: UInt32.self))
        case 27: argument = try load(as: UInt64.self)
        case 31:
            switch major {
            case .bytes, .text, .array, .map: argument = 0
            case .simple: throw CBORError(.unexpectedBreak, offset: start)
            case .unsigned, .negative, .tag: throw CBORError(.invalidHead, offset: start)
            }
        default: throw CBORError(.invalidHead, offset: start)
        }
        if major == .simple && information == 24 && argument < 32 {
            throw CBORError(.invalidSimpleValue, offset: start)
        }
        return Head(major: major, information: information, argument: argument)
    }

    /// A big-endian integer.
    @inline(__always)
    private mutating func load<Value: FixedWidthInteger>(as type: Value.Type) throws(CBORError) -> Value {
        let size = MemoryLayout<Value>.size
        guard remaining >= size else { throw CBORError(.truncated, offset: offset) }
        let value = Value(bigEndian: bytes.loadUnaligned(fromByteOffset: offset, as: Value.self))
        offset += size
        return value
    }

    /// Takes the content of a string of definite length.
    @inline(__always)
    mutating func readContent(_ head: Head) throws(CBORError) -> Range<Int> {
        guard head.argument <= UInt64(remaining) else { throw CBORError(.truncated, offset: offset) }
        let range = offset..<(offset + Int(head.argument))
        if head.major == .text, !UTF8Validation.isValid(UnsafeRawBufferPointer(rebasing: bytes[range])) {
            throw CBORError(.invalidUTF8, offset: offset)
        }
        offset = range.upperBound
        return range
    }

    /// Takes the next chunk of a string of indefinite length; nil at its end. Each chunk of text is UTF-8 by itself (section 3.2.3).
    mutating func readChunk(of major: Major) throws(CBORError) -> Range<Int>? {
        if takeBreak() { return nil }
        let start = offset
        let head = try readHead()
        guard head.major == major, !head.isIndefinite else { throw CBORError(.invalidChunk, offset: start) }
        return try readContent(head)
    }

    /// Passes over one item of any kind, checking it.
    mutating func skipItem(depth: Int) throws(CBORError) {
        try skipItem(try readHead(), depth: depth)
    }

    /// Passes over what follows a head.
    mutating func skipItem(_ head: Head, depth: Int) throws(CBORError) {
        switch head.major {
        case .unsigned, .negative, .simple: return
        case .bytes, .text:
            guard head.isIndefinite else {
                _ = try readContent(head)
                return
            }
            while try readChunk(of: head.major) != nil {}
        case .tag:
            guard depth > 0 else { throw CBORError(.tooDeep, offset: offset) }
            try skipItem(depth: depth - 1)
        case .array: try skipItems(head, each: 1, depth: depth)
        case .map: try skipItems(head, each: 2, depth: depth)
        }
    }

    private mutating func skipItems(_ head: Head, each: Int, depth: Int) throws(CBORError) {
        guard depth > 0 else { throw CBORError(.tooDeep, offset: offset) }
        var left = head.argument
        // An element takes a byte at least: a count beyond the bytes that are left is caught early.
        guard left <= UInt64(remaining) else { throw CBORError(.truncated, offset: offset) }
        while head.isIndefinite ? !takeBreak() : left > 0 {
            for _ in 0..<each { try skipItem(depth: depth - 1) }
            left &-= 1
        }
    }

    /// The value of a head of half, single or double precision (section 3.3); nil for other simple values.
    @inline(__always)
    static func float(_ head: Head) -> Double? {
        guard head.major == .simple else { return nil }
        switch head.information {
        case 25: return half(UInt16(truncatingIfNeeded: head.argument))
        case 26: return Double(Float(bitPattern: UInt32(truncatingIfNeeded: head.argument)))
        case 27: return Double(bitPattern: head.argument)
        default: return nil
        }
    }

    /// IEEE 754 binary16 (RFC 8949 appendix D).
    static func half(_ bits: UInt16) -> Double {
        let exponent = Int(bits >> 10 & 0x1F)
        let fraction = Double(bits & 0x3FF)
        let magnitude: Double
        switch exponent {
        case 0: magnitude = fraction * 0x1p-24
        case 31: magnitude = fraction == 0 ? .infinity : .nan
        default: magnitude = (fraction + 1024) * Double(bitPattern: UInt64(1023 + exponent - 25) << 52)
        }
        return bits & 0x8000 == 0 ? magnitude : -magnitude
    }
}
