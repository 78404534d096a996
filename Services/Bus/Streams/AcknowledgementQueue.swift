// SPDX-License-Identifier: Apache-2.0

/// Publishers that wait for the sync of what they published, in the order of the log.
///
/// Consecutive tokens of one connection with consecutive sequence numbers are one entry. Bounded by the log's memory: nothing waits that
/// is not in a batch which is not synced (a duplicate waits at most for the batch at hand).
struct AcknowledgementQueue {
    struct Entry: Equatable {
        enum Waiter: Equatable {
            /// A connection's identity.
            case publisher(UInt64)
            /// A dead letter of the bus's own: `firstToken` finds it.
            case deadLetter
        }

        var waiter: Waiter
        var firstToken: UInt32
        var count: UInt32
        var firstSequence: UInt64
        /// Told once this sequence number is synced, where that is not the entry's own: a duplicate's first may be under way still.
        var duplicateAfter: UInt64?
    }

    private var entries: ContiguousArray<Entry> = []
    private var head = 0

    var isEmpty: Bool { head == entries.count }

    @inline(__always)
    mutating func append(_ waiter: Entry.Waiter, token: UInt32, sequence: UInt64) {
        if !isEmpty {
            let last = entries.count - 1
            let entry = entries[last]
            if entry.waiter == waiter, entry.duplicateAfter == nil, entry.firstToken &+ entry.count == token,
                entry.firstSequence &+ UInt64(entry.count) == sequence, waiter != .deadLetter
            {
                entries[last].count &+= 1
                return
            }
        }
        entries.append(Entry(waiter: waiter, firstToken: token, count: 1, firstSequence: sequence))
    }

    mutating func appendDuplicate(_ waiter: Entry.Waiter, token: UInt32, sequence: UInt64, after: UInt64) {
        entries.append(
            Entry(waiter: waiter, firstToken: token, count: 1, firstSequence: sequence, duplicateAfter: after))
    }

    /// Takes the next entry, or the part of it, that is synced when everything up to `sequence` is.
    mutating func next(syncedThrough sequence: UInt64) -> Entry? {
        guard !isEmpty else { return nil }
        var entry = entries[head]
        if let after = entry.duplicateAfter {
            guard after <= sequence else { return nil }
        } else {
            guard entry.firstSequence <= sequence else { return nil }
            let synced = sequence - entry.firstSequence + 1
            if synced < UInt64(entry.count) {
                entries[head].firstToken &+= UInt32(synced)
                entries[head].count -= UInt32(synced)
                entries[head].firstSequence += synced
                entry.count = UInt32(synced)
                return entry
            }
        }
        advance()
        return entry
    }

    /// Takes the next entry whatever its state: the log has failed.
    mutating func next() -> Entry? {
        guard !isEmpty else { return nil }
        defer { advance() }
        return entries[head]
    }

    private mutating func advance() {
        head += 1
        if head == entries.count {
            entries.removeAll(keepingCapacity: entries.count <= 16_384)
            head = 0
        } else if head >= 4096, head * 2 > entries.count {
            entries.removeFirst(head)
            head = 0
        }
    }
}
