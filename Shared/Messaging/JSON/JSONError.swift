// SPDX-License-Identifier: Apache-2.0
import Core

/// Why bytes are not JSON as RFC 8259 has it, and where.
public struct JSONError: Error, Sendable, Equatable {
    public enum Kind: String, Sendable, CaseIterable {
        /// The text ends inside a value.
        case truncated = "json-truncated"
        /// A byte that cannot stand there.
        case unexpectedByte = "json-syntax"
        /// Something behind the value.
        case trailingContent = "json-trailing-content"
        case invalidUTF8 = "json-utf8"
        /// A backslash sequence that does not exist.
        case invalidEscape = "json-escape"
        /// Half of a surrogate pair: it names no character (RFC 8259 section 8.2).
        case loneSurrogate = "json-lone-surrogate"
        /// A control character inside a string, not escaped.
        case controlCharacter = "json-control-character"
        /// A leading zero, a plus sign, a missing digit, …
        case invalidNumber = "json-number"
        /// Nested deeper than allowed.
        case tooDeep = "json-too-deep"
    }

    public let kind: Kind
    /// Byte offset where it was noticed.
    public let offset: Int

    @inlinable
    public init(_ kind: Kind, offset: Int) {
        self.kind = kind
        self.offset = offset
    }

    /// A stable slug for counters and problem types.
    public var reason: String { kind.rawValue }

    /// One sentence.
    public var message: String { "\(kind.sentence) (byte \(offset))." }
}

extension JSONError.Kind {
    /// Without a full stop, so that a place can be named behind it.
    var sentence: String {
        switch self {
        case .truncated: "The JSON text ends inside a value"
        case .unexpectedByte: "The JSON text has a character that cannot stand there"
        case .trailingContent: "Something stands behind the JSON value"
        case .invalidUTF8: "The JSON text is not UTF-8"
        case .invalidEscape: "A JSON string has an escape sequence that does not exist"
        case .loneSurrogate: "A JSON string has half of a surrogate pair"
        case .controlCharacter: "A JSON string has a control character that is not escaped"
        case .invalidNumber: "A JSON number is malformed"
        case .tooDeep: "The JSON text is nested deeper than \(Limits.jsonDepth) levels"
        }
    }
}
