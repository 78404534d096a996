// SPDX-License-Identifier: Apache-2.0

/// Routes that were worked out before, by topic bytes: a bounded open-addressing table in front of a TopicTrie.
///
/// An entry of another generation than the caller's is not found, so a change of subscriptions forgets all of them at no cost. A lookup allocates nothing.
package struct RouteCache<Route> {
    private struct Entry {
        var hash: UInt64
        var generation: UInt64
        var topic: [UInt8]
        var route: Route
    }

    /// Probes before an entry is replaced: a bound on what colliding topics can cost.
    private static var probes: Int { 8 }
    /// Longer topics are not kept, which bounds the table's memory: capacity × 512 bytes, and the routes.
    package static var maximumTopicBytes: Int { 512 }

    private var entries: [Entry?]
    private let mask: Int
    private let seed: UInt64

    /// - Parameters:
    ///   - capacity: entries, rounded up to a power of two of at least 8.
    ///   - seed: makes the places of topics unpredictable to those who choose them.
    package init(capacity: Int, seed: UInt64 = .random(in: .min ... .max)) {
        var size = 8
        while size < capacity { size *= 2 }
        entries = Array(repeating: nil, count: size)
        mask = size - 1
        self.seed = seed
    }

    package var capacity: Int { mask + 1 }

    /// The route of `topic`, if it is known and of this generation.
    package func find(_ topic: UnsafeRawBufferPointer, generation: UInt64) -> Route? {
        let hash = hash(topic)
        for probe in 0..<Self.probes {
            guard let entry = entries[place(hash, probe)] else { return nil }
            if entry.hash == hash, entry.generation == generation, entry.topic.elementsEqual(topic) {
                return entry.route
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
            if let entry = entries[candidate], entry.generation == generation,
                !(entry.hash == hash && entry.topic.elementsEqual(topic))
            {
                continue
            }
            place = candidate
            break
        }
        entries[place] = Entry(hash: hash, generation: generation, topic: Array(topic), route: route)
    }

    package mutating func removeAll() {
        for index in entries.indices { entries[index] = nil }
    }

    private func place(_ hash: UInt64, _ probe: Int) -> Int { (Int(truncatingIfNeeded: hash) &+ probe) & mask }

    private func hash(_ bytes: UnsafeRawBufferPointer) -> UInt64 {
        TopicHash.hash(bytes, seed: seed)
    }
}

/// A seeded hash of topic bytes.
enum TopicHash {
    /// Multiply and fold, eight bytes at a time; the caller compares the bytes.
    @inline(__always)
    static func hash(_ bytes: UnsafeRawBufferPointer, seed: UInt64) -> UInt64 {
        var state = seed ^ UInt64(truncatingIfNeeded: bytes.count) &* 0x9E37_79B9_7F4A_7C15
        var offset = 0
        while bytes.count - offset >= 8 {
            state = mix(state, bytes.loadUnaligned(fromByteOffset: offset, as: UInt64.self))
            offset += 8
        }
        var tail: UInt64 = 0
        while offset < bytes.count {
            tail = tail << 8 | UInt64(bytes[offset])
            offset += 1
        }
        return mix(state, tail)
    }

    @inline(__always)
    private static func mix(_ state: UInt64, _ word: UInt64) -> UInt64 {
        let product = (state ^ word).multipliedFullWidth(by: 0xA076_1D64_78BD_642F)
        return product.high ^ product.low &+ 0xE703_7ED1_A0B4_28DB
    }
}
