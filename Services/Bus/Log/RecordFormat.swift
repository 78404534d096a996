// SPDX-License-Identifier: Apache-2.0
import Bus
import Core

/// One record on disk. Little endian, begins and ends on the 8-byte grid:
///
///     0  u32 checksum        CRC-32C of everything behind it, padding included, seeded with the stream's identifier
///     4  u32 length          head and body, without padding
///     8  u64 sequence
///     16 i64 storedAt        nanoseconds since 1970
///     24 u16 subjectLength
///     26 u16 headersLength
///     28 u32 magic           lets a search for the next record skip quickly
///     32 subject, headers, payload, zeros up to a multiple of 8
///
/// The seed keeps the records of another log (a reused block, a copied file) from passing for this log's.
enum RecordFormat {
    static let headLength = 32
    static let magic: UInt32 = 0xB16C_57A9

    @inline(__always)
    static func padded(_ length: Int) -> Int { (length + 7) & ~7 }

    static func seed(_ stream: StreamID) -> UInt32 {
        withUnsafeBytes(of: (stream.high.bigEndian, stream.low.bigEndian)) { Checksum.update(~0, $0) }
    }

    struct Head {
        var length: Int
        var sequence: UInt64
        var storedAt: Int64
        var subjectLength: Int
        var headersLength: Int

        @inline(__always)
        var paddedLength: Int { RecordFormat.padded(length) }
    }

    /// Whether the record has a header that names this origin (``Bus/Wire/HeaderType/origin``).
    @inline(__always)
    static func isFrom(_ origin: UInt64, _ record: UnsafeRawPointer, _ head: Head) -> Bool {
        guard head.headersLength > 0 else { return false }
        let headers = UnsafeRawBufferPointer(
            start: record + headLength + head.subjectLength, count: head.headersLength)
        var offset = 0
        while headers.count - offset >= 2 {
            let length = Int(headers[offset + 1])
            guard offset + 2 + length <= headers.count else { return false }
            if headers[offset] == Wire.HeaderType.origin.rawValue, length == MemoryLayout<UInt64>.size {
                return UInt64(littleEndian: headers.loadUnaligned(fromByteOffset: offset + 2, as: UInt64.self))
                    == origin
            }
            offset += 2 + length
        }
        return false
    }

    enum Inspection {
        case valid(Head)
        /// The record may be valid, but that many bytes are needed to tell.
        case incomplete(needed: Int)
        case invalid
    }

    /// Encodes in place. `target` has room for the padded length; the caller has checked the limits of the parts.
    @inline(__always)
    static func encode(
        to target: UnsafeMutableRawPointer, sequence: UInt64, storedAt: Int64, subject: UnsafeRawBufferPointer,
        headers: UnsafeRawBufferPointer, payload: UnsafeRawBufferPointer, length: Int, seed: UInt32
    ) {
        let padded = padded(length)
        // The last word first: the body overwrites all of it but the padding.
        target.storeBytes(of: 0, toByteOffset: padded - 8, as: UInt64.self)
        target.storeBytes(of: UInt32(truncatingIfNeeded: length).littleEndian, toByteOffset: 4, as: UInt32.self)
        target.storeBytes(of: sequence.littleEndian, toByteOffset: 8, as: UInt64.self)
        target.storeBytes(of: storedAt.littleEndian, toByteOffset: 16, as: Int64.self)
        target.storeBytes(
            of: UInt16(truncatingIfNeeded: subject.count).littleEndian, toByteOffset: 24, as: UInt16.self)
        target.storeBytes(
            of: UInt16(truncatingIfNeeded: headers.count).littleEndian, toByteOffset: 26, as: UInt16.self)
        target.storeBytes(of: magic.littleEndian, toByteOffset: 28, as: UInt32.self)
        var cursor = target + headLength
        if let base = subject.baseAddress {
            cursor.copyMemory(from: base, byteCount: subject.count)
            cursor += subject.count
        }
        if let base = headers.baseAddress {
            cursor.copyMemory(from: base, byteCount: headers.count)
            cursor += headers.count
        }
        if let base = payload.baseAddress { cursor.copyMemory(from: base, byteCount: payload.count) }
        let checksum = ~Checksum.update(seed, UnsafeRawBufferPointer(start: target + 4, count: padded - 4))
        target.storeBytes(of: checksum.littleEndian, toByteOffset: 0, as: UInt32.self)
    }

    /// The head's fields without any check of the checksum; nil when they cannot be a record's.
    @inline(__always)
    static func head(_ bytes: UnsafeRawPointer, maximumLength: Int) -> Head? {
        guard UInt32(littleEndian: bytes.loadUnaligned(fromByteOffset: 28, as: UInt32.self)) == magic else {
            return nil
        }
        let length = Int(UInt32(littleEndian: bytes.loadUnaligned(fromByteOffset: 4, as: UInt32.self)))
        let subject = Int(UInt16(littleEndian: bytes.loadUnaligned(fromByteOffset: 24, as: UInt16.self)))
        let headers = Int(UInt16(littleEndian: bytes.loadUnaligned(fromByteOffset: 26, as: UInt16.self)))
        guard length <= maximumLength, length >= headLength + subject + headers else { return nil }
        return Head(
            length: length,
            sequence: UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: 8, as: UInt64.self)),
            storedAt: Int64(littleEndian: bytes.loadUnaligned(fromByteOffset: 16, as: Int64.self)),
            subjectLength: subject, headersLength: headers)
    }

    /// Whether a whole record begins at `bytes`.
    @inline(__always)
    static func inspect(_ bytes: UnsafeRawBufferPointer, seed: UInt32, maximumLength: Int) -> Inspection {
        guard bytes.count >= headLength, let base = bytes.baseAddress else { return .incomplete(needed: headLength) }
        guard let head = head(base, maximumLength: maximumLength) else { return .invalid }
        let padded = head.paddedLength
        guard bytes.count >= padded else { return .incomplete(needed: padded) }
        let stored = UInt32(littleEndian: base.loadUnaligned(as: UInt32.self))
        let computed = ~Checksum.update(seed, UnsafeRawBufferPointer(start: base + 4, count: padded - 4))
        return stored == computed ? .valid(head) : .invalid
    }
}

/// A view of one record; valid as long as the buffer it came from is neither refilled nor released.
struct LogRecord {
    let sequence: UInt64
    /// Nanoseconds since 1970.
    let storedAt: Int64
    let subjectLength: Int
    let headersLength: Int
    /// Subject, headers and payload, one behind the other.
    let body: UnsafeRawBufferPointer

    init(at base: UnsafeRawPointer, head: RecordFormat.Head) {
        sequence = head.sequence
        storedAt = head.storedAt
        subjectLength = head.subjectLength
        headersLength = head.headersLength
        body = UnsafeRawBufferPointer(
            start: base + RecordFormat.headLength, count: head.length - RecordFormat.headLength)
    }

    var subject: UnsafeRawBufferPointer { UnsafeRawBufferPointer(rebasing: body[..<subjectLength]) }
    var headers: UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(rebasing: body[subjectLength..<subjectLength + headersLength])
    }
    var payload: UnsafeRawBufferPointer { UnsafeRawBufferPointer(rebasing: body[(subjectLength + headersLength)...]) }
}
