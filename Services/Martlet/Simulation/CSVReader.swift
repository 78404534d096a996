// SPDX-License-Identifier: Apache-2.0
import Foundation

/// Reads records of delimited text (RFC 4180, any delimiter), piece by piece: a file may be larger than the memory.
struct CSVReader {
    /// Of one record, quotes included.
    static let maximumRecordBytes = 1 << 20

    private let handle: FileHandle
    private let delimiter: UInt8
    private var chunk: [UInt8] = []
    private var position = 0
    private var isAtEnd = false
    /// Of the record that was read last, counted from 1.
    private(set) var line = 0
    private var nextLine = 1

    /// - Throws: ``CommandFailure`` where the file cannot be read.
    init(path: String, delimiter: UInt8) throws(CommandFailure) {
        guard let handle = FileHandle(forReadingAtPath: path) else { throw .usage("cannot read '\(path)'") }
        self.handle = handle
        self.delimiter = delimiter
        // A byte order mark belongs to no field.
        if peek() == 0xEF, chunk.starts(with: [0xEF, 0xBB, 0xBF]) { position = 3 }
    }

    /// - Returns: the next record's fields; nil at the end. Lines without any character are no records.
    /// - Throws: ``CommandFailure`` naming the line.
    mutating func next() throws(CommandFailure) -> [String]? {
        while let byte = peek(), byte == 0x0A || byte == 0x0D {
            position += 1
            if byte == 0x0A { nextLine += 1 }
        }
        guard peek() != nil else { return nil }
        line = nextLine
        var fields: [String] = []
        var size = 0
        while true {
            let field = try field(&size)
            fields.append(field)
            guard let byte = peek(), byte == delimiter else { break }
            position += 1
        }
        return fields
    }

    private mutating func field(_ size: inout Int) throws(CommandFailure) -> String {
        var content: [UInt8] = []
        if peek() == UInt8(ascii: "\"") {
            position += 1
            while true {
                guard let byte = take(&size) else { throw failure("a quoted field does not end") }
                guard size <= Self.maximumRecordBytes else { throw tooLong }
                if byte == UInt8(ascii: "\"") {
                    guard peek() == byte else { break }
                    position += 1
                }
                if byte == 0x0A { nextLine += 1 }
                content.append(byte)
            }
            guard let next = peek(), next != delimiter, next != 0x0A, next != 0x0D else { return try text(content) }
            throw failure("something stands behind a closing quote")
        }
        while let byte = peek(), byte != delimiter, byte != 0x0A, byte != 0x0D {
            content.append(byte)
            _ = take(&size)
            guard size <= Self.maximumRecordBytes else { throw tooLong }
        }
        return try text(content)
    }

    private func text(_ content: [UInt8]) throws(CommandFailure) -> String {
        guard let text = String(validating: content, as: UTF8.self) else { throw failure("a field is not UTF-8") }
        return text
    }

    private func failure(_ what: String) -> CommandFailure { .usage("line \(line) of the CSV file: \(what)") }

    private var tooLong: CommandFailure { failure("the record is longer than \(Self.maximumRecordBytes) bytes") }

    private mutating func peek() -> UInt8? {
        while position >= chunk.count {
            guard !isAtEnd else { return nil }
            chunk = (try? handle.read(upToCount: 256 << 10)).map { Array($0) } ?? []
            position = 0
            isAtEnd = chunk.isEmpty
        }
        return chunk[position]
    }

    private mutating func take(_ size: inout Int) -> UInt8? {
        guard let byte = peek() else { return nil }
        position += 1
        size += 1
        return byte
    }
}
