// SPDX-License-Identifier: Apache-2.0
import Foundation
import TestKit

/// A segment of the bus's log as bytes on disk, read without the bus's code: a header of 64 bytes, then records on the 8-byte grid, then zeros.
/// A record: checksum, length, sequence, and what does not matter here (Services/Bus/Log/RecordFormat.swift has it all).
struct SegmentFile {
    struct Record {
        let offset: Int
        /// Padding included.
        let length: Int
        let sequence: UInt64
        /// The value that the load gave this message; nil for others.
        let value: Int?
    }

    let path: String
    let records: [Record]

    /// All segments of a stream, the oldest first.
    static func all(in directory: String) throws -> [SegmentFile] {
        try FileManager.default.contentsOfDirectory(atPath: directory).filter { $0.hasSuffix(".log") }.sorted()
            .map { try SegmentFile(path: "\(directory)/\($0)") }
    }

    init(path: String) throws {
        self.path = path
        let bytes = try [UInt8](Data(contentsOf: URL(fileURLWithPath: path)))
        var records: [Record] = []
        var offset = 64
        while offset + 32 <= bytes.count {
            let length = Int(Self.integer(bytes, at: offset + 4, UInt32.self))
            guard length >= 32, offset + length <= bytes.count else { break }
            records.append(
                Record(
                    offset: offset, length: (length + 7) & ~7,
                    sequence: Self.integer(bytes, at: offset + 8, UInt64.self),
                    value: Self.value(bytes[offset..<offset + length])))
            offset += (length + 7) & ~7
        }
        self.records = records
    }

    private static func integer<Value: FixedWidthInteger>(_ bytes: [UInt8], at offset: Int, _: Value.Type) -> Value {
        bytes.withUnsafeBytes { Value(littleEndian: $0.loadUnaligned(fromByteOffset: offset, as: Value.self)) }
    }

    private static func value(_ record: ArraySlice<UInt8>) -> Int? {
        let text = String(decoding: record, as: UTF8.self)
        guard let start = text.range(of: #""n":"count","v":"#) else { return nil }
        return Int(text[start.upperBound...].prefix { $0.isNumber })
    }

    // MARK: Damage

    /// Ends the file within a record.
    func truncate(within record: Record) throws {
        let file = try FileHandle(forWritingTo: URL(fileURLWithPath: path))
        defer { try? file.close() }
        try file.truncate(atOffset: UInt64(record.offset + record.length / 2))
    }

    /// Writes what no record can be over the second half of a record.
    func overwrite(within record: Record) throws {
        let half = record.length / 2
        try write(
            (0..<(record.length - half)).map { UInt8(truncatingIfNeeded: $0 &* 37 | 1) }, at: record.offset + half)
    }

    /// Writes the first half of a record behind the last one, as a write that power loss cut short does.
    func appendHalfRecord() throws {
        guard let last = records.last else { throw CocoaError(.fileReadCorruptFile) }
        let bytes = try [UInt8](Data(contentsOf: URL(fileURLWithPath: path)))
        var half = Array(bytes[last.offset..<(last.offset + last.length / 2)])
        withUnsafeBytes(of: (last.sequence + 1).littleEndian) { half.replaceSubrange(8..<16, with: $0) }
        try write(half, at: last.offset + last.length)
    }

    /// Turns one bit in the last quarter of a record, where its payload is.
    func flipBit(within record: Record) throws {
        let offset = record.offset + record.length * 3 / 4
        let bytes = try [UInt8](Data(contentsOf: URL(fileURLWithPath: path)))
        try write([bytes[offset] ^ 0b100], at: offset)
    }

    private func write(_ bytes: [UInt8], at offset: Int) throws {
        let file = try FileHandle(forWritingTo: URL(fileURLWithPath: path))
        defer { try? file.close() }
        try file.seek(toOffset: UInt64(offset))
        try file.write(contentsOf: bytes)
    }
}
