// SPDX-License-Identifier: Apache-2.0

/// A text with places to fill: `{1}` to `{9}` for what the wildcards of a filter stood for, and `{name}`.
struct TopicTemplate: Sendable, Equatable {
    enum Piece: Sendable, Equatable {
        case text(String)
        /// Counted from 0.
        case wildcard(Int)
        case named(String)
    }

    struct Problem: Error, Equatable, CustomStringConvertible {
        let description: String
    }

    let pieces: [Piece]

    /// - Parameters:
    ///   - names: that may stand in braces.
    ///   - wildcards: how many the filter has.
    init(_ text: String, names: [String], wildcards: Int) throws(Problem) {
        var pieces: [Piece] = []
        var literal = ""
        var rest = text[...]
        while let character = rest.popFirst() {
            switch character {
            case "}": throw Problem(description: "has a '}' without '{'")
            case "{":
                guard let end = rest.firstIndex(of: "}") else { throw Problem(description: "has a '{' without '}'") }
                let name = String(rest[..<end])
                rest = rest[rest.index(after: end)...]
                if !literal.isEmpty { pieces.append(.text(literal)) }
                literal = ""
                if let number = Int(name) {
                    guard (1...9).contains(number), number <= wildcards else {
                        throw Problem(
                            description: "has '{\(name)}', and the filter has \(wildcards) wildcards (9 count)")
                    }
                    pieces.append(.wildcard(number - 1))
                } else if names.contains(name) {
                    pieces.append(.named(name))
                } else {
                    let known = (names.map { "{\($0)}" } + ["{1}", "{2}, …"]).joined(separator: ", ")
                    throw Problem(description: "has '{\(name)}'; known are \(known)")
                }
            case "+", "#": throw Problem(description: "must not have wildcards")
            default: literal.append(character)
            }
        }
        if !literal.isEmpty { pieces.append(.text(literal)) }
        self.pieces = pieces
    }

    /// The text with its places filled; empty levels that a wildcard without levels leaves at the end are dropped.
    func fill(_ captures: [String], _ names: (String) -> String) -> String {
        var text = ""
        for piece in pieces {
            switch piece {
            case .text(let literal): text += literal
            case .wildcard(let index): text += index < captures.count ? captures[index] : ""
            case .named(let name): text += names(name)
            }
        }
        if case .text = pieces.last { return text }
        while text.last == "/" { text.removeLast() }
        return text
    }

    /// Every text that it can become matches this: for finding mappings that feed each other.
    var pattern: TopicPattern? {
        var text = ""
        for piece in pieces {
            switch piece {
            case .text(let literal): text += literal
            // May be several levels: what follows cannot be told.
            case .wildcard, .named: return try? TopicPattern(Self.upToLevel(text) + "#")
            }
        }
        return try? TopicPattern(text)
    }

    private static func upToLevel(_ text: String) -> String {
        guard let slash = text.lastIndex(of: "/") else { return "" }
        return String(text[...slash])
    }
}
