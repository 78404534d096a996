// SPDX-License-Identifier: Apache-2.0
import GRDB
import GRDBSQLite
import NIOCore

/// A prepared statement for the hot path: values go from their buffers to SQLite and back without being boxed. GRDB owns it and its connection.
///
/// Changes made here must lie in one of GRDB's transactions: an error leaves the transaction to be rolled back by whoever began it.
struct StoreStatement {
    private let statement: Statement
    private let pointer: OpaquePointer
    private let connection: OpaquePointer?

    init(_ database: Database, _ sql: String) throws {
        statement = try database.makeStatement(sql: sql)
        pointer = statement.sqliteStatement
        connection = database.sqliteConnection
    }

    /// Runs to the end.
    ///
    /// - Returns: how many rows were changed; 0 means nothing for a statement that only reads.
    @discardableResult
    func run(_ values: StoreValue...) throws -> Int {
        try perform(values) { _ in true }
        return Int(sqlite3_changes(connection))
    }

    /// The first row's value, if there is a row.
    func first<Value>(_ values: StoreValue..., read: (StoreRow) throws -> Value) throws -> Value? {
        var value: Value?
        try perform(values) { row in
            if value == nil { value = try read(row) }
            // To the end, for statements that change something.
            return true
        }
        return value
    }

    /// - Parameter body: returns whether to go on.
    func each(_ values: StoreValue..., body: (StoreRow) throws -> Bool) throws {
        try perform(values, body)
    }

    private func perform(_ values: [StoreValue], _ body: (StoreRow) throws -> Bool) throws {
        defer {
            sqlite3_reset(pointer)
            sqlite3_clear_bindings(pointer)
        }
        for (index, value) in values.enumerated() { try check(bind(value, at: Int32(index + 1))) }
        let row = StoreRow(pointer)
        while true {
            let result = sqlite3_step(pointer)
            guard result == SQLITE_ROW else {
                if result == SQLITE_DONE { return }
                throw error(result)
            }
            guard try body(row) else { return }
        }
    }

    private func bind(_ value: StoreValue, at index: Int32) -> Int32 {
        switch value {
        case .null: return sqlite3_bind_null(pointer, index)
        case .integer(let number): return sqlite3_bind_int64(pointer, index, number)
        case .text(var text):
            return text.withUTF8 { bytes in
                bytes.withMemoryRebound(to: CChar.self) {
                    sqlite3_bind_text64(
                        pointer, index, $0.baseAddress, UInt64($0.count), Self.copied, UInt8(SQLITE_UTF8))
                }
            }
        case .bytes(let buffer):
            return buffer.withUnsafeReadableBytes {
                // Without an address it would be bound as NULL.
                guard $0.count > 0 else { return sqlite3_bind_zeroblob(pointer, index, 0) }
                return sqlite3_bind_blob64(pointer, index, $0.baseAddress, UInt64($0.count), Self.copied)
            }
        }
    }

    /// SQLITE_TRANSIENT, a macro that Swift does not import.
    private static var copied: sqlite3_destructor_type { unsafeBitCast(-1, to: sqlite3_destructor_type.self) }

    private func check(_ result: Int32) throws {
        guard result == SQLITE_OK else { throw error(result) }
    }

    private func error(_ result: Int32) -> DatabaseError {
        let message = sqlite3_errmsg(connection).map { String(cString: $0) }
        return DatabaseError(resultCode: ResultCode(rawValue: result), message: message)
    }
}
