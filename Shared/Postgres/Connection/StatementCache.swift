// SPDX-License-Identifier: Apache-2.0

/// The prepared statements of one connection; the least recently used one goes when the cache is full.
struct StatementCache {
    struct Key: Hashable {
        var text: String
        /// The same text bound to other types is another statement.
        var types: [PostgresType]
    }

    private struct Entry {
        var name: String
        var lastUse: UInt64
    }

    private let capacity: Int
    private var entries: [Key: Entry] = [:]
    private var uses: UInt64 = 0
    private var names: UInt64 = 0

    init(capacity: Int) { self.capacity = max(capacity, 1) }

    mutating func name(for key: Key) -> String? {
        guard let index = entries.index(forKey: key) else { return nil }
        uses += 1
        entries.values[index].lastUse = uses
        return entries.values[index].name
    }

    /// - Returns: the new statement's name, and the name of the one that had to go.
    mutating func insert(_ key: Key) -> (name: String, evicted: String?) {
        var evicted: String?
        // A linear search among at most a few hundred, only when a statement is prepared, which costs a round trip anyway.
        if entries.count >= capacity, let oldest = entries.min(by: { $0.value.lastUse < $1.value.lastUse }) {
            evicted = oldest.value.name
            entries[oldest.key] = nil
        }
        uses += 1
        names += 1
        let name = "s\(names)"
        entries[key] = Entry(name: name, lastUse: uses)
        return (name, evicted)
    }

    @discardableResult
    mutating func remove(_ key: Key) -> String? { entries.removeValue(forKey: key)?.name }

    mutating func removeAll() { entries.removeAll() }
}
