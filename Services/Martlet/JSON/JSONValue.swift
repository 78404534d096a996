// SPDX-License-Identifier: Apache-2.0

/// A JSON document as a server wrote it: members keep their order and numbers their text.
///
/// What goes through the client to `--json` must come out as it came in: `0.1` stays `0.1`, and an integer beyond 2^53 stays itself.
enum JSONValue: Equatable, Sendable {
    case null
    case bool(Bool)
    /// As it was written (RFC 8259 section 6).
    case number(String)
    case string(String)
    case array([JSONValue])
    case object([Member])

    struct Member: Equatable, Sendable {
        var name: String
        var value: JSONValue

        init(_ name: String, _ value: JSONValue) {
            self.name = name
            self.value = value
        }
    }
}

extension JSONValue {
    /// The first member of that name; nil where there is none, or this is no object.
    subscript(_ name: String) -> JSONValue? {
        guard case .object(let members) = self else { return nil }
        return members.first { $0.name == name }?.value
    }

    var text: String? { if case .string(let text) = self { text } else { nil } }

    var elements: [JSONValue]? { if case .array(let elements) = self { elements } else { nil } }

    var members: [Member]? { if case .object(let members) = self { members } else { nil } }

    var flag: Bool? { if case .bool(let flag) = self { flag } else { nil } }

    var double: Double? { if case .number(let text) = self { Double(text) } else { nil } }

    /// nil where it is no whole number of 64 bits.
    var integer: Int? { if case .number(let text) = self { Int(text) } else { nil } }

    /// A scalar as a table shows it; nil for `null`.
    var cell: String? {
        switch self {
        case .null: nil
        case .bool(let flag): flag ? "true" : "false"
        case .number(let text), .string(let text): text
        case .array, .object: description
        }
    }

    /// The same object with another value of a member, or with one more member.
    func replacing(_ name: String, with value: JSONValue) -> JSONValue {
        var members = members ?? []
        if let index = members.firstIndex(where: { $0.name == name }) {
            members[index].value = value
        } else {
            members.append(Member(name, value))
        }
        return .object(members)
    }

    /// Members whose value is nil are left out.
    static func document(_ members: [(String, JSONValue?)]) -> JSONValue {
        .object(members.compactMap { name, value in value.map { Member(name, $0) } })
    }

    static func integer(_ value: some BinaryInteger) -> JSONValue { .number(String(value)) }

    /// The shortest text that reads back as the same number; null for what JSON cannot write.
    static func double(_ value: Double) -> JSONValue {
        guard value.isFinite else { return .null }
        if let integer = Int64(exactly: value), integer.magnitude < 1 << 53 { return .integer(integer) }
        return .number(value.description)
    }

    static func strings(_ texts: [String]) -> JSONValue { .array(texts.map(JSONValue.string)) }
}
