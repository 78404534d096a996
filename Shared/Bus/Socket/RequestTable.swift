// SPDX-License-Identifier: Apache-2.0
import NIOCore

/// The requests without an answer yet, and which of them runs out of time first.
struct RequestTable {
    typealias Completion = CheckedContinuation<Result<BusMessage, BusError>, Never>

    private struct Entry {
        var deadline: NIODeadline
        var identifier: UInt64
    }

    private var pending: [UInt64: Completion] = [:]
    /// A binary heap, earliest deadline first; may hold answered ones, which are dropped when they come up or when they are the most.
    private var heap: [Entry] = []
    private var last: UInt64 = 0

    var count: Int { pending.count }
    var earliestDeadline: NIODeadline? { heap.first?.deadline }

    /// A number no other request has; it ends the reply subject.
    mutating func makeIdentifier() -> UInt64 {
        last &+= 1
        return last
    }

    mutating func add(_ identifier: UInt64, deadline: NIODeadline, _ completion: Completion) {
        pending[identifier] = completion
        if heap.count > 64, heap.count > pending.count * 2 { compact() }
        heap.append(Entry(deadline: deadline, identifier: identifier))
        siftUp(heap.count - 1)
    }

    mutating func take(_ identifier: UInt64) -> Completion? { pending.removeValue(forKey: identifier) }

    /// Takes out those whose time is over.
    mutating func takeExpired(_ now: NIODeadline) -> [Completion] {
        var expired: [Completion] = []
        while let first = heap.first, first.deadline <= now || pending[first.identifier] == nil {
            removeFirst()
            if let completion = pending.removeValue(forKey: first.identifier) { expired.append(completion) }
        }
        return expired
    }

    mutating func removeAll() -> [Completion] {
        defer {
            pending.removeAll()
            heap.removeAll()
        }
        return Array(pending.values)
    }

    private mutating func compact() {
        let entries = heap.filter { pending[$0.identifier] != nil }
        // A sorted array is a heap.
        heap = entries.sorted { $0.deadline < $1.deadline }
    }

    private mutating func siftUp(_ start: Int) {
        var index = start
        while index > 0 {
            let parent = (index - 1) / 2
            guard heap[index].deadline < heap[parent].deadline else { return }
            heap.swapAt(index, parent)
            index = parent
        }
    }

    private mutating func removeFirst() {
        let last = heap.removeLast()
        guard !heap.isEmpty else { return }
        heap[0] = last
        var index = 0
        while true {
            var least = index
            for child in [2 * index + 1, 2 * index + 2]
            where child < heap.count && heap[child].deadline < heap[least].deadline { least = child }
            guard least != index else { return }
            heap.swapAt(index, least)
            index = least
        }
    }
}
