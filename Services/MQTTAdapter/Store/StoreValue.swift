// SPDX-License-Identifier: Apache-2.0
import Core
import NIOCore

/// What a statement is given.
enum StoreValue {
    case null
    case integer(Int64)
    case text(String)
    case bytes(ByteBuffer)

    static func unsigned(_ number: UInt64) -> StoreValue { .integer(Int64(bitPattern: number)) }

    static func number(_ number: some FixedWidthInteger) -> StoreValue { .integer(Int64(truncatingIfNeeded: number)) }

    static func flag(_ flag: Bool) -> StoreValue { .integer(flag ? 1 : 0) }

    static func session(_ session: SessionNumber) -> StoreValue { unsigned(session.rawValue) }

    /// - Throws: for an order that SQLite's signed integers would sort before the others.
    static func order(_ order: UInt64) throws(StoreFault) -> StoreValue {
        guard let order = Int64(exactly: order) else { throw .orderTooLarge }
        return .integer(order)
    }

    static func identifier<Kind>(_ identifier: Identifier<Kind>) -> StoreValue {
        var buffer = ByteBufferAllocator().buffer(capacity: 16)
        buffer.writeInteger(identifier.high)
        buffer.writeInteger(identifier.low)
        return .bytes(buffer)
    }

    /// Four bytes each, most significant first.
    static func list(_ numbers: [UInt32]) -> StoreValue {
        var buffer = ByteBufferAllocator().buffer(capacity: numbers.count * 4)
        for number in numbers { buffer.writeInteger(number) }
        return .bytes(buffer)
    }
}

/// What goes wrong above SQLite.
enum StoreFault: Error {
    case orderTooLarge
    /// A random 63-bit key was in use: the commit may be tried again.
    case keyTaken
    /// A row of the file that is not what this program writes.
    case unreadableRow(String)
    case unusableFile(String)
}
