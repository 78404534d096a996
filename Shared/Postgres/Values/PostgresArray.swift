// SPDX-License-Identifier: Apache-2.0
import Core
import NIOCore

/// What can be an element of a Swift array that is bound as one parameter (`= ANY($1)`, `unnest($1)`).
///
/// `UInt8` is the exception that makes `[UInt8]` the server's `bytea` rather than an array.
public protocol PostgresArrayElement: Sendable {
    static var postgresArrayType: PostgresType { get }
    static func encodeArray(_ elements: [Self], into buffer: inout ByteBuffer) throws(PostgresError)
    static func decodeArray(_ field: PostgresField) throws(PostgresError) -> [Self]
}

extension Array: PostgresEncodable where Element: PostgresArrayElement {
    public static var postgresType: PostgresType { Element.postgresArrayType }

    public func encode(into buffer: inout ByteBuffer) throws(PostgresError) {
        try Element.encodeArray(self, into: &buffer)
    }
}

extension Array: PostgresDecodable where Element: PostgresArrayElement {
    public init(postgres field: PostgresField) throws(PostgresError) {
        self = try Element.decodeArray(field)
    }
}

extension UInt8: PostgresArrayElement {
    public static var postgresArrayType: PostgresType { .bytea }

    public static func encodeArray(_ elements: [UInt8], into buffer: inout ByteBuffer) throws(PostgresError) {
        buffer.writeBytes(elements)
    }

    public static func decodeArray(_ field: PostgresField) throws(PostgresError) -> [UInt8] {
        Array(try field.bytes(of: [.bytea]))
    }
}

extension PostgresArrayElement where Self: PostgresEncodable & PostgresDecodable {
    /// One dimension: `i32 dimensions, i32 has NULL, u32 element type, i32 count, i32 lower bound`, then `i32 length, bytes` each.
    public static func encodeArray(_ elements: [Self], into buffer: inout ByteBuffer) throws(PostgresError) {
        guard let count = Int32(exactly: elements.count) else {
            throw PostgresError(.invalidValue, "too many elements in an array")
        }
        buffer.writeInteger((elements.isEmpty ? 0 : 1) as Int32)
        buffer.writeInteger((elements.contains { $0.isPostgresNull } ? 1 : 0) as Int32)
        buffer.writeInteger(postgresType.rawValue)
        guard count > 0 else { return }
        buffer.writeInteger(count)
        buffer.writeInteger(1 as Int32)
        for element in elements {
            let start = buffer.writerIndex
            buffer.writeInteger(-1 as Int32)
            guard !element.isPostgresNull else { continue }
            try element.encode(into: &buffer)
            guard let length = Int32(exactly: buffer.writerIndex - start - 4) else {
                throw PostgresError(.invalidValue, "an array element is too long")
            }
            buffer.setInteger(length, at: start)
        }
    }

    public static func decodeArray(_ field: PostgresField) throws(PostgresError) -> [Self] {
        guard let bytes = field.bytes else { throw field.mismatch(expected: "an array, found NULL") }
        var reader = FieldReader(bytes: bytes)
        guard let dimensions = reader.int32(), reader.int32() != nil, let elementType = reader.int32() else {
            throw field.mismatch(expected: "an array")
        }
        guard dimensions == 0 || dimensions == 1 else {
            throw field.mismatch(expected: "an array of one dimension")
        }
        guard dimensions == 1 else { return [] }
        guard let count = reader.int32(), reader.int32() != nil, count >= 0, Int(count) <= bytes.count / 4 else {
            throw field.mismatch(expected: "an array")
        }
        let type = PostgresType(rawValue: UInt32(bitPattern: elementType))
        var elements: [Self] = []
        elements.reserveCapacity(Int(count))
        for _ in 0..<count {
            guard let length = reader.int32(), let element = reader.element(length: length) else {
                throw field.mismatch(expected: "an array")
            }
            elements.append(try Self(postgres: PostgresField(bytes: element.bytes, type: type, name: field.name)))
        }
        return elements
    }
}

/// Takes big-endian integers and byte ranges from a field without ever passing its end.
private struct FieldReader {
    struct Element {
        var bytes: UnsafeRawBufferPointer?
    }

    let bytes: UnsafeRawBufferPointer
    var offset = 0

    mutating func int32() -> Int32? {
        guard bytes.count - offset >= 4 else { return nil }
        defer { offset += 4 }
        return Int32(bigEndian: bytes.loadUnaligned(fromByteOffset: offset, as: Int32.self))
    }

    /// nil: malformed; an element without bytes: NULL.
    mutating func element(length: Int32) -> Element? {
        guard length >= 0 else { return length == -1 ? Element(bytes: nil) : nil }
        guard bytes.count - offset >= Int(length) else { return nil }
        defer { offset += Int(length) }
        return Element(bytes: UnsafeRawBufferPointer(rebasing: bytes[offset..<(offset + Int(length))]))
    }
}

extension Int16: PostgresArrayElement {
    public static var postgresArrayType: PostgresType { .int2Array }
}

extension Int32: PostgresArrayElement {
    public static var postgresArrayType: PostgresType { .int4Array }
}

extension Int64: PostgresArrayElement {
    public static var postgresArrayType: PostgresType { .int8Array }
}

extension Int: PostgresArrayElement {
    public static var postgresArrayType: PostgresType { .int8Array }
}

extension Double: PostgresArrayElement {
    public static var postgresArrayType: PostgresType { .float8Array }
}

extension Bool: PostgresArrayElement {
    public static var postgresArrayType: PostgresType { .boolArray }
}

extension String: PostgresArrayElement {
    public static var postgresArrayType: PostgresType { .textArray }
}

extension Identifier: PostgresArrayElement {
    public static var postgresArrayType: PostgresType { .uuidArray }
}

extension ByteBuffer: PostgresArrayElement {
    public static var postgresArrayType: PostgresType { .byteaArray }
}

extension PostgresJSON: PostgresArrayElement {
    public static var postgresArrayType: PostgresType { .jsonbArray }
}

extension Optional: PostgresArrayElement
where Wrapped: PostgresArrayElement & PostgresEncodable & PostgresDecodable {
    public static var postgresArrayType: PostgresType { Wrapped.postgresArrayType }
}
