// SPDX-License-Identifier: Apache-2.0
import MQTTAdapter
import TestKit
import Testing

@Suite struct RouteCacheTests {
    @Test("a route is found by its topic's bytes, in its generation only", arguments: UInt64(0)..<32)
    func finds(seed: UInt64) {
        var cache = RouteCache<Int>(capacity: 64, seed: seed)
        #expect(cache.capacity == 64)
        #expect(find("a/b", in: cache) == nil)
        for index in 0..<8 { insert(index, "a/\(index)", into: &cache) }
        for index in 0..<8 {
            #expect(find("a/\(index)", in: cache) == index)
            #expect(find("a/\(index)", generation: 2, in: cache) == nil)
        }
        #expect(find("a", in: cache) == nil)
        insert(9, "a/3", into: &cache)
        #expect(find("a/3", in: cache) == 9)
        cache.removeAll()
        #expect(find("a/3", in: cache) == nil)
    }

    @Test("a full table forgets, and never says another topic's route", arguments: UInt64(0)..<8)
    func replaces(seed: UInt64) {
        var random = SeededGenerator(seed: seed)
        var cache = RouteCache<String>(capacity: 1, seed: seed)
        #expect(cache.capacity == 8)
        var generation: UInt64 = 1
        var hits = 0
        for _ in 0..<5000 {
            if Int.random(in: 0..<100, using: &random) == 0 { generation += 1 }
            let topic = String(repeating: "x", count: Int.random(in: 0..<24, using: &random))
            if let route = find(topic, generation: generation, in: cache) {
                #expect(route == "\(generation) \(topic)")
                hits += 1
            } else {
                insert("\(generation) \(topic)", topic, generation: generation, into: &cache)
                #expect(find(topic, generation: generation, in: cache) != nil)
            }
        }
        #expect(hits > 500)
    }

    @Test("a topic that is too long is not kept")
    func bounds() {
        var cache = RouteCache<Int>(capacity: 8, seed: 1)
        let longest = String(repeating: "t", count: RouteCache<Int>.maximumTopicBytes)
        insert(1, longest, into: &cache)
        insert(2, longest + "t", into: &cache)
        #expect(find(longest, in: cache) == 1)
        #expect(find(longest + "t", in: cache) == nil)
    }

    private func find<Route>(_ topic: String, generation: UInt64 = 1, in cache: RouteCache<Route>) -> Route? {
        Array(topic.utf8).withUnsafeBytes { cache.find($0, generation: generation) }
    }

    private func insert<Route>(
        _ route: Route, _ topic: String, generation: UInt64 = 1, into cache: inout RouteCache<Route>
    ) {
        Array(topic.utf8).withUnsafeBytes { cache.insert(route, for: $0, generation: generation) }
    }
}
