// SPDX-License-Identifier: Apache-2.0
import Core

/// Where a record lies in its segment's file.
struct IndexEntry: Equatable, Sendable {
    var sequence: UInt64
    var offset: Int
}

/// What is known of a sealed segment without reading it: the file beside it that makes opening fast. It is a cache: one that is missing or
/// does not check is made again by reading the segment.
///
///     0   u64 magic
///     8   u64, u64 stream identifier
///     24  u64 first sequence, u64 last sequence (first - 1: no record)
///     40  u64 end of the records in the segment file
///     48  i64 first storedAt, i64 last storedAt
///     64  u64 preceding sequence, u64 instance of the segment (from its header)
///     80  u32 entries, u32 lost ranges
///     88  u32 CRC-32C of what follows the head, u32 CRC-32C of the 92 bytes before
///     96  entries (u64 sequence, u64 offset), lost ranges (u64 first, u64 last)
struct SegmentIndex: Equatable {
    static let headLength = 96
    private static let magic: UInt64 = 0x3130_5844_4954_524D

    var stream: StreamID
    var firstSequence: UInt64
    var lastSequence: UInt64
    var precedingSequence: UInt64
    var instance: UInt64
    var dataEnd: Int
    var firstStoredAt: Int64
    var lastStoredAt: Int64
    var entryCount: Int
    var lostCount: Int
    var bodyChecksum: UInt32

    /// A sealed segment's index file.
    static func encoded(_ segment: Segment, stream: StreamID, lost: [ClosedRange<UInt64>]) -> [UInt8] {
        let index = SegmentIndex(
            stream: stream, firstSequence: segment.firstSequence, lastSequence: segment.lastSequence,
            precedingSequence: segment.precedingSequence, instance: segment.instance, dataEnd: segment.dataEnd,
            firstStoredAt: segment.firstStoredAt, lastStoredAt: segment.lastStoredAt, entryCount: 0, lostCount: 0,
            bodyChecksum: 0)
        return encoded(index, entries: segment.entries ?? [], lost: lost)
    }

    private static func encoded(_ index: SegmentIndex, entries: [IndexEntry], lost: [ClosedRange<UInt64>]) -> [UInt8] {
        var body = ByteWriter()
        for entry in entries {
            body.append(entry.sequence)
            body.append(UInt64(entry.offset))
        }
        for range in lost {
            body.append(range.lowerBound)
            body.append(range.upperBound)
        }
        var writer = ByteWriter()
        writer.append(magic)
        writer.append(index.stream.high)
        writer.append(index.stream.low)
        writer.append(index.firstSequence)
        writer.append(index.lastSequence)
        writer.append(UInt64(index.dataEnd))
        writer.append(UInt64(bitPattern: index.firstStoredAt))
        writer.append(UInt64(bitPattern: index.lastStoredAt))
        writer.append(index.precedingSequence)
        writer.append(index.instance)
        writer.append(UInt32(clamping: entries.count))
        writer.append(UInt32(clamping: lost.count))
        writer.append(body.bytes.withUnsafeBytes { Checksum.of($0) })
        writer.appendChecksum()
        writer.append(contentsOf: body.bytes)
        return writer.bytes
    }

    /// Reads the head; nil unless it checks and is plausible.
    static func decodeHead(_ bytes: [UInt8]) -> SegmentIndex? {
        var reader = ByteReader(bytes)
        guard bytes.count >= headLength, reader.hasChecksum(at: headLength - 4), reader.word() == magic,
            let high = reader.word(), let low = reader.word(), let first = reader.word(), let last = reader.word(),
            let end = reader.word(), let firstStoredAt = reader.word(), let lastStoredAt = reader.word(),
            let preceding = reader.word(), let instance = reader.word(), let entries = reader.integer(UInt32.self),
            let lost = reader.integer(UInt32.self), let body = reader.integer(UInt32.self),
            first > 0, last >= first - 1, last <= SegmentHeader.maximumSequence, preceding < first,
            end >= UInt64(SegmentHeader.length),
            end <= UInt64(Int32.max)
        else { return nil }
        return SegmentIndex(
            stream: StreamID(high: high, low: low), firstSequence: first, lastSequence: last,
            precedingSequence: preceding, instance: instance, dataEnd: Int(end),
            firstStoredAt: Int64(bitPattern: firstStoredAt),
            lastStoredAt: Int64(bitPattern: lastStoredAt), entryCount: Int(entries), lostCount: Int(lost),
            bodyChecksum: body)
    }

    /// Reads what follows the head; nil unless it checks, ascends and stays within the segment.
    func decodeBody(_ bytes: [UInt8]) -> (entries: [IndexEntry], lost: [ClosedRange<UInt64>])? {
        let length = (entryCount + lostCount) * 16
        guard bytes.count == Self.headLength + length else { return nil }
        let checksum = bytes.withUnsafeBytes { Checksum.of(UnsafeRawBufferPointer(rebasing: $0[Self.headLength...])) }
        guard checksum == bodyChecksum else { return nil }
        var reader = ByteReader(bytes, offset: Self.headLength)
        var entries: [IndexEntry] = []
        entries.reserveCapacity(entryCount)
        for _ in 0..<entryCount {
            guard let sequence = reader.word(), let offset = reader.word(), offset < UInt64(dataEnd),
                offset >= UInt64(SegmentHeader.length), sequence >= firstSequence, sequence <= lastSequence,
                (entries.last?.sequence ?? 0) < sequence, (entries.last?.offset ?? 0) < Int(offset)
            else { return nil }
            entries.append(IndexEntry(sequence: sequence, offset: Int(offset)))
        }
        var lost: [ClosedRange<UInt64>] = []
        for _ in 0..<lostCount {
            guard let first = reader.word(), let last = reader.word(), first <= last else { return nil }
            lost.append(first...last)
        }
        return (entries, lost)
    }
}
