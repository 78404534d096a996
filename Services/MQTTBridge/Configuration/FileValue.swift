// SPDX-License-Identifier: Apache-2.0

/// A JSON value of the remotes' file.
enum FileValue: Decodable, Sendable, Equatable {
    case null
    case boolean(Bool)
    case integer(Int)
    case text(String)
    case list([FileValue])
    case object([String: FileValue])
    /// A number that is no integer.
    case other

    init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        if container.decodeNil() {
            self = .null
        } else if let value = try? container.decode(Bool.self) {
            self = .boolean(value)
        } else if let value = try? container.decode(Int.self) {
            self = .integer(value)
        } else if let value = try? container.decode(String.self) {
            self = .text(value)
        } else if let value = try? container.decode([FileValue].self) {
            self = .list(value)
        } else if let value = try? container.decode([String: FileValue].self) {
            self = .object(value)
        } else {
            self = .other
        }
    }
}

/// The members of an object of the file, each of which is asked for by its name: what nobody asked for is a mistake.
struct FileObject {
    /// `remotes[0].tls`
    let path: String
    private let members: [String: FileValue]
    private var known: Set<String> = []

    init(_ value: FileValue, path: String) throws(RemotesProblem) {
        guard case .object(let members) = value else {
            throw RemotesProblem(field: path, problem: "must be an object")
        }
        self.path = path
        self.members = members
    }

    func field(_ name: String) -> String { path.isEmpty ? name : "\(path).\(name)" }

    func problem(_ name: String, _ problem: String) -> RemotesProblem {
        RemotesProblem(field: field(name), problem: problem)
    }

    mutating func text(_ name: String) throws(RemotesProblem) -> String? {
        switch value(name) {
        case nil, .null: return nil
        case .text(let text):
            guard !text.isEmpty else { throw problem(name, "must not be empty") }
            guard !text.utf8.contains(0) else { throw problem(name, "must not have the character U+0000") }
            return text
        default: throw problem(name, "must be a text")
        }
    }

    mutating func requiredText(_ name: String) throws(RemotesProblem) -> String {
        guard let text = try text(name) else { throw problem(name, "is missing") }
        return text
    }

    /// A text that may be empty.
    mutating func anyText(_ name: String) throws(RemotesProblem) -> String? {
        if case .text("") = value(name) { return "" }
        return try text(name)
    }

    mutating func integer(
        _ name: String, default standard: Int, in range: ClosedRange<Int>
    ) throws(RemotesProblem) -> Int {
        switch value(name) {
        case nil, .null: return standard
        case .integer(let number):
            guard range.contains(number) else {
                throw problem(name, "must be from \(range.lowerBound) to \(range.upperBound)")
            }
            return number
        default: throw problem(name, "must be an integer")
        }
    }

    mutating func boolean(_ name: String, default standard: Bool) throws(RemotesProblem) -> Bool {
        switch value(name) {
        case nil, .null: return standard
        case .boolean(let flag): return flag
        default: throw problem(name, "must be true or false")
        }
    }

    mutating func object(_ name: String) throws(RemotesProblem) -> FileObject? {
        switch value(name) {
        case nil, .null: return nil
        case .some(let value): return try FileObject(value, path: field(name))
        }
    }

    mutating func objects(_ name: String) throws(RemotesProblem) -> [FileObject] {
        switch value(name) {
        case nil, .null: return []
        case .list(let values):
            var objects: [FileObject] = []
            for (index, value) in values.enumerated() {
                objects.append(try FileObject(value, path: "\(field(name))[\(index)]"))
            }
            return objects
        default: throw problem(name, "must be a list")
        }
    }

    /// - Throws: when there is a member that was not asked for.
    func end() throws(RemotesProblem) {
        if let unknown = members.keys.filter({ !known.contains($0) }).min() {
            throw problem(unknown, "is not known; known are \(known.sorted().joined(separator: ", "))")
        }
    }

    private mutating func value(_ name: String) -> FileValue? {
        known.insert(name)
        return members[name]
    }
}
