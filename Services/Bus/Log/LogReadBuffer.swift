// SPDX-License-Identifier: Apache-2.0

/// Memory that reads of a log fill and reuse: a collection of verified records, in order of sequence. One thread at a time.
final class LogReadBuffer: RandomAccessCollection, @unchecked Sendable {
    private(set) var memory: UnsafeMutableRawPointer
    private(set) var capacity: Int
    private var offsets: [Int] = []
    /// Bytes in use, counted from the beginning.
    private(set) var used = 0
    /// Bytes of the records found, without the room between them.
    private(set) var recordBytes = 0

    init(capacity: Int = 64 << 10) {
        self.capacity = Swift.max(capacity, 4096)
        memory = .allocate(byteCount: self.capacity, alignment: 8)
    }

    deinit { memory.deallocate() }

    var startIndex: Int { 0 }
    var endIndex: Int { offsets.count }

    subscript(index: Int) -> LogRecord {
        let base = UnsafeRawPointer(memory + offsets[index])
        // Everything in the buffer was verified when it was put in.
        guard let head = RecordFormat.head(base, maximumLength: capacity) else {
            preconditionFailure("a verified record changed in memory")
        }
        return LogRecord(at: base, head: head)
    }

    func removeAll() {
        offsets.removeAll(keepingCapacity: true)
        used = 0
        recordBytes = 0
    }

    /// Makes room for `count` bytes behind those in use.
    func reserve(_ count: Int) {
        guard used + count > capacity else { return }
        let larger = Swift.max(used + count, Swift.min(capacity * 2, capacity + (4 << 20)))
        let moved = UnsafeMutableRawPointer.allocate(byteCount: larger, alignment: 8)
        moved.copyMemory(from: memory, byteCount: used)
        memory.deallocate()
        memory = moved
        capacity = larger
    }

    /// Room behind the bytes in use.
    func free(_ count: Int) -> UnsafeMutableRawBufferPointer {
        UnsafeMutableRawBufferPointer(start: memory + used, count: Swift.min(count, capacity - used))
    }

    /// Declares `bytes` behind those in use as used.
    func advance(_ bytes: Int) { used += bytes }

    /// Notes that a verified record of that padded length begins at `offset`.
    @inline(__always)
    func note(recordAt offset: Int, paddedLength: Int) {
        offsets.append(offset)
        recordBytes += paddedLength
    }
}

/// What a read found.
struct LogReadOutcome: Sendable, Equatable {
    /// Read on from here.
    var nextSequence: UInt64
    /// Sequence numbers from the asked one on that existed and cannot be read any more, ascending; skip them. Also added to
    /// ``StreamLog/corruptSequences``.
    var lost: [ClosedRange<UInt64>] = []
    /// Everything synced has been read.
    var isAtEnd = false
    /// Records that were left out because of their origin, and their bytes.
    var passedOver = 0
    var passedOverBytes = 0
    /// Set when a read failed for want of memory or descriptors, not for the medium: try again later from ``nextSequence``.
    var failure: LogError?
}
