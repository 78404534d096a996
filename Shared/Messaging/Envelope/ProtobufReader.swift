// SPDX-License-Identifier: Apache-2.0

/// Reads the protobuf wire format (https://protobuf.dev/programming-guides/encoding) from bytes that may be anything.
struct ProtobufReader {
    enum WireType: UInt8 {
        case varint = 0
        case fixed64 = 1
        case lengthDelimited = 2
        case startGroup = 3
        case endGroup = 4
        case fixed32 = 5
    }

    struct Tag {
        let number: UInt32
        let wireType: WireType
    }

    /// Groups are deprecated; nothing sensible nests them.
    private static let maximumGroupDepth = 16

    private let bytes: UnsafeRawBufferPointer
    private(set) var offset: Int

    /// - Parameter offset: where a field begins, or the end.
    init(_ bytes: UnsafeRawBufferPointer, at offset: Int = 0) {
        self.bytes = bytes
        self.offset = offset
    }

    /// The next field's tag; nil at the end.
    @inline(__always)
    mutating func nextTag() throws(RawMessageError) -> Tag? {
        guard offset < bytes.count else { return nil }
        let value = try varint()
        guard value >> 3 > 0, value >> 3 <= 0x1FFF_FFFF, let wireType = WireType(rawValue: UInt8(value & 7)) else {
            throw .invalidTag
        }
        return Tag(number: UInt32(value >> 3), wireType: wireType)
    }

    @inline(__always)
    mutating func varint() throws(RawMessageError) -> UInt64 {
        guard offset < bytes.count else { throw .truncated }
        let first = bytes[offset]
        if first < 0x80 {
            offset += 1
            return UInt64(first)
        }
        return try longVarint()
    }

    mutating func fixed64() throws(RawMessageError) -> UInt64 {
        let start = offset
        try advance(8)
        return UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: start, as: UInt64.self))
    }

    /// The range of a length-delimited field's bytes.
    @inline(__always)
    mutating func lengthDelimited() throws(RawMessageError) -> Range<Int> {
        let length = try varint()
        guard length <= UInt64(bytes.count - offset) else { throw .truncated }
        let range = offset..<(offset + Int(length))
        offset = range.upperBound
        return range
    }

    /// Passes over a field's value.
    mutating func skip(_ tag: Tag) throws(RawMessageError) {
        try skip(tag, depth: 0)
    }

    private mutating func skip(_ tag: Tag, depth: Int) throws(RawMessageError) {
        switch tag.wireType {
        case .varint: _ = try varint()
        case .fixed64: try advance(8)
        case .fixed32: try advance(4)
        case .lengthDelimited: _ = try lengthDelimited()
        case .endGroup: throw .invalidGroup
        case .startGroup:
            guard depth < Self.maximumGroupDepth else { throw .invalidGroup }
            while true {
                guard let inner = try nextTag() else { throw .invalidGroup }
                if inner.wireType == .endGroup {
                    guard inner.number == tag.number else { throw .invalidGroup }
                    return
                }
                try skip(inner, depth: depth + 1)
            }
        }
    }

    private mutating func advance(_ count: Int) throws(RawMessageError) {
        guard bytes.count - offset >= count else { throw .truncated }
        offset += count
    }

    private mutating func longVarint() throws(RawMessageError) -> UInt64 {
        var value: UInt64 = 0
        var shift: UInt64 = 0
        while true {
            guard offset < bytes.count else { throw .truncated }
            let byte = bytes[offset]
            offset += 1
            // The tenth byte holds bit 63 alone.
            if shift == 63 && byte > 1 { throw .invalidVarint }
            value |= UInt64(byte & 0x7F) << shift
            if byte < 0x80 { return value }
            shift += 7
            if shift > 63 { throw .invalidVarint }
        }
    }
}
