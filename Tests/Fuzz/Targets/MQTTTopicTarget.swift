// SPDX-License-Identifier: Apache-2.0
import MQTTAdapter

/// Topic filters and names, one a line: the rules and all three matchers must agree with section 4.7 read as it is printed.
struct MQTTTopicTarget: FuzzTarget {
    let name = "mqtt-topics"

    let seeds: [[UInt8]] = [
        "a/b\na/+\n#\n+/b\na/#\na", "$SYS/x\n#\n+/x\n$SYS/#\n$SYS/+", "/\n+\n/+\n+/+\n//\n/#",
        "$share/g/a/b\na/b\n$share/g/#",
        "\u{E9}/\u{1F600}\n+/\u{1F600}\n\u{65}\u{301}/\u{1F600}",
    ].map { [UInt8]($0.utf8) }

    let dictionary: [[UInt8]] = [
        "+", "#", "/", "+/", "/#", "\n", "$", "$share/", "$share/g/", "a/", "//", "\u{E9}", "\u{65}\u{301}", "\0",
        "+/+/+/+/", "a/a/a/a/a/a/a/a/",
    ].map { [UInt8]($0.utf8) }

    func generate(_ random: inout SeededRandom) -> [UInt8] {
        var lines: [String] = []
        for _ in 0...random.below(12) {
            var levels = (0...random.below(5)).map { _ in random.pick(["a", "b", "", "+", "$x", "ab"]) }
            if random.oneIn(3) { levels.append("#") }
            lines.append((random.oneIn(6) ? "$share/g/" : "") + levels.joined(separator: "/"))
        }
        return [UInt8](lines.joined(separator: "\n").utf8)
    }

    func check(_ input: [UInt8]) throws(Disagreement) -> Bool {
        let lines = input.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false).prefix(40).map(
            Array.init)
        var filters: [TopicFilter] = []
        for line in lines {
            guard let text = String(validating: line, as: UTF8.self) else { continue }
            let filter = try? TopicFilter(text)
            guard (filter != nil) == Oracle.isFilter(line) else { throw Disagreement("a filter, or not: \(text)") }
            if let filter { filters.append(filter) }
        }
        var trie = TopicTrie<Int>()
        for (index, filter) in filters.enumerated() { trie.add(index, at: filter.pattern) }
        var cache = RouteCache<[Int]>(capacity: 8, seed: 1)
        var topics: [[UInt8]] = []
        for line in lines where try isName(line) { topics.append(line) }
        for topic in topics { try check(topic, filters, skipping: 0, trie, &cache) }
        for (index, filter) in filters.enumerated() where index.isMultiple(of: 2) {
            guard trie.remove(index, at: filter.pattern) == index else { throw Disagreement("not there: \(filter)") }
        }
        for topic in topics { try check(topic, filters, skipping: 2, trie, &cache) }
        for (index, filter) in filters.enumerated() { trie.remove(index, at: filter.pattern) }
        guard trie.count == 0, topics.allSatisfy({ match(trie, $0).isEmpty }) else {
            throw Disagreement("something is left in the trie")
        }
        return !filters.isEmpty && !topics.isEmpty
    }

    private func isName(_ line: [UInt8]) throws(Disagreement) -> Bool {
        let violation = line.withUnsafeBytes { bytes -> Violation? in
            do throws(Violation) {
                try TopicRules.check(name: bytes)
                return nil
            } catch {
                return error
            }
        }
        guard (violation == nil) == Oracle.isName(line) else { throw Disagreement("a name, or not: \(line)") }
        return violation == nil && !line.isEmpty
    }

    /// - Parameter step: indices that it divides are not in the trie; 0: all are.
    private func check(
        _ topic: [UInt8], _ filters: [TopicFilter], skipping step: Int, _ trie: TopicTrie<Int>,
        _ cache: inout RouteCache<[Int]>
    ) throws(Disagreement) {
        let text = String(decoding: topic, as: UTF8.self)
        let generation = trie.generation
        let expected = filters.indices.filter { index in
            (step == 0 || !index.isMultiple(of: step)) && Oracle.matches([UInt8](filters[index].pattern.utf8), topic)
        }
        let found = match(trie, topic)
        guard found == expected else { throw Disagreement("\(text) matches \(expected), the trie says \(found)") }
        for (index, filter) in filters.enumerated() where step == 0 {
            guard filter.matches(text) == expected.contains(index) else { throw Disagreement("\(filter) and \(text)") }
        }
        let cached = topic.withUnsafeBytes { bytes -> [Int]? in
            if let known = cache.find(bytes, generation: generation) { return known }
            cache.insert(found, for: bytes, generation: generation)
            return cache.find(bytes, generation: generation)
        }
        guard cached == (topic.count <= RouteCache<[Int]>.maximumTopicBytes ? found : nil) else {
            throw Disagreement("the cache says \(cached as Any), not \(found)")
        }
    }

    private func match(_ trie: TopicTrie<Int>, _ topic: [UInt8]) -> [Int] {
        topic.withUnsafeBytes { trie.matches($0) }
    }
}

/// Sections 4.7 and 4.8, slowly.
private enum Oracle {
    private static let (plus, hash, slash) = (UInt8(ascii: "+"), UInt8(ascii: "#"), UInt8(ascii: "/"))

    static func isText(_ line: [UInt8]) -> Bool {
        String(validating: line, as: UTF8.self) != nil && !line.contains(0) && line.count <= 65_535
    }

    static func isName(_ line: [UInt8]) -> Bool { isText(line) && !line.contains(plus) && !line.contains(hash) }

    static func isFilter(_ line: [UInt8]) -> Bool {
        var levels = levels(line)
        guard isText(line), !line.isEmpty, levels.count <= TopicRules.maximumLevels else { return false }
        if levels[0] == [UInt8]("$share".utf8), levels.count > 1 {
            guard levels.count > 2, !levels[1].isEmpty, !levels[1].contains(plus), !levels[1].contains(hash),
                levels.count > 3 || !levels[2].isEmpty
            else { return false }
            levels.removeFirst(2)
        }
        return levels.enumerated().allSatisfy { index, level in
            level == [plus] || (level == [hash] && index == levels.count - 1)
                || (!level.contains(plus) && !level.contains(hash))
        }
    }

    static func matches(_ filter: [UInt8], _ topic: [UInt8]) -> Bool {
        if topic.first == UInt8(ascii: "$"), filter.first == plus || filter.first == hash { return false }
        return matches(levels(filter)[...], levels(topic)[...])
    }

    private static func matches(_ filter: ArraySlice<[UInt8]>, _ topic: ArraySlice<[UInt8]>) -> Bool {
        guard let level = filter.first else { return topic.isEmpty }
        if level == [hash] { return true }
        guard let name = topic.first, level == [plus] || level == name else { return false }
        return matches(filter.dropFirst(), topic.dropFirst())
    }

    private static func levels(_ line: [UInt8]) -> [[UInt8]] {
        line.split(separator: slash, omittingEmptySubsequences: false).map(Array.init)
    }
}
