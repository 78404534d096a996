// SPDX-License-Identifier: Apache-2.0

/// A topic filter that says what its wildcards stood for (MQTT 5 section 4.7).
struct TopicPattern: Sendable, Equatable {
    enum Level: Sendable, Equatable {
        case literal(String)
        /// `+`
        case one
        /// `#`, the last: any number of levels, none too.
        case rest
    }

    enum Problem: Error, Equatable, CustomStringConvertible {
        case empty
        case tooLong
        case wildcard
        case nul

        var description: String {
            switch self {
            case .empty: "must not be empty"
            case .tooLong: "may have at most \(TopicPattern.maximumBytes) bytes"
            case .wildcard: "has a wildcard that is not a whole level, or '#' that is not the last"
            case .nul: "must not have the character U+0000"
            }
        }
    }

    /// [MQTT-4.7.3-3]
    static let maximumBytes = 65_535

    let levels: [Level]
    var wildcards: Int { levels.count { $0 == .one || $0 == .rest } }

    init(_ filter: some StringProtocol) throws(Problem) {
        guard !filter.isEmpty else { throw .empty }
        guard filter.utf8.count <= Self.maximumBytes else { throw .tooLong }
        guard !filter.utf8.contains(0) else { throw .nul }
        let parts = filter.split(separator: "/", omittingEmptySubsequences: false)
        var levels: [Level] = []
        for (index, part) in parts.enumerated() {
            switch part {
            case "+": levels.append(.one)
            case "#":
                guard index == parts.count - 1 else { throw .wildcard }
                levels.append(.rest)
            default:
                guard !part.contains("+"), !part.contains("#") else { throw .wildcard }
                levels.append(.literal(String(part)))
            }
        }
        self.levels = levels
    }

    /// What each wildcard stood for, in order; several levels with their slashes. nil when the topic does not match.
    func match(_ topic: some StringProtocol) -> [String]? {
        let parts = topic.split(separator: "/", omittingEmptySubsequences: false)
        // A wildcard at the beginning does not match topics of the server's own ([MQTT-4.7.2-1]).
        if topic.utf8.first == UInt8(ascii: "$"), levels.first == .one || levels.first == .rest { return nil }
        var captures: [String] = []
        for (index, level) in levels.enumerated() {
            switch level {
            case .rest:
                captures.append(parts.dropFirst(index).joined(separator: "/"))
                return captures
            case .one:
                guard index < parts.count else { return nil }
                captures.append(String(parts[index]))
            case .literal(let text):
                guard index < parts.count, parts[index] == text else { return nil }
            }
        }
        return parts.count == levels.count ? captures : nil
    }

    /// Whether some topic matches both.
    func overlaps(_ other: TopicPattern) -> Bool {
        for index in 0... {
            let mine = index < levels.count ? levels[index] : nil
            let theirs = index < other.levels.count ? other.levels[index] : nil
            switch (mine, theirs) {
            case (.rest, _), (_, .rest): return true
            case (nil, nil): return true
            case (nil, _), (_, nil): return false
            case (.literal(let left), .literal(let right)): if left != right { return false }
            case (.one, _), (_, .one): continue
            }
        }
        return false
    }
}
