// SPDX-License-Identifier: Apache-2.0
import Core
import NIOCore

/// A value that can be bound to a parameter, in the server's binary format.
public protocol PostgresEncodable: Sendable {
    static var postgresType: PostgresType { get }
    var isPostgresNull: Bool { get }
    /// Writes the value without its length; not called for NULL.
    /// - Throws: ``PostgresError/Kind/invalidValue``.
    func encode(into buffer: inout ByteBuffer) throws(PostgresError)
}

extension PostgresEncodable {
    @inlinable
    public var isPostgresNull: Bool { false }
}

extension Int16: PostgresEncodable {
    public static var postgresType: PostgresType { .int2 }

    @inlinable
    public func encode(into buffer: inout ByteBuffer) throws(PostgresError) { buffer.writeInteger(self) }
}

extension Int32: PostgresEncodable {
    public static var postgresType: PostgresType { .int4 }

    @inlinable
    public func encode(into buffer: inout ByteBuffer) throws(PostgresError) { buffer.writeInteger(self) }
}

extension Int64: PostgresEncodable {
    public static var postgresType: PostgresType { .int8 }

    @inlinable
    public func encode(into buffer: inout ByteBuffer) throws(PostgresError) { buffer.writeInteger(self) }
}

extension Int: PostgresEncodable {
    public static var postgresType: PostgresType { .int8 }

    @inlinable
    public func encode(into buffer: inout ByteBuffer) throws(PostgresError) { buffer.writeInteger(Int64(self)) }
}

extension Double: PostgresEncodable {
    public static var postgresType: PostgresType { .float8 }

    @inlinable
    public func encode(into buffer: inout ByteBuffer) throws(PostgresError) { buffer.writeInteger(bitPattern) }
}

extension Bool: PostgresEncodable {
    public static var postgresType: PostgresType { .bool }

    @inlinable
    public func encode(into buffer: inout ByteBuffer) throws(PostgresError) {
        buffer.writeInteger(self ? 1 : 0 as UInt8)
    }
}

extension String: PostgresEncodable {
    public static var postgresType: PostgresType { .text }

    /// - Throws: ``PostgresError/Kind/invalidValue`` when the text holds U+0000, which the server's text types cannot.
    public func encode(into buffer: inout ByteBuffer) throws(PostgresError) {
        guard !utf8.contains(0) else { throw PostgresError(.invalidValue, "text holds the character U+0000") }
        buffer.writeString(self)
    }
}

extension Identifier: PostgresEncodable {
    public static var postgresType: PostgresType { .uuid }

    @inlinable
    public func encode(into buffer: inout ByteBuffer) throws(PostgresError) {
        buffer.writeInteger(high)
        buffer.writeInteger(low)
    }
}

/// Bytes (`bytea`).
extension ByteBuffer: PostgresEncodable {
    public static var postgresType: PostgresType { .bytea }

    @inlinable
    public func encode(into buffer: inout ByteBuffer) throws(PostgresError) { buffer.writeImmutableBuffer(self) }
}

/// JSON as text, stored as `jsonb`. The server checks the syntax.
public struct PostgresJSON: PostgresEncodable, Equatable {
    public var text: String

    public init(text: String) { self.text = text }

    public static var postgresType: PostgresType { .jsonb }

    public func encode(into buffer: inout ByteBuffer) throws(PostgresError) {
        // The binary form of jsonb is one version byte and the text.
        buffer.writeInteger(1 as UInt8)
        try text.encode(into: &buffer)
    }
}

extension Optional: PostgresEncodable where Wrapped: PostgresEncodable {
    public static var postgresType: PostgresType { Wrapped.postgresType }

    @inlinable
    public var isPostgresNull: Bool { self?.isPostgresNull ?? true }

    @inlinable
    public func encode(into buffer: inout ByteBuffer) throws(PostgresError) {
        guard let value = self else { return }
        try value.encode(into: &buffer)
    }
}
