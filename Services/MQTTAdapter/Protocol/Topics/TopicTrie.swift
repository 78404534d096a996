// SPDX-License-Identifier: Apache-2.0

/// Values by topic pattern: finds all whose pattern matches a topic in time proportional to the topic's levels and the wildcards on its way.
///
/// Matches come in the order in which they were added. A pattern holds each value once: adding an equal one again replaces it and keeps its
/// place ([MQTT-3.8.4-3]; what identifies a value is the caller's `Hashable`).
package struct TopicTrie<Value: Hashable> {
    /// A level where it stands, so that looking one up copies nothing.
    private struct Level: Hashable {
        let bytes: UnsafeRawBufferPointer

        func hash(into hasher: inout Hasher) { hasher.combine(bytes: bytes) }

        static func == (left: Level, right: Level) -> Bool { TopicBytes.areEqual(left.bytes, right.bytes) }
    }

    private final class Node {
        /// Of `children` of the node above, whose key points here; empty for `+` and the root.
        private let name: UnsafeMutableRawBufferPointer
        var children: [Level: Node] = [:]
        var single: Node?
        /// Patterns that end in `#` behind this level; they match the level itself too.
        var multi = Entries()
        /// Patterns that end here.
        var here = Entries()

        init(_ name: [UInt8] = []) {
            self.name = .allocate(byteCount: name.count, alignment: 1)
            self.name.copyBytes(from: name)
        }

        deinit { name.deallocate() }

        var level: Level { Level(bytes: UnsafeRawBufferPointer(name)) }
        var isEmpty: Bool { children.isEmpty && single == nil && multi.isEmpty && here.isEmpty }
    }

    private let root = Node()
    private var nextSerial: UInt64 = 0
    /// Values under all patterns.
    package private(set) var count = 0
    /// Changes with every change of the trie; what was worked out under an older one is out of date.
    package private(set) var generation: UInt64 = 1

    package init() {}

    /// - Parameters:
    ///   - pattern: a valid filter's TopicFilter/pattern.
    ///   - isNew: that no equal value is under the pattern, where the caller knows: of a fleet with one pattern it is not looked for then.
    /// - Returns: the value that it replaced.
    @discardableResult
    package mutating func add(_ value: Value, at pattern: String, isNew: Bool = false) -> Value? {
        var node = root
        generation += 1
        for level in Self.levels(pattern) {
            if level == [TopicRules.multiLevel] { return put(value, in: &node.multi, isNew) }
            node = Self.child(of: node, level)
        }
        return put(value, in: &node.here, isNew)
    }

    /// - Returns: the value that was there; nil when there was none.
    @discardableResult
    package mutating func remove(_ value: Value, at pattern: String) -> Value? {
        guard let removed = remove(value, Self.levels(pattern)[...], at: root) else { return nil }
        count -= 1
        generation += 1
        return removed
    }

    /// All values whose pattern matches the valid `topic`, in the order in which they were added.
    package func matches(_ topic: UnsafeRawBufferPointer) -> [Value] {
        guard !topic.isEmpty else { return [] }
        var found: [Entry] = []
        collect(root, topic, from: 0, into: &found)
        if found.count > 1 { found.sort { $0.serial < $1.serial } }
        return found.map(\.value)
    }

    package func matches(_ topic: String) -> [Value] {
        var topic = topic
        return topic.withUTF8 { matches(UnsafeRawBufferPointer($0)) }
    }

    private static func levels(_ pattern: String) -> [[UInt8]] {
        pattern.utf8.split(separator: TopicRules.separator, omittingEmptySubsequences: false).map(Array.init)
    }

    private static func child(of node: Node, _ level: [UInt8]) -> Node {
        if let child = known(level, of: node) { return child }
        if level == [TopicRules.singleLevel] {
            let child = Node()
            node.single = child
            return child
        }
        let child = Node(level)
        node.children[child.level] = child
        return child
    }

    private static func known(_ level: [UInt8], of node: Node) -> Node? {
        if level == [TopicRules.singleLevel] { return node.single }
        return level.withUnsafeBytes { node.children[Level(bytes: $0)] }
    }

    private mutating func put(_ value: Value, in entries: inout Entries, _ isNew: Bool) -> Value? {
        let replaced = entries.put(value, serial: nextSerial, isNew: isNew)
        nextSerial += 1
        if replaced == nil { count += 1 }
        return replaced
    }

    /// Removes empty nodes on the way back, so that subscriptions that come and go leave nothing behind.
    private func remove(_ value: Value, _ levels: ArraySlice<[UInt8]>, at node: Node) -> Value? {
        guard let level = levels.first else { return node.here.remove(value) }
        if level == [TopicRules.multiLevel] { return node.multi.remove(value) }
        guard let child = Self.known(level, of: node) else { return nil }
        let removed = remove(value, levels.dropFirst(), at: child)
        if child.isEmpty {
            if child === node.single { node.single = nil } else { node.children[child.level] = nil }
        }
        return removed
    }

    private func collect(
        _ node: Node, _ topic: UnsafeRawBufferPointer, from start: Int, into found: inout [Entry]
    ) {
        // [MQTT-4.7.2-1]: a wildcard in the first level does not match a topic that begins with $.
        let isHidden = start == 0 && topic[0] == TopicRules.dollar
        if !isHidden { node.multi.append(to: &found) }
        var end = start
        while end < topic.count, topic[end] != TopicRules.separator { end += 1 }
        if !node.children.isEmpty,
            let next = node.children[Level(bytes: UnsafeRawBufferPointer(rebasing: topic[start..<end]))]
        {
            descend(to: next, topic, end, &found)
        }
        if !isHidden, let next = node.single { descend(to: next, topic, end, &found) }
    }

    private func descend(to node: Node, _ topic: UnsafeRawBufferPointer, _ end: Int, _ found: inout [Entry]) {
        if end < topic.count { return collect(node, topic, from: end + 1, into: &found) }
        node.here.append(to: &found)
        node.multi.append(to: &found)
    }
}
