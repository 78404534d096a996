// SPDX-License-Identifier: Apache-2.0
import MQTTAdapter
import Testing

@Suite struct TopicTests {
    @Test(
        "[MQTT-4.7.1-1] [MQTT-4.7.1-2] [MQTT-4.7.3-1] [MQTT-4.8.2-1] [MQTT-4.8.2-2] filters that are refused",
        arguments: [
            "", "a#", "#/a", "a/#/b", "a+", "+a", "a/b+/c", "$share/", "$share//a", "$share/g", "$share/g/",
            "$share/+/a",
        ])
    func refusesFilters(text: String) {
        #expect(throws: Violation.self) { try TopicFilter(text) }
    }

    @Test("[MQTT-4.7.2-1] the trie finds what a naive matcher finds, in order")
    func trieMatchesNaively() throws {
        var random = Seeded(state: 7)
        let levels = ["a", "b", "", "$x"]
        var trie = TopicTrie<Int>()
        var filters: [TopicFilter] = []
        for _ in 0..<500 {
            var parts = (0...Int.random(in: 0..<4, using: &random)).map { _ in
                (levels + ["+"]).randomElement(using: &random) ?? ""
            }
            if Bool.random(using: &random) { parts.append("#") }
            guard let filter = try? TopicFilter(parts.joined(separator: "/")) else { continue }
            trie.add(filters.count, at: filter.pattern)
            filters.append(filter)
        }
        var topics = Set<String>()
        for _ in 0..<500 {
            topics.insert(
                (0...Int.random(in: 0..<5, using: &random)).map { _ in levels.randomElement(using: &random) ?? "" }
                    .joined(separator: "/"))
        }
        var found = 0
        for topic in topics where !topic.isEmpty {
            let matches = trie.matches(topic)
            #expect(matches == filters.indices.filter { naive(filters[$0].pattern, topic) })
            #expect(matches == filters.indices.filter { filters[$0].matches(topic) })
            found += matches.count
        }
        #expect(found > 100)
    }

    private func naive(_ pattern: String, _ topic: String) -> Bool {
        let filter = pattern.split(separator: "/", omittingEmptySubsequences: false)
        let name = topic.split(separator: "/", omittingEmptySubsequences: false)
        if topic.first == "$", filter[0] == "+" || filter[0] == "#" { return false }
        for index in filter.indices {
            if filter[index] == "#" { return true }
            guard index < name.count, filter[index] == "+" || filter[index] == name[index] else { return false }
        }
        return filter.count == name.count
    }
}
