// SPDX-License-Identifier: Apache-2.0

/// Why bytes are not a ``RawMessage``.
public enum RawMessageError: Error, Sendable, Equatable {
    /// Fields of `RawMessage.proto` by number.
    public enum Field: UInt32, Sendable, CaseIterable {
        case channel = 1
        case domain = 2
        case subtopic = 3
        case publisher = 4
        case transport = 5
        case payload = 6
        case created = 7
        case mqtt = 14
        case contentType = 15
    }

    /// The bytes end inside a field.
    case truncated
    /// A variable-length integer of more than 64 bits.
    case invalidVarint
    /// A tag with field number 0 or above 2^29 - 1, or with wire type 6 or 7.
    case invalidTag
    /// A group that ends without having begun, does not end, or nests too deep.
    case invalidGroup
    case wrongWireType(Field)
    /// Not a canonical UUID.
    case invalidIdentifier(Field)
    /// Not UTF-8, or with control characters.
    case invalidText(Field)
    case tooLong(Field)
    case missing(Field)

    /// A stable slug for counters and dead letters.
    public var reason: String {
        switch self {
        case .truncated: "envelope-truncated"
        case .invalidVarint: "envelope-varint"
        case .invalidTag: "envelope-tag"
        case .invalidGroup: "envelope-group"
        case .wrongWireType: "envelope-wire-type"
        case .invalidIdentifier: "envelope-identifier"
        case .invalidText: "envelope-text"
        case .tooLong: "envelope-field-too-long"
        case .missing: "envelope-field-missing"
        }
    }

    /// One sentence.
    public var message: String {
        switch self {
        case .truncated: "The envelope ends inside a field."
        case .invalidVarint: "The envelope has an integer of more than 64 bits."
        case .invalidTag: "The envelope has a field with an impossible number or wire type."
        case .invalidGroup: "The envelope has a group that is not balanced."
        case .wrongWireType(let field): "The envelope's field '\(field)' has the wrong wire type."
        case .invalidIdentifier(let field): "The envelope's field '\(field)' is not a UUID."
        case .invalidText(let field): "The envelope's field '\(field)' is not printable UTF-8."
        case .tooLong(let field): "The envelope's field '\(field)' is longer than allowed."
        case .missing(let field): "The envelope has no field '\(field)'."
        }
    }
}
