// SPDX-License-Identifier: Apache-2.0

/// The name of a schema, table, column, index or role, checked so that it can stand in a statement.
///
/// Lower-case letters, digits and underscores, not beginning with a digit, at most 63 bytes (the server's limit): nothing that could end a
/// quoted name.
public struct SQLIdentifier: Hashable, Sendable {
    public let name: String

    /// - Returns: nil when `name` breaks the rule above.
    public init?(checking name: String) {
        let bytes = name.utf8
        guard let first = bytes.first, bytes.count <= 63, !(UInt8(ascii: "0")...UInt8(ascii: "9")).contains(first),
            bytes.allSatisfy({ byte in
                switch byte {
                case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"):
                    true
                default: false
                }
            })
        else { return nil }
        self.name = name
    }
}

extension SQLIdentifier: ExpressibleByStringLiteral {
    /// A name written in source code; one that breaks the rule is a programming error and stops at once.
    public init(stringLiteral name: StaticString) {
        guard let checked = SQLIdentifier(checking: "\(name)") else { fatalError("not an SQL identifier: \(name)") }
        self = checked
    }
}

extension SQLIdentifier: CustomStringConvertible {
    public var description: String { name }
}
