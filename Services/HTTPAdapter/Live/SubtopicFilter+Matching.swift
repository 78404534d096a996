// SPDX-License-Identifier: Apache-2.0
import Messaging

extension SubtopicFilter {
    init(_ path: MessagePath) {
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
    func matches(_ subtopic: UnsafeRawBufferPointer) -> Bool {
        switch self {
        case .everything: true
        case .exactly(let expected): Self.matches(expected, subtopic)
        case .pattern(let filter, let parent):
            Self.matches(filter, subtopic) || (parent.map { Self.matches($0, subtopic) } ?? false)
        }
    }

    private static func matches(_ filter: String, _ subtopic: UnsafeRawBufferPointer) -> Bool {
        var filter = filter
        return filter.withUTF8 { SubjectFilter.matches(filter: UnsafeRawBufferPointer($0), subject: subtopic) }
    }
}
