// SPDX-License-Identifier: Apache-2.0

/// What a durable consumer was given and has not acknowledged, ascending by sequence number.
struct PendingMessages {
    enum State: UInt8 {
        case delivered
        /// To be delivered again now.
        case due
        /// To be moved to the dead letters.
        case givenUp
        /// In the dead-letter stream, which has not synced it yet.
        case deadLettering
        /// Acknowledged out of turn, behind one that is not.
        case acknowledged
    }

    struct Entry {
        var sequence: UInt64
        /// Monotonic nanoseconds: delivered, to be delivered again then; dead-lettering, to be tried again then.
        var deadline: UInt64
        var bytes: UInt32
        var deliveries: UInt32
        var state: State
    }

    private var entries: ContiguousArray<Entry> = []
    private var head = 0
    /// Without those acknowledged out of turn.
    private(set) var count = 0
    private(set) var bytes = 0
    /// Entries that wait for the feeder: due or given up.
    private(set) var dueCount = 0
    /// No deadline is earlier; `.max`: none.
    private(set) var nextDeadline = UInt64.max

    var isEmpty: Bool { head == entries.count }
    var firstSequence: UInt64? { isEmpty ? nil : entries[head].sequence }

    /// - Parameter sequence: above all others.
    mutating func append(sequence: UInt64, bytes: Int, deadline: UInt64) {
        entries.append(
            Entry(
                sequence: sequence, deadline: deadline, bytes: UInt32(clamping: bytes), deliveries: 1,
                state: .delivered))
        count += 1
        self.bytes += bytes
        nextDeadline = min(nextDeadline, deadline)
    }

    /// The place of a sequence number, or of the first above it.
    private func index(of sequence: UInt64) -> Int {
        var low = head
        var high = entries.count
        while low < high {
            let middle = (low + high) / 2
            if entries[middle].sequence < sequence { low = middle + 1 } else { high = middle }
        }
        return low
    }

    subscript(sequence: UInt64) -> Entry? {
        let index = index(of: sequence)
        guard index < entries.count, entries[index].sequence == sequence else { return nil }
        return entries[index]
    }

    /// - Returns: false when there is no such entry or it was acknowledged already.
    @discardableResult
    mutating func acknowledge(_ sequence: UInt64) -> Bool {
        let index = index(of: sequence)
        guard index < entries.count, entries[index].sequence == sequence, entries[index].state != .acknowledged else {
            return false
        }
        settle(index)
        while head < entries.count, entries[head].state == .acknowledged { head += 1 }
        compact()
        return true
    }

    mutating func acknowledge(through sequence: UInt64) {
        while head < entries.count, entries[head].sequence <= sequence || entries[head].state == .acknowledged {
            settle(head)
            head += 1
        }
        compact()
    }

    private mutating func settle(_ index: Int) {
        let entry = entries[index]
        guard entry.state != .acknowledged else { return }
        if entry.state == .due || entry.state == .givenUp { dueCount -= 1 }
        count -= 1
        bytes -= Int(entry.bytes)
        entries[index].state = .acknowledged
    }

    private mutating func compact() {
        if head == entries.count {
            entries.removeAll(keepingCapacity: entries.count <= 4096)
            head = 0
            nextDeadline = .max
        } else if head >= 4096, head * 2 > entries.count {
            entries.removeFirst(head)
            head = 0
        }
    }

    /// Changes the state of an entry that is not acknowledged.
    /// - Returns: false when there is none.
    @discardableResult
    mutating func set(_ sequence: UInt64, _ state: State, deadline: UInt64 = .max, countingDelivery: Bool = false)
        -> Bool
    {
        let index = index(of: sequence)
        guard index < entries.count, entries[index].sequence == sequence, entries[index].state != .acknowledged else {
            return false
        }
        change(index, state, deadline: deadline)
        if countingDelivery { entries[index].deliveries &+= 1 }
        return true
    }

    private mutating func change(_ index: Int, _ state: State, deadline: UInt64) {
        let wasDue = entries[index].state == .due || entries[index].state == .givenUp
        let isDue = state == .due || state == .givenUp
        dueCount += (isDue ? 1 : 0) - (wasDue ? 1 : 0)
        entries[index].state = state
        entries[index].deadline = deadline
        nextDeadline = min(nextDeadline, deadline)
    }

    /// Everything whose time is up becomes due; one that has been delivered `maximumDeliveries` times (0: no limit) is given up.
    mutating func expire(now: UInt64, maximumDeliveries: Int) {
        guard now >= nextDeadline else { return }
        var next = UInt64.max
        for index in head..<entries.count {
            let entry = entries[index]
            switch entry.state {
            case .delivered where entry.deadline <= now:
                change(index, isSpent(entry, maximumDeliveries) ? .givenUp : .due, deadline: .max)
            case .deadLettering where entry.deadline <= now:
                change(index, .givenUp, deadline: .max)
            case .delivered, .deadLettering: next = min(next, entry.deadline)
            case .due, .givenUp, .acknowledged: break
            }
        }
        nextDeadline = next
    }

    private func isSpent(_ entry: Entry, _ maximumDeliveries: Int) -> Bool {
        maximumDeliveries > 0 && Int(entry.deliveries) >= maximumDeliveries
    }

    /// The reader is gone: what it was given and did not acknowledge is due.
    mutating func readerLeft(maximumDeliveries: Int) {
        for index in head..<entries.count where entries[index].state == .delivered {
            change(index, isSpent(entries[index], maximumDeliveries) ? .givenUp : .due, deadline: .max)
        }
    }

    /// The first entry from `sequence` on that waits for the feeder.
    func firstDue(from sequence: UInt64 = 0) -> Entry? {
        guard dueCount > 0 else { return nil }
        var index = sequence == 0 ? head : index(of: sequence)
        while index < entries.count {
            if entries[index].state == .due || entries[index].state == .givenUp { return entries[index] }
            index += 1
        }
        return nil
    }

    /// Calls `body` with each sequence number that was acknowledged out of turn.
    func forEachAcknowledged(_ body: (UInt64) -> Void) {
        for index in head..<entries.count where entries[index].state == .acknowledged { body(entries[index].sequence) }
    }
}
