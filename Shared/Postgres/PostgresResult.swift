// SPDX-License-Identifier: Apache-2.0
import CPQ
import NIOCore

/// What a statement returned: its rows, as views into libpq's memory, and how many rows it touched.
///
/// Immutable after creation, hence safe to share between threads; frees libpq's memory when the last row is gone.
public final class PostgresResult: @unchecked Sendable {
    private let handle: OpaquePointer
    private let rowCount: Int32
    private let columnCount: Int32

    /// Takes over `handle`, which is cleared with this object.
    init(_ handle: OpaquePointer) {
        self.handle = handle
        rowCount = PQntuples(handle)
        columnCount = PQnfields(handle)
    }

    deinit { PQclear(handle) }

    /// Rows that an INSERT, UPDATE, DELETE, COPY … touched; 0 where the server reports none.
    public var affectedRows: Int {
        PQcmdTuples(handle).flatMap { Int(String(cString: $0)) } ?? 0
    }

    /// The command tag: `COMMIT`, `INSERT 0 1`, …
    public var commandTag: String { PQcmdStatus(handle).map { String(cString: $0) } ?? "" }

    public var columnNames: [String] { (0..<columnCount).map { String(cString: PQfname(handle, $0)) } }

    func column(named name: String) -> Int? {
        for index in 0..<columnCount where name == String(cString: PQfname(handle, index)) { return Int(index) }
        return nil
    }

    func field(row: Int, column: Int) throws(PostgresError) -> PostgresField {
        guard row >= 0, row < Int(rowCount), column >= 0, column < Int(columnCount) else {
            throw PostgresError(.decoding, "row \(row), column \(column) is outside of the result")
        }
        let row = Int32(row)
        let column = Int32(column)
        guard PQfformat(handle, column) == 1 else {
            throw PostgresError(.decoding, "column \(column) came in text format")
        }
        var bytes: UnsafeRawBufferPointer?
        if PQgetisnull(handle, row, column) == 0 {
            bytes = UnsafeRawBufferPointer(
                start: PQgetvalue(handle, row, column), count: Int(PQgetlength(handle, row, column)))
        }
        return PostgresField(
            bytes: bytes, type: PostgresType(rawValue: UInt32(PQftype(handle, column))),
            name: String(cString: PQfname(handle, column)))
    }
}

extension PostgresResult: RandomAccessCollection {
    public typealias Index = Int

    public var startIndex: Int { 0 }
    public var endIndex: Int { Int(rowCount) }
    public subscript(position: Int) -> PostgresRow { PostgresRow(result: self, index: position) }
}

/// One row, read in place.
public struct PostgresRow: Sendable {
    let result: PostgresResult
    let index: Int

    /// The column's value by position.
    /// - Throws: ``PostgresError/Kind/decoding``.
    public func decode<Value: PostgresDecodable>(_: Value.Type = Value.self, at column: Int) throws(PostgresError)
        -> Value
    {
        try Value(postgres: try result.field(row: index, column: column))
    }

    /// The column's value by name; by position is faster for many rows.
    /// - Throws: ``PostgresError/Kind/decoding``.
    public func decode<Value: PostgresDecodable>(_: Value.Type = Value.self, named name: String) throws(PostgresError)
        -> Value
    {
        guard let column = result.column(named: name) else {
            throw PostgresError(.decoding, "no column \(name) in the result", column: name)
        }
        return try decode(at: column)
    }

    /// The first columns in order: `let (id, name) = try row.decode((ThingID, String?).self)`.
    public func decode<each Column: PostgresDecodable>(_: (repeat each Column).Type) throws(PostgresError)
        -> (repeat each Column)
    {
        var column = -1
        func next<Value: PostgresDecodable>(_: Value.Type) throws(PostgresError) -> Value {
            column += 1
            return try decode(at: column)
        }
        return (repeat try next((each Column).self))
    }

    /// Calls `body` with the column's bytes without copying them; nil for NULL.
    public func withBytes<Value>(at column: Int, _ body: (UnsafeRawBufferPointer?) throws -> Value) throws -> Value {
        try body(try result.field(row: index, column: column).bytes)
    }
}
