// SPDX-License-Identifier: Apache-2.0

/// Which messages of a channel somebody wants who listens on a path: without a subtopic all of them, the channel's own and those of all subtopics.
public enum SubtopicFilter: Equatable, Sendable {
    case everything
    case exactly(String)
    /// With `*` for one level and a last `>` for all further ones; `parent` where the level above them is meant as well (`a/#`).
    case pattern(String, parent: String?)

    public init(_ path: MessagePath) {
        let filter = path.subtopic
        if filter.isEmpty || (filter == ">" && path.matchesParent) {
            self = .everything
        } else if filter.utf8.contains(UInt8(ascii: "*")) || filter.utf8.last == UInt8(ascii: ">") {
            self = .pattern(filter, parent: path.matchesParent ? String(filter.dropLast(2)) : nil)
        } else {
            self = .exactly(filter)
        }
    }

    /// - Parameter subtopic: in dotted form; empty for the channel itself.
    public func matches(_ subtopic: UnsafeRawBufferPointer) -> Bool {
        switch self {
        case .everything: true
        case .exactly(let expected): Self.matches(expected, subtopic)
        case .pattern(let filter, let parent):
            Self.matches(filter, subtopic) || (parent.map { Self.matches($0, subtopic) } ?? false)
        }
    }

    /// As ``matches(_:)-(UnsafeRawBufferPointer)``.
    public func matches(_ subtopic: String) -> Bool {
        var subtopic = subtopic
        return subtopic.withUTF8 { matches(UnsafeRawBufferPointer($0)) }
    }

    private static func matches(_ filter: String, _ subtopic: UnsafeRawBufferPointer) -> Bool {
        var filter = filter
        return filter.withUTF8 { SubjectFilter.matches(filter: UnsafeRawBufferPointer($0), subject: subtopic) }
    }
}
