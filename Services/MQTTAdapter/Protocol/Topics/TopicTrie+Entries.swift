// SPDX-License-Identifier: Apache-2.0

extension TopicTrie {
    struct Entry {
        let serial: UInt64
        let value: Value
    }

    /// What is under one pattern, in the order in which it was added.
    ///
    /// Of a fleet that subscribes to one pattern there are tens of thousands, each of which leaves by itself: from some on they are found by a table.
    enum Entries {
        case few([Entry])
        case many(ManyEntries)

        /// As many as are looked through one by one.
        private static var few: Int { 16 }

        init() { self = .few([]) }

        var isEmpty: Bool {
            switch self {
            case .few(let entries): entries.isEmpty
            case .many(let entries): entries.count == 0
            }
        }

        /// - Parameter isNew: that no equal value is there, where the caller knows.
        /// - Returns: the value that it replaced, whose place it has.
        mutating func put(_ value: Value, serial: UInt64, isNew: Bool) -> Value? {
            switch self {
            case .many(let entries): return entries.put(value, serial: serial, isNew: isNew)
            case .few(var entries):
                // Let go of first, so that the array is changed where it is.
                self = Entries()
                var replaced: Value?
                if !isNew, let index = entries.firstIndex(where: { $0.value == value }) {
                    replaced = entries[index].value
                    entries[index] = Entry(serial: entries[index].serial, value: value)
                } else {
                    entries.append(Entry(serial: serial, value: value))
                }
                self = entries.count > Self.few ? .many(ManyEntries(entries)) : .few(entries)
                return replaced
            }
        }

        /// - Returns: the value that was there.
        mutating func remove(_ value: Value) -> Value? {
            switch self {
            case .few(var entries):
                guard let index = entries.firstIndex(where: { $0.value == value }) else { return nil }
                self = Entries()
                let removed = entries.remove(at: index).value
                self = .few(entries)
                return removed
            case .many(let entries):
                let removed = entries.remove(value)
                if entries.count <= Self.few / 2 { self = .few(entries.all) }
                return removed
            }
        }

        func append(to found: inout [Entry]) {
            switch self {
            case .few(let entries): found += entries
            case .many(let entries): entries.append(to: &found)
            }
        }
    }

    /// A place that was left stays empty until half of them are, so that leaving takes the same time however many there are.
    final class ManyEntries {
        private struct Place {
            let serial: UInt64
            var value: Value?
        }

        /// Serials rise.
        private var places: [Place] = []
        private var serials: [Value: UInt64] = [:]

        init(_ entries: [Entry]) {
            for entry in entries { _ = put(entry.value, serial: entry.serial, isNew: true) }
        }

        var count: Int { serials.count }

        var all: [Entry] {
            var all: [Entry] = []
            append(to: &all)
            return all
        }

        func put(_ value: Value, serial: UInt64, isNew: Bool) -> Value? {
            if !isNew, let known = serials[value], let place = place(of: known) {
                let replaced = places[place].value
                places[place].value = value
                // The key itself is replaced: the former is not kept.
                serials[value] = nil
                serials[value] = known
                return replaced
            }
            serials[value] = serial
            places.append(Place(serial: serial, value: value))
            return nil
        }

        func remove(_ value: Value) -> Value? {
            guard let serial = serials.removeValue(forKey: value), let place = place(of: serial) else { return nil }
            let removed = places[place].value
            places[place].value = nil
            if places.count > 2 * count { places.removeAll { $0.value == nil } }
            return removed
        }

        func append(to found: inout [Entry]) {
            found.reserveCapacity(found.count + count)
            for place in places {
                if let value = place.value { found.append(Entry(serial: place.serial, value: value)) }
            }
        }

        private func place(of serial: UInt64) -> Int? {
            var (low, high) = (0, places.count)
            while low < high {
                let middle = (low + high) / 2
                if places[middle].serial < serial { low = middle + 1 } else { high = middle }
            }
            return low < places.count && places[low].serial == serial ? low : nil
        }
    }
}
