// SPDX-License-Identifier: Apache-2.0
import Core

/// Why bytes are not CBOR as RFC 8949 has it, and where.
public struct CBORError: Error, Sendable, Equatable {
    public enum Kind: String, Sendable, CaseIterable {
        /// The bytes end inside an item.
        case truncated = "cbor-truncated"
        /// Something behind the item.
        case trailingContent = "cbor-trailing-content"
        /// Additional information 28 to 30, or 31 where no indefinite length exists (section 3).
        case invalidHead = "cbor-head"
        /// A two-byte simple value below 32 (section 3.3).
        case invalidSimpleValue = "cbor-simple-value"
        /// A break outside an indefinite-length item, or between a key and its value.
        case unexpectedBreak = "cbor-break"
        /// A chunk of an indefinite-length string that is not a definite-length string of the same kind (section 3.2.3).
        case invalidChunk = "cbor-chunk"
        case invalidUTF8 = "cbor-utf8"
        /// A map key that is neither an integer nor text, where a label must stand.
        case invalidKey = "cbor-key"
        /// Nested deeper than allowed.
        case tooDeep = "cbor-too-deep"
    }

    public let kind: Kind
    /// Byte offset where it was noticed.
    public let offset: Int

    init(_ kind: Kind, offset: Int) {
        self.kind = kind
        self.offset = offset
    }
}

extension CBORError.Kind {
    /// Without a full stop, so that a place can be named behind it.
    var sentence: String {
        switch self {
        case .truncated: "The CBOR data ends inside an item"
        case .trailingContent: "Something stands behind the CBOR item"
        case .invalidHead: "A CBOR item has an impossible first byte"
        case .invalidSimpleValue: "A CBOR simple value is malformed"
        case .unexpectedBreak: "A CBOR break stands where nothing can end"
        case .invalidChunk: "A CBOR string of indefinite length has a chunk of another kind"
        case .invalidUTF8: "A CBOR text string is not UTF-8"
        case .invalidKey: "A label must be an integer or text"
        case .tooDeep: "The CBOR data is nested deeper than \(Limits.jsonDepth) levels"
        }
    }
}
