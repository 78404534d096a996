// SPDX-License-Identifier: Apache-2.0
import NIOCore

/// A statement whose text can only come from source code.
///
///     let sql: SQL = "SELECT name FROM things WHERE domain = \(domain) AND id = ANY(\(identifiers)) LIMIT \(limit)"
///
/// Interpolated values become bound parameters (`$1`, `$2`, …) and are sent apart from the text; the literal parts are `StaticString`s, so a
/// string that arrived from outside cannot become part of a statement: it does not compile. What has to be dynamic has a checked form:
/// - `\(table)`, a ``SQLIdentifier``: quoted;
/// - `\(condition)`, another ``SQL``: its text and parameters are taken in, the numbers moved on;
/// - `\(literal: count)`, an integer written out, where the grammar takes no parameters (DDL).
public struct SQL: Sendable {
    /// The text between the parameters: always one more than there are parameters.
    var pieces: [String]
    var parameters: Parameters

    /// The statement as the server gets it, parameters numbered from `$1`.
    public var text: String {
        var result = pieces[0]
        for (index, piece) in pieces.dropFirst().enumerated() { result += "$\(index + 1)\(piece)" }
        return result
    }

    struct Parameters: Sendable {
        /// Offset and length in `bytes`; length -1 is NULL.
        struct Slot: Sendable {
            var offset: Int
            var length: Int
        }

        var types: [PostgresType] = []
        var slots: [Slot] = []
        var bytes = ByteBuffer()
        /// Kept until execution, because an interpolation cannot throw.
        var failure: PostgresError?
    }

    /// What `$n` stands for, in order; NULL is nil. For tests and tools.
    public var parameterTypes: [PostgresType] { parameters.types }
}

extension SQL: ExpressibleByStringInterpolation {
    public init(stringLiteral value: StaticString) {
        pieces = [value.withUTF8Buffer { String(decoding: $0, as: UTF8.self) }]
        parameters = Parameters()
    }

    public init(stringInterpolation: StringInterpolation) {
        pieces = stringInterpolation.pieces
        parameters = stringInterpolation.parameters
    }

    public struct StringInterpolation: StringInterpolationProtocol {
        public typealias StringLiteralType = StaticString

        var pieces = [""]
        var parameters = Parameters()

        public init(literalCapacity: Int, interpolationCount: Int) {
            pieces.reserveCapacity(interpolationCount + 1)
            parameters.types.reserveCapacity(interpolationCount)
            parameters.slots.reserveCapacity(interpolationCount)
        }

        public mutating func appendLiteral(_ literal: StaticString) {
            literal.withUTF8Buffer { append(text: String(decoding: $0, as: UTF8.self)) }
        }

        /// A bound parameter.
        public mutating func appendInterpolation<Value: PostgresEncodable>(_ value: Value) {
            parameters.append(value)
            pieces.append("")
        }

        /// A quoted name.
        public mutating func appendInterpolation(_ identifier: SQLIdentifier) {
            append(text: "\"\(identifier.name)\"")
        }

        /// An integer written out, for places where the grammar takes no parameter.
        public mutating func appendInterpolation(literal value: Int64) {
            append(text: "\(value)")
        }

        /// Another statement, or a part of one; its parameters are renumbered.
        public mutating func appendInterpolation(_ fragment: SQL) {
            append(fragment)
        }

        mutating func append(text: String) {
            pieces[pieces.count - 1] += text
        }

        mutating func append(_ fragment: SQL) {
            append(text: fragment.pieces[0])
            pieces += fragment.pieces.dropFirst()
            parameters.append(fragment.parameters)
        }
    }
}

extension SQL {
    /// Puts `fragments` one after the other with `separator` between them: conditions that are there or not, lists.
    public static func joined(_ fragments: [SQL], separator: StaticString) -> SQL {
        var interpolation = StringInterpolation(literalCapacity: 64, interpolationCount: fragments.count)
        for (index, fragment) in fragments.enumerated() {
            if index > 0 { interpolation.appendLiteral(separator) }
            interpolation.append(fragment)
        }
        return SQL(stringInterpolation: interpolation)
    }

    public static func + (left: SQL, right: SQL) -> SQL { joined([left, right], separator: "") }
}

extension SQL.Parameters {
    mutating func append<Value: PostgresEncodable>(_ value: Value) {
        types.append(Value.postgresType)
        guard !value.isPostgresNull else {
            slots.append(Slot(offset: 0, length: -1))
            return
        }
        let offset = bytes.writerIndex
        do throws(PostgresError) {
            try value.encode(into: &bytes)
        } catch {
            failure = failure ?? error
        }
        slots.append(Slot(offset: offset, length: bytes.writerIndex - offset))
    }

    mutating func append(_ other: SQL.Parameters) {
        let base = bytes.writerIndex
        types += other.types
        slots += other.slots.map { $0.length < 0 ? $0 : Slot(offset: base + $0.offset, length: $0.length) }
        bytes.writeImmutableBuffer(other.bytes)
        failure = failure ?? other.failure
    }
}
