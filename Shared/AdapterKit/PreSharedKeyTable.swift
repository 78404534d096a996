// SPDX-License-Identifier: Apache-2.0
import Core

/// Pre-shared keys by what devices name in their handshakes, one for each thing.
///
/// Keys are of a generation: a reload begins one, puts what it finds into it, and takes the older ones out when it is whole. So what was known goes on
/// being found while it is loaded anew, and nothing is kept twice.
struct PreSharedKeyTable: Sendable {
    private struct Entry: Sendable {
        var key: PreSharedKey
        var generation: UInt64
    }

    /// Of one generation; while the next one is loaded there may be twice as many.
    let maximumEntries: Int
    private var entries: [[UInt8]: Entry] = [:]
    private var identities: [ThingID: [UInt8]] = [:]
    private(set) var generation: UInt64 = 0
    /// Entries of the generation.
    private var current = 0

    init(maximumEntries: Int) { self.maximumEntries = max(1, maximumEntries) }

    var count: Int { entries.count }

    func find(_ identity: [UInt8]) -> PreSharedKey? { entries[identity]?.key }

    mutating func beginGeneration() {
        generation += 1
        current = 0
    }

    /// Takes out what the generation has not seen.
    mutating func removeOlder() {
        guard current < entries.count else { return }
        for (identity, entry) in entries where entry.generation < generation {
            remove(identity: identity)
        }
    }

    /// Puts a thing's key in the place of the one that it had, and of any that had the identity.
    /// - Returns: false: there is no room, and the thing has none now.
    @discardableResult
    mutating func put(_ key: PreSharedKey, identity: [UInt8]) -> Bool {
        remove(thing: key.thing)
        remove(identity: identity)
        guard current < maximumEntries else { return false }
        current += 1
        entries[identity] = Entry(key: key, generation: generation)
        identities[key.thing] = identity
        return true
    }

    /// As ``put(_:identity:)``; where there is no room, any other key goes.
    mutating func putMakingRoom(_ key: PreSharedKey, identity: [UInt8]) {
        while !put(key, identity: identity), let other = entries.first?.key { remove(identity: other) }
    }

    mutating func remove(thing: ThingID) {
        guard let identity = identities[thing] else { return }
        remove(identity: identity)
    }

    mutating func remove(domain: DomainID) {
        for (identity, entry) in entries where entry.key.domain == domain { remove(identity: identity) }
    }

    mutating func removeAll() {
        entries = [:]
        identities = [:]
        current = 0
    }

    private mutating func remove(identity: [UInt8]) {
        guard let entry = entries.removeValue(forKey: identity) else { return }
        identities[entry.key.thing] = nil
        if entry.generation == generation { current -= 1 }
    }
}
