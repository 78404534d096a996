// SPDX-License-Identifier: Apache-2.0
import Core
import NIOCore

/// One field of a row as the server sent it (binary format); valid only while its row's result lives.
public struct PostgresField {
    /// nil: NULL.
    public let bytes: UnsafeRawBufferPointer?
    public let type: PostgresType
    /// The column's name, for errors.
    public let name: String

    /// The bytes, if the field is not NULL and of one of these types.
    public func bytes(of types: [PostgresType]) throws(PostgresError) -> UnsafeRawBufferPointer {
        guard let bytes else { throw mismatch(expected: "a value, found NULL") }
        guard types.contains(type) else { throw mismatch(expected: "another type") }
        return bytes
    }

    func mismatch(expected: String) -> PostgresError {
        PostgresError(.decoding, "column \(name) (type \(type.rawValue)): expected \(expected)", column: name)
    }
}

/// A value that can be read from a column.
public protocol PostgresDecodable {
    /// - Throws: ``PostgresError/Kind/decoding``.
    init(postgres field: PostgresField) throws(PostgresError)
}

extension PostgresField {
    /// Any of the server's integer types, sign-extended.
    func integer() throws(PostgresError) -> Int64 {
        let bytes = try bytes(of: [.int8, .int4, .int2, .oid])
        return switch bytes.count {
        case 8: Int64(bigEndian: bytes.loadUnaligned(as: Int64.self))
        case 4 where type == .oid: Int64(UInt32(bigEndian: bytes.loadUnaligned(as: UInt32.self)))
        case 4: Int64(Int32(bigEndian: bytes.loadUnaligned(as: Int32.self)))
        case 2: Int64(Int16(bigEndian: bytes.loadUnaligned(as: Int16.self)))
        default: throw mismatch(expected: "an integer of 2, 4 or 8 bytes")
        }
    }

    func integer<Value: FixedWidthInteger>(as: Value.Type) throws(PostgresError) -> Value {
        guard let value = Value(exactly: try integer()) else {
            throw mismatch(expected: "an integer within the range of \(Value.self)")
        }
        return value
    }

    /// Any text type, JSON included.
    func textBytes() throws(PostgresError) -> UnsafeRawBufferPointer {
        let bytes = try bytes(of: [.text, .varchar, .bpchar, .name, .char, .unknown, .json, .jsonb])
        guard type == .jsonb else { return bytes }
        guard bytes.first == 1 else { throw mismatch(expected: "jsonb of version 1") }
        return UnsafeRawBufferPointer(rebasing: bytes.dropFirst())
    }
}

extension Int64: PostgresDecodable {
    public init(postgres field: PostgresField) throws(PostgresError) { self = try field.integer() }
}

extension Int32: PostgresDecodable {
    public init(postgres field: PostgresField) throws(PostgresError) { self = try field.integer(as: Int32.self) }
}

extension Int16: PostgresDecodable {
    public init(postgres field: PostgresField) throws(PostgresError) { self = try field.integer(as: Int16.self) }
}

extension Int: PostgresDecodable {
    public init(postgres field: PostgresField) throws(PostgresError) { self = try field.integer(as: Int.self) }
}

extension Double: PostgresDecodable {
    public init(postgres field: PostgresField) throws(PostgresError) {
        let bytes = try field.bytes(of: [.float8, .float4])
        switch bytes.count {
        case 8: self = Double(bitPattern: UInt64(bigEndian: bytes.loadUnaligned(as: UInt64.self)))
        case 4: self = Double(Float(bitPattern: UInt32(bigEndian: bytes.loadUnaligned(as: UInt32.self))))
        default: throw field.mismatch(expected: "a floating-point number")
        }
    }
}

extension Bool: PostgresDecodable {
    public init(postgres field: PostgresField) throws(PostgresError) {
        let bytes = try field.bytes(of: [.bool])
        guard bytes.count == 1 else { throw field.mismatch(expected: "a boolean") }
        self = bytes[0] != 0
    }
}

extension String: PostgresDecodable {
    public init(postgres field: PostgresField) throws(PostgresError) {
        self.init(decoding: try field.textBytes(), as: UTF8.self)
    }
}

extension Identifier: PostgresDecodable {
    public init(postgres field: PostgresField) throws(PostgresError) {
        let bytes = try field.bytes(of: [.uuid])
        guard bytes.count == 16 else { throw field.mismatch(expected: "a UUID") }
        self.init(
            high: UInt64(bigEndian: bytes.loadUnaligned(as: UInt64.self)),
            low: UInt64(bigEndian: bytes.loadUnaligned(fromByteOffset: 8, as: UInt64.self)))
    }
}

extension ByteBuffer: PostgresDecodable {
    public init(postgres field: PostgresField) throws(PostgresError) {
        self.init(bytes: try field.bytes(of: [.bytea]))
    }
}

extension PostgresJSON: PostgresDecodable {
    public init(postgres field: PostgresField) throws(PostgresError) {
        _ = try field.bytes(of: [.json, .jsonb])
        self.init(text: try String(postgres: field))
    }
}

extension Optional: PostgresDecodable where Wrapped: PostgresDecodable {
    public init(postgres field: PostgresField) throws(PostgresError) {
        self = field.bytes == nil ? nil : try Wrapped(postgres: field)
    }
}
