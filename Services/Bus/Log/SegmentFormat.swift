// SPDX-License-Identifier: Apache-2.0
import Core

/// The first 64 bytes of a segment file, little endian:
///
///     0  u64 magic
///     8  u64, u64 stream identifier
///     24 u64 first sequence
///     32 u64 preceding sequence   the last one that existed before; less than first - 1 when numbers were skipped on purpose
///     40 i64 created              nanoseconds since 1970
///     48 u64 instance             random; a segment that is begun again under the same number has another
///     56 u32 reserved
///     60 u32 CRC-32C of the 60 bytes before
struct SegmentHeader: Equatable {
    static let length = 64
    /// Far beyond what a log can reach, far below where arithmetic overflows.
    static let maximumSequence: UInt64 = 1 << 62
    private static let magic: UInt64 = 0x3130_474F_4C54_524D  // "MRTLOG01"

    var stream: StreamID
    var firstSequence: UInt64
    var precedingSequence: UInt64
    var created: Int64
    var instance: UInt64

    func encoded() -> [UInt8] {
        var writer = ByteWriter()
        writer.append(Self.magic)
        writer.append(stream.high)
        writer.append(stream.low)
        writer.append(firstSequence)
        writer.append(precedingSequence)
        writer.append(UInt64(bitPattern: created))
        writer.append(instance)
        writer.append(UInt32(0))
        writer.appendChecksum()
        return writer.bytes
    }

    init(stream: StreamID, firstSequence: UInt64, precedingSequence: UInt64, created: Int64, instance: UInt64) {
        self.instance = instance
        self.stream = stream
        self.firstSequence = firstSequence
        self.precedingSequence = precedingSequence
        self.created = created
    }

    init?(_ bytes: [UInt8]) {
        var reader = ByteReader(bytes)
        guard bytes.count >= Self.length, reader.hasChecksum(at: Self.length - 4), reader.word() == Self.magic,
            let high = reader.word(), let low = reader.word(), let first = reader.word(),
            let preceding = reader.word(), let created = reader.word(), let instance = reader.word(),
            first > 0, preceding < first,
            first <= Self.maximumSequence
        else { return nil }
        self.init(
            stream: StreamID(high: high, low: low), firstSequence: first, precedingSequence: preceding,
            created: Int64(bitPattern: created), instance: instance)
    }

    /// 20 digits hold every `UInt64`, so names sort as numbers.
    static func name(_ firstSequence: UInt64) -> String {
        let digits = String(firstSequence)
        return String(repeating: "0", count: 20 - digits.utf8.count) + digits + ".log"
    }

    static func indexName(_ firstSequence: UInt64) -> String {
        String(name(firstSequence).dropLast(4)) + ".index"
    }

    /// The first sequence that a file's name states; nil when it is not a segment's name.
    static func firstSequence(ofName name: String, suffix: String = ".log") -> UInt64? {
        guard name.hasSuffix(suffix), name.utf8.count == 20 + suffix.utf8.count else { return nil }
        let digits = name.dropLast(suffix.count)
        guard digits.utf8.allSatisfy({ $0 >= UInt8(ascii: "0") && $0 <= UInt8(ascii: "9") }),
            let value = UInt64(digits), value > 0, value <= maximumSequence
        else { return nil }
        return value
    }
}

/// The identity file: which incarnation of the stream the directory holds.
struct LogIdentity: Equatable {
    static let name = "identity"
    private static let magic: UInt64 = 0x3130_4449_5452_4D00
    private static let length = 36

    var stream: StreamID
    /// A segment has been begun: from then on there is always one, so that a directory without any has lost them.
    var isBegun: Bool

    func encoded() -> [UInt8] {
        var writer = ByteWriter()
        writer.append(Self.magic)
        writer.append(stream.high)
        writer.append(stream.low)
        writer.append(UInt64(isBegun ? 1 : 0))
        writer.appendChecksum()
        return writer.bytes
    }

    init(stream: StreamID, isBegun: Bool) {
        self.stream = stream
        self.isBegun = isBegun
    }

    init?(_ bytes: [UInt8]) {
        var reader = ByteReader(bytes)
        guard bytes.count >= Self.length, reader.hasChecksum(at: Self.length - 4), reader.word() == Self.magic,
            let high = reader.word(), let low = reader.word(), let flags = reader.word()
        else { return nil }
        self.init(stream: StreamID(high: high, low: low), isBegun: flags & 1 == 1)
    }
}

/// Little-endian writing of the small files.
struct ByteWriter {
    private(set) var bytes: [UInt8] = []

    mutating func append<Value: FixedWidthInteger>(_ value: Value) {
        withUnsafeBytes(of: value.littleEndian) { bytes.append(contentsOf: $0) }
    }

    mutating func append(contentsOf other: some Sequence<UInt8>) { bytes.append(contentsOf: other) }

    /// CRC-32C of everything so far.
    mutating func appendChecksum() { append(bytes.withUnsafeBytes { Checksum.of($0) }) }
}

/// Little-endian reading of the small files; nil beyond the end.
struct ByteReader {
    private let bytes: [UInt8]
    private(set) var offset = 0

    init(_ bytes: [UInt8], offset: Int = 0) {
        self.bytes = bytes
        self.offset = offset
    }

    var remaining: Int { bytes.count - offset }

    mutating func integer<Value: FixedWidthInteger>(_: Value.Type) -> Value? {
        let size = MemoryLayout<Value>.size
        guard remaining >= size else { return nil }
        let value = bytes.withUnsafeBytes { $0.loadUnaligned(fromByteOffset: offset, as: Value.self) }
        offset += size
        return Value(littleEndian: value)
    }

    mutating func word() -> UInt64? { integer(UInt64.self) }

    mutating func take(_ count: Int) -> ArraySlice<UInt8>? {
        guard count >= 0, remaining >= count else { return nil }
        defer { offset += count }
        return bytes[offset..<offset + count]
    }

    /// Whether the four bytes at `end` are the CRC-32C of everything before.
    func hasChecksum(at end: Int) -> Bool {
        guard end >= 0, bytes.count >= end + 4 else { return false }
        return bytes.withUnsafeBytes { buffer in
            UInt32(littleEndian: buffer.loadUnaligned(fromByteOffset: end, as: UInt32.self))
                == Checksum.of(UnsafeRawBufferPointer(rebasing: buffer[..<end]))
        }
    }
}
