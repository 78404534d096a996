// SPDX-License-Identifier: Apache-2.0
import Core
import GRDBSQLite
import NIOCore

/// The row at which a statement stands. Columns are checked when they are read: what the file says is not believed.
struct StoreRow {
    private let statement: OpaquePointer

    init(_ statement: OpaquePointer) { self.statement = statement }

    func isNull(_ column: Int32) -> Bool { sqlite3_column_type(statement, column) == SQLITE_NULL }

    func integer(_ column: Int32) throws(StoreFault) -> Int64 {
        guard sqlite3_column_type(statement, column) == SQLITE_INTEGER else { throw fault(column) }
        return sqlite3_column_int64(statement, column)
    }

    func optionalInteger(_ column: Int32) throws(StoreFault) -> Int64? { isNull(column) ? nil : try integer(column) }

    /// A number that must fit its type.
    func number<Number: FixedWidthInteger>(_ column: Int32) throws(StoreFault) -> Number {
        guard let number = Number(exactly: try integer(column)) else { throw fault(column) }
        return number
    }

    func unsigned(_ column: Int32) throws(StoreFault) -> UInt64 { UInt64(bitPattern: try integer(column)) }

    func flag(_ column: Int32) throws(StoreFault) -> Bool { try integer(column) != 0 }

    func session(_ column: Int32) throws(StoreFault) -> SessionNumber {
        let number = try unsigned(column)
        guard number != 0 else { throw fault(column) }
        return SessionNumber(rawValue: number)
    }

    func text(_ column: Int32) throws(StoreFault) -> String {
        guard sqlite3_column_type(statement, column) == SQLITE_TEXT, let start = sqlite3_column_text(statement, column)
        else { throw fault(column) }
        let bytes = UnsafeBufferPointer(start: start, count: Int(sqlite3_column_bytes(statement, column)))
        guard let text = String(validating: bytes, as: UTF8.self) else { throw fault(column) }
        return text
    }

    func bytes(_ column: Int32) throws(StoreFault) -> ByteBuffer {
        guard sqlite3_column_type(statement, column) == SQLITE_BLOB else { throw fault(column) }
        // An empty blob has no address.
        guard let start = sqlite3_column_blob(statement, column) else { return ByteBuffer() }
        let count = Int(sqlite3_column_bytes(statement, column))
        return ByteBuffer(bytes: UnsafeRawBufferPointer(start: start, count: count))
    }

    func identifier<Kind>(_ column: Int32) throws(StoreFault) -> Identifier<Kind> {
        var bytes = try bytes(column)
        guard bytes.readableBytes == 16, let high: UInt64 = bytes.readInteger(), let low: UInt64 = bytes.readInteger()
        else { throw fault(column) }
        return Identifier(high: high, low: low)
    }

    func list(_ column: Int32) throws(StoreFault) -> [UInt32] {
        var bytes = try bytes(column)
        guard bytes.readableBytes.isMultiple(of: 4) else { throw fault(column) }
        var numbers: [UInt32] = []
        while let number: UInt32 = bytes.readInteger() { numbers.append(number) }
        return numbers
    }

    /// An enumeration's case by its number.
    func value<Value: RawRepresentable>(_ column: Int32) throws(StoreFault) -> Value where Value.RawValue == UInt8 {
        guard let value = Value(rawValue: try number(column)) else { throw fault(column) }
        return value
    }

    private func fault(_ column: Int32) -> StoreFault {
        .unreadableRow(sqlite3_column_name(statement, column).map { String(cString: $0) } ?? "column \(column)")
    }
}
