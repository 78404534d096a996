// SPDX-License-Identifier: Apache-2.0
import MQTTAdapter
import TestKit
import Testing

@Suite struct TopicTests {
    // [MQTT-4.7.1-2 of 3.1.1] [MQTT-4.7.1-3 of 3.1.1] [MQTT-4.7.3-1 of 3.1.1]
    @Test(
        "[MQTT-4.7.1-1] [MQTT-4.7.1-2] [MQTT-4.7.3-1] [MQTT-4.8.2-1] [MQTT-4.8.2-2] filters that are refused",
        arguments: [
            "", "a#", "#/a", "a/#/b", "a+", "+a", "a/b+/c", "$share/", "$share//a", "$share/g", "$share/g/",
            "$share/+/a",
        ])
    func refusesFilters(text: String) {
        #expect(throws: Violation.self) { try TopicFilter(text) }
    }

    // [MQTT-4.7.2-1 of 3.1.1]
    @Test("[MQTT-4.7.2-1] the trie finds what a naive matcher finds, in order")
    func trieMatchesNaively() throws {
        var random = SeededGenerator(seed: 7)
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

    @Test(
        "examples of section 4.7",
        arguments: [
            ("sport/tennis/player1/#", "sport/tennis/player1", true),
            ("sport/tennis/player1/#", "sport/tennis/player1/x/y", true),
            ("sport/#", "sport", true), ("#", "/", true), ("sport/tennis/+", "sport/tennis/player1/ranking", false),
            ("sport/+", "sport", false), ("sport/+", "sport/", true), ("+/+", "/finance", true),
            ("/+", "/finance", true),
            ("+", "/finance", false), ("#", "$SYS/x", false), ("+/monitor/Clients", "$SYS/monitor/Clients", false),
            ("$SYS/#", "$SYS/x", true), ("$SYS/monitor/+", "$SYS/monitor/Clients", true),
            ("ACCOUNTS", "Accounts", false),
        ])
    func examples(text: String, topic: String, matches: Bool) throws {
        let filter = try TopicFilter(text)
        var trie = TopicTrie<Int>()
        trie.add(1, at: filter.pattern)
        #expect(filter.matches(topic) == matches)
        #expect(trie.matches(topic) == (matches ? [1] : []))
    }

    // [MQTT-4.7.3-4 of 3.1.1]
    @Test("[MQTT-4.7.3-4] characters that look alike are not the same")
    func normalization() throws {
        let (composed, decomposed) = ("caf\u{E9}/x", "cafe\u{301}/x")
        var trie = TopicTrie<Int>()
        trie.add(1, at: composed)
        trie.add(2, at: decomposed)
        trie.add(3, at: "/")
        trie.add(4, at: "//")
        #expect(trie.matches(composed) == [1])
        #expect(trie.matches(decomposed) == [2])
        #expect(trie.matches("/") == [3])
        #expect(trie.matches("//") == [4])
        #expect(try !TopicFilter(composed).matches(decomposed))
        #expect(try TopicFilter(composed).matches(composed))
    }

    @Test(
        "[MQTT-3.8.4-3] the same pattern again replaces the value and keeps its place; the trie forgets what is removed"
    )
    func replaces() {
        struct Subscription: Hashable {
            let subscriber: Int
            let qos: Int
            static func == (left: Self, right: Self) -> Bool { left.subscriber == right.subscriber }
            func hash(into hasher: inout Hasher) { hasher.combine(subscriber) }
        }
        var trie = TopicTrie<Subscription>()
        #expect(trie.add(Subscription(subscriber: 1, qos: 0), at: "a/+") == nil)
        #expect(trie.add(Subscription(subscriber: 2, qos: 0), at: "a/#") == nil)
        var generation = trie.generation
        #expect(trie.add(Subscription(subscriber: 1, qos: 2), at: "a/+")?.qos == 0)
        #expect(trie.count == 2 && trie.generation != generation)
        #expect(trie.matches("a/b").map(\.qos) == [2, 0])
        #expect(trie.matches("a/b").map(\.subscriber) == [1, 2])
        generation = trie.generation
        #expect(trie.remove(Subscription(subscriber: 3, qos: 0), at: "a/+") == nil)
        #expect(trie.remove(Subscription(subscriber: 1, qos: 0), at: "a/b") == nil)
        #expect(trie.remove(Subscription(subscriber: 1, qos: 0), at: "a/+/c") == nil)
        #expect(trie.generation == generation)
        #expect(trie.remove(Subscription(subscriber: 1, qos: 0), at: "a/+")?.qos == 2)
        #expect(trie.matches("a/b").map(\.subscriber) == [2] && trie.count == 1)
        #expect(trie.matches("").isEmpty)
    }

    @Test(
        "a fleet with one pattern comes, goes and replaces in any order, and what is left keeps its order",
        arguments: [3, 40, 400])
    func fleets(size: Int) {
        struct Subscription: Hashable {
            let subscriber: Int
            var version = 0
            static func == (left: Self, right: Self) -> Bool { left.subscriber == right.subscriber }
            func hash(into hasher: inout Hasher) { hasher.combine(subscriber) }
        }
        var random = SeededGenerator(seed: UInt64(size))
        var trie = TopicTrie<Subscription>()
        var expected: [Subscription] = []
        for step in 0..<4_000 {
            let subscription = Subscription(subscriber: Int.random(in: 0..<size, using: &random), version: step)
            let place = expected.firstIndex(of: subscription)
            // Waves, so that there are many, few and none in turn.
            if Int.random(in: 0..<4, using: &random) == 0 || (step / 1_000).isMultiple(of: 2) {
                let replaced = trie.add(subscription, at: "fleet/+", isNew: place == nil && step.isMultiple(of: 2))
                #expect(replaced?.version == place.map { expected[$0].version })
                if let place { expected[place] = subscription } else { expected.append(subscription) }
            } else {
                #expect(trie.remove(subscription, at: "fleet/+")?.version == place.map { expected[$0].version })
                if let place { expected.remove(at: place) }
            }
            #expect(trie.count == expected.count)
            guard step.isMultiple(of: 37) || expected.count < 3 else { continue }
            #expect(trie.matches("fleet/x").map(\.version) == expected.map(\.version))
        }
    }

    @Test("of a fleet with one pattern each leaves without a look at the others")
    func leavingIsNotLinear() {
        final class Counter { var comparisons = 0 }
        struct Subscription: Hashable {
            let subscriber: Int
            let counter: Counter
            static func == (left: Self, right: Self) -> Bool {
                left.counter.comparisons += 1
                return left.subscriber == right.subscriber
            }
            func hash(into hasher: inout Hasher) { hasher.combine(subscriber) }
        }
        let counter = Counter()
        let fleet = (0..<5_000).map { Subscription(subscriber: $0, counter: counter) }
        var trie = TopicTrie<Subscription>()
        for subscription in fleet { trie.add(subscription, at: "fleet/#", isNew: true) }
        counter.comparisons = 0
        for subscription in fleet.reversed() { trie.remove(subscription, at: "fleet/#") }
        #expect(trie.count == 0 && trie.matches("fleet/1").isEmpty)
        #expect(counter.comparisons < 50 * fleet.count)
    }

    @Test("[MQTT-4.8.2-1] [MQTT-4.8.2-2] shared subscriptions are taken apart")
    func shares() throws {
        for (text, name, pattern) in [
            ("$share/g/a/+", "g", "a/+"), ("$share/g//", "g", "/"), ("$share/\u{E9}/#", "\u{E9}", "#"),
            ("$share", nil, "$share"), ("$shared/g/a", nil, "$shared/g/a"), ("a/$share/g", nil, "a/$share/g"),
        ] as [(String, String?, String)] {
            let filter = try TopicFilter(text)
            #expect(filter.text == text && filter.shareName == name && filter.pattern == pattern)
        }
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
