// SPDX-License-Identifier: Apache-2.0
import Messaging

/// Rules and matching of topic names and filters (section 4.7), on bytes.
package enum TopicRules {
    /// Levels of a filter: a bound on the depth of the trie and so on the stack that walks it. A topic may have more: the trie ends the walk.
    package static let maximumLevels = 200

    static let separator = UInt8(ascii: "/")
    static let singleLevel = UInt8(ascii: "+")
    static let multiLevel = UInt8(ascii: "#")
    static let dollar = UInt8(ascii: "$")

    /// Well-formed UTF-8 without U+0000 and wildcards. An empty name passes: a topic alias may stand for it.
    ///
    /// Eight bytes at a time while they are ASCII.
    @inline(__always)
    package static func check(name: UnsafeRawBufferPointer) throws(Violation) {
        guard name.count >= 8 else { return try checkSlowly(name) }
        var offset = 0
        while true {
            let word = name.loadUnaligned(fromByteOffset: offset, as: UInt64.self)
            if word & 0x8080_8080_8080_8080 != 0 || hasZero(word) || hasZero(word ^ 0x2B2B_2B2B_2B2B_2B2B)
                || hasZero(word ^ 0x2323_2323_2323_2323)
            {
                return try checkSlowly(name)
            }
            if offset == name.count - 8 { return }
            // The last word overlaps the one before it.
            offset = min(offset + 8, name.count - 8)
        }
    }

    /// Whether one of the eight bytes is 0.
    @inline(__always)
    private static func hasZero(_ word: UInt64) -> Bool {
        (word &- 0x0101_0101_0101_0101) & ~word & 0x8080_8080_8080_8080 != 0
    }

    @inline(never)
    private static func checkSlowly(_ name: UnsafeRawBufferPointer) throws(Violation) {
        try PacketReader.check(text: name)
        if hasWildcard(name) { throw .wildcardInTopic }
    }

    package static func hasWildcard(_ bytes: UnsafeRawBufferPointer) -> Bool {
        for byte in bytes where byte == singleLevel || byte == multiLevel { return true }
        return false
    }

    /// At least one byte; `#` alone in the last level, `+` alone in its level ([MQTT-4.7.1-1], [MQTT-4.7.1-2], [MQTT-4.7.3-1]).
    package static func check(filter: UnsafeRawBufferPointer) throws(Violation) {
        guard !filter.isEmpty else { throw .emptyFilter }
        try PacketReader.check(text: filter)
        var levels = 1
        for offset in filter.indices {
            let byte = filter[offset]
            if byte == separator {
                levels += 1
                guard levels <= maximumLevels else { throw .tooManyLevels }
            }
            guard byte == singleLevel || byte == multiLevel else { continue }
            let startsLevel = offset == 0 || filter[offset - 1] == separator
            let endsLevel = offset == filter.count - 1 || filter[offset + 1] == separator
            if byte == multiLevel {
                guard startsLevel, offset == filter.count - 1 else { throw .multiLevelWildcard }
            } else {
                guard startsLevel, endsLevel else { throw .singleLevelWildcard }
            }
        }
    }

    /// Whether the valid `filter`, without a share, matches the valid `topic`. Bytes are compared as they are ([MQTT-4.7.3-4]).
    package static func matches(filter: UnsafeRawBufferPointer, topic: UnsafeRawBufferPointer) -> Bool {
        guard let first = filter.first, !topic.isEmpty else { return false }
        // [MQTT-4.7.2-1]
        if topic[0] == dollar, first == singleLevel || first == multiLevel { return false }
        var position = 0
        var offset = 0
        while position < filter.count {
            let byte = filter[position]
            if byte == multiLevel { return true }
            if byte == singleLevel {
                while offset < topic.count, topic[offset] != separator { offset += 1 }
                position += 1
                continue
            }
            guard offset < topic.count else {
                // "a/#" matches "a": the parent level is included (section 4.7.1.2).
                return byte == separator && position + 2 == filter.count && filter[position + 1] == multiLevel
            }
            guard topic[offset] == byte else { return false }
            position += 1
            offset += 1
        }
        return offset == topic.count
    }
}
