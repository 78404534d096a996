// SPDX-License-Identifier: Apache-2.0
import Core
import NIOCore

/// Rows in the server's binary COPY format (PostgreSQL documentation, COPY, "Binary Format"), without header and trailer, so that any run of
/// whole rows can be sent on its own.
///
/// Append each row's field count, then its fields in the order of the COPY statement's column list:
///
///     buffer.beginRow(fields: 2)
///     buffer.append(channel)
///     try buffer.append(text: name)
///
/// A row that cannot be finished is taken back: `let mark = buffer.mark` before it, `buffer.rewind(to: mark)` after it.
public struct CopyBuffer: Sendable {
    /// A place between two rows.
    public struct Mark: Hashable, Sendable {
        var offset: Int
        /// Rows before it.
        public let rows: Int
    }

    @usableFromInline
    var bytes: ByteBuffer
    public private(set) var rows = 0

    public init(capacity: Int = 0) {
        bytes = ByteBufferAllocator().buffer(capacity: capacity)
    }

    public var isEmpty: Bool { rows == 0 }
    public var byteCount: Int { bytes.writerIndex }
    public var mark: Mark { Mark(offset: bytes.writerIndex, rows: rows) }

    /// Takes back every row behind `mark`.
    public mutating func rewind(to mark: Mark) {
        bytes.moveWriterIndex(to: min(mark.offset, bytes.writerIndex))
        rows = min(mark.rows, rows)
    }

    /// Forgets all rows and keeps the memory.
    public mutating func removeAll() {
        bytes.clear()
        rows = 0
    }

    public mutating func beginRow(fields: Int16) {
        bytes.writeInteger(fields)
        rows += 1
    }

    @inlinable
    public mutating func appendNull() { bytes.writeInteger(-1 as Int32) }

    @inlinable
    public mutating func append(_ value: Int16) { bytes.writeMultipleIntegers(2 as Int32, value) }

    @inlinable
    public mutating func append(_ value: Int32) { bytes.writeMultipleIntegers(4 as Int32, value) }

    @inlinable
    public mutating func append(_ value: Int64) { bytes.writeMultipleIntegers(8 as Int32, value) }

    @inlinable
    public mutating func append(_ value: Double) { bytes.writeMultipleIntegers(8 as Int32, value.bitPattern) }

    @inlinable
    public mutating func append(_ value: Bool) { bytes.writeMultipleIntegers(1 as Int32, value ? 1 : 0 as UInt8) }

    @inlinable
    public mutating func append<Entity>(_ value: Identifier<Entity>) {
        bytes.writeMultipleIntegers(16 as Int32, value.high, value.low)
    }

    @inlinable
    public mutating func append(_ value: Double?) {
        if let value { append(value) } else { appendNull() }
    }

    @inlinable
    public mutating func append(_ value: Bool?) {
        if let value { append(value) } else { appendNull() }
    }

    /// Text, which must not hold U+0000.
    /// - Throws: ``PostgresError/Kind/invalidValue``; the row then has to be taken back.
    @inlinable
    public mutating func append(text value: String) throws(PostgresError) {
        let start = bytes.writerIndex
        bytes.writeInteger(Int32(0))
        let length = bytes.writeString(value)
        try finish(start: start, length: length, prefix: 0)
    }

    /// UTF-8 that was checked to be valid elsewhere, or is about to be by the server (SQLSTATE 22021); NUL is caught here.
    @inlinable
    public mutating func append(utf8 value: ByteBuffer) throws(PostgresError) {
        let start = bytes.writerIndex
        bytes.writeInteger(Int32(0))
        let length = bytes.writeImmutableBuffer(value)
        try finish(start: start, length: length, prefix: 0)
    }

    /// JSON text for a `jsonb` column; the server checks the syntax (SQLSTATE class 22).
    @inlinable
    public mutating func append(json value: ByteBuffer) throws(PostgresError) {
        let start = bytes.writerIndex
        bytes.writeInteger(Int32(0))
        bytes.writeInteger(1 as UInt8)
        let length = bytes.writeImmutableBuffer(value)
        try finish(start: start, length: length, prefix: 1)
    }

    /// A `bytea`.
    /// - Throws: ``PostgresError/Kind/invalidValue`` beyond 1 GiB.
    @inlinable
    public mutating func append(bytes value: ByteBuffer) throws(PostgresError) {
        guard let length = Int32(exactly: value.readableBytes) else { throw Self.tooLong }
        bytes.writeInteger(length)
        bytes.writeImmutableBuffer(value)
    }

    /// UTF-8 that was checked to be valid elsewhere.
    /// - Returns: false when it holds U+0000 or is too long; the row then has to be taken back.
    @inlinable
    public mutating func append(utf8 value: UnsafeRawBufferPointer) -> Bool {
        guard let length = Int32(exactly: value.count), !value.contains(0) else { return false }
        bytes.writeInteger(length)
        bytes.writeBytes(value)
        return true
    }

    /// A `bytea`.
    /// - Returns: false when it is too long; the row then has to be taken back.
    @inlinable
    public mutating func append(bytes value: UnsafeRawBufferPointer) -> Bool {
        guard let length = Int32(exactly: value.count) else { return false }
        bytes.writeInteger(length)
        bytes.writeBytes(value)
        return true
    }

    /// The fields of `other`, which holds no whole rows: what several rows have in common is encoded once.
    @inlinable
    public mutating func append(fieldsOf other: CopyBuffer) { bytes.writeImmutableBuffer(other.bytes) }

    @usableFromInline
    static var tooLong: PostgresError { PostgresError(.invalidValue, "a field is too long") }

    /// Sets the field's length and looks for the one character that PostgreSQL's text cannot hold.
    @usableFromInline
    mutating func finish(start: Int, length: Int, prefix: Int) throws(PostgresError) {
        guard let total = Int32(exactly: length + prefix) else { throw Self.tooLong }
        bytes.setInteger(total, at: start)
        let hasNull = bytes.withUnsafeReadableBytes { all in
            all.dropFirst(start + 4 + prefix).prefix(length).contains(0)
        }
        guard !hasNull else { throw PostgresError(.invalidValue, "text holds the character U+0000") }
    }
}
