// SPDX-License-Identifier: Apache-2.0

/// Segment files that are open for reading: a few, the least recently used closed first.
struct ReaderFiles {
    static let maximumCount = 16

    private var files: [(first: UInt64, file: any LogFile)] = []

    mutating func file(_ firstSequence: UInt64) -> (any LogFile)? {
        guard let index = files.firstIndex(where: { $0.first == firstSequence }) else { return nil }
        let found = files.remove(at: index)
        files.append(found)
        return found.file
    }

    mutating func insert(_ file: any LogFile, _ firstSequence: UInt64) {
        remove(firstSequence)
        if files.count >= Self.maximumCount { files.removeFirst() }
        files.append((firstSequence, file))
    }

    mutating func remove(_ firstSequence: UInt64) {
        files.removeAll { $0.first == firstSequence }
    }
}

/// Checkpoints of the ring, oldest first.
struct CheckpointQueue {
    private var items: [RingCheckpoint] = []
    private var head = 0

    var first: RingCheckpoint? { head < items.count ? items[head] : nil }
    var isEmpty: Bool { head == items.count }

    mutating func append(_ checkpoint: RingCheckpoint) { items.append(checkpoint) }

    mutating func removeFirst() {
        head += 1
        if head > 256, head * 2 > items.count {
            items.removeFirst(head)
            head = 0
        }
    }

    /// The last one whose sequence is not above.
    func last(notAbove sequence: UInt64) -> RingCheckpoint? {
        guard let first, first.sequence <= sequence else { return nil }
        var low = head
        var high = items.count
        while high - low > 1 {
            let middle = (low + high) / 2
            if items[middle].sequence <= sequence { low = middle } else { high = middle }
        }
        return items[low]
    }
}
