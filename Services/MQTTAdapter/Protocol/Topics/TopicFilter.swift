// SPDX-License-Identifier: Apache-2.0

/// A topic filter that follows the rules (sections 4.7 and 4.8), taken apart if it is shared.
package struct TopicFilter: Hashable, Sendable {
    /// As it was sent.
    package let text: String
    /// Of `$share/{name}/{filter}`; nil: not shared.
    package let shareName: String?
    /// What topics are matched against: `text`, without the share.
    package let pattern: String

    private static let sharePrefix = "$share/"

    /// - Throws: Violation of the rule that `text` breaks.
    package init(_ text: String) throws(Violation) {
        var copy = text
        guard copy.utf8.count <= UInt16.max else { throw .truncated }
        let violation = copy.withUTF8 { Self.violation(UnsafeRawBufferPointer($0)) }
        if let violation { throw violation }
        self.text = text
        guard text.utf8.starts(with: Self.sharePrefix.utf8) else {
            shareName = nil
            pattern = text
            return
        }
        let rest = text.utf8.dropFirst(Self.sharePrefix.utf8.count)
        guard let end = rest.firstIndex(of: TopicRules.separator), end > rest.startIndex else { throw .shareName }
        let name = rest[..<end]
        guard !name.contains(TopicRules.singleLevel), !name.contains(TopicRules.multiLevel) else { throw .shareName }
        let filter = rest[rest.index(after: end)...]
        guard !filter.isEmpty else { throw .shareFilter }
        shareName = String(Substring(name))
        pattern = String(Substring(filter))
    }

    init(_ reader: inout PacketReader) throws(Violation) {
        let range = try reader.field()
        try TopicRules.check(filter: UnsafeRawBufferPointer(rebasing: reader.bytes[range]))
        try self.init(reader.string(in: range))
    }

    /// Whether a topic that follows the rules matches.
    package func matches(_ topic: String) -> Bool {
        var pattern = pattern
        var topic = topic
        return pattern.withUTF8 { pattern in
            topic.withUTF8 {
                TopicRules.matches(filter: UnsafeRawBufferPointer(pattern), topic: UnsafeRawBufferPointer($0))
            }
        }
    }

    package static func == (left: Self, right: Self) -> Bool { ExactText(left.text) == ExactText(right.text) }

    package func hash(into hasher: inout Hasher) { hasher.combine(ExactText(text)) }

    private static func violation(_ bytes: UnsafeRawBufferPointer) -> Violation? {
        do throws(Violation) {
            try TopicRules.check(filter: bytes)
            return nil
        } catch {
            return error
        }
    }
}
