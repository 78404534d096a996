// SPDX-License-Identifier: Apache-2.0

/// Routes that were worked out before, by topic bytes: a bounded open-addressing table in front of a TopicTrie.
///
/// An entry of another generation than the caller's is not found, so a change of subscriptions forgets all of them at no cost. A lookup allocates nothing.
package struct RouteCache<Route> {
    /// What is looked at before topic and route: places that do not match cost no reference counting.
    private struct Tag {
        var hash: UInt64 = 0
        var generation: UInt64 = 0
        var isTaken = false
    }

    /// Probes before an entry is replaced: a bound on what colliding topics can cost.
    private static var probes: Int { 8 }
    /// Longer topics are not kept, which bounds the table's memory: capacity × 512 bytes, and the routes.
    package static var maximumTopicBytes: Int { 512 }

    private var tags: [Tag]
    private var topics: [[UInt8]]
    private var routes: [Route?]
    private let mask: Int
    private let seed: UInt64

    /// - Parameters:
    ///   - capacity: entries, rounded up to a power of two of at least 8.
    ///   - seed: makes the places of topics unpredictable to those who choose them.
    package init(capacity: Int, seed: UInt64 = .random(in: .min ... .max)) {
        var size = 8
        while size < capacity { size *= 2 }
        tags = Array(repeating: Tag(), count: size)
        topics = Array(repeating: [], count: size)
        routes = Array(repeating: nil, count: size)
        mask = size - 1
        self.seed = seed
    }

    package var capacity: Int { mask + 1 }

    /// The route of `topic`, if it is known and of this generation.
    package func find(_ topic: UnsafeRawBufferPointer, generation: UInt64) -> Route? {
        let hash = hash(topic)
        for probe in 0..<Self.probes {
            let place = place(hash, probe)
            let tag = tags[place]
            guard tag.isTaken else { return nil }
            if tag.hash == hash, tag.generation == generation, TopicBytes.areEqual(topics[place], topic) {
                return routes[place]
            }
        }
        return nil
    }

    package mutating func insert(_ route: Route, for topic: UnsafeRawBufferPointer, generation: UInt64) {
        guard topic.count <= Self.maximumTopicBytes else { return }
        let hash = hash(topic)
        // The first place of the run that is free, out of date or the same topic's; else the home place is taken over.
        var place = place(hash, 0)
        for probe in 0..<Self.probes {
            let candidate = self.place(hash, probe)
            let tag = tags[candidate]
            if tag.isTaken, tag.generation == generation,
                !(tag.hash == hash && TopicBytes.areEqual(topics[candidate], topic))
            {
                continue
            }
            place = candidate
            break
        }
        tags[place] = Tag(hash: hash, generation: generation, isTaken: true)
        topics[place] = Array(topic)
        routes[place] = route
    }

    package mutating func removeAll() {
        for index in tags.indices {
            tags[index] = Tag()
            topics[index] = []
            routes[index] = nil
        }
    }

    private func place(_ hash: UInt64, _ probe: Int) -> Int { (Int(truncatingIfNeeded: hash) &+ probe) & mask }

    private func hash(_ bytes: UnsafeRawBufferPointer) -> UInt64 {
        TopicBytes.hash(bytes, seed: seed)
    }
}
