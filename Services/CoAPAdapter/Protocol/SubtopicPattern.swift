// SPDX-License-Identifier: Apache-2.0
import Messaging

/// Which messages of a channel an observer wants, as with HTTP's live streams: without a subtopic all of them.
enum SubtopicPattern: Equatable, Sendable {
    case everything
    case exactly(String)
    /// With `*` for one level and a last `>` for all further ones; `parent` where the level above them is meant as well (`a/#`).
    case pattern(String, parent: String?)

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
    func matches(_ subtopic: String) -> Bool {
        switch self {
        case .everything: true
        case .exactly(let expected): expected == subtopic
        case .pattern(let filter, let parent):
            SubjectFilter.matches(filter: filter, subject: subtopic) || parent == subtopic
        }
    }
}
