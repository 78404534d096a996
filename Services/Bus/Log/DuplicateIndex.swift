// SPDX-License-Identifier: Apache-2.0
import Bus
import Core
import Synchronization

/// Remembers which message identifiers were appended lately, and under which sequence number. L.
///
/// Entries are made when a record is appended, before its sync, so that a duplicate of a publish in flight is recognised too; compare the
/// sequence with ``StreamLog/lastSequence`` to see whether its answer has to wait. When a batch fails, ``remove(from:)`` forgets its entries.
///
/// Bounded by age and by number, oldest forgotten first. Identifiers are kept as 128-bit keyed hashes: two different ones among 100,000
/// are taken for the same with a probability of about 10⁻²⁹.
struct DuplicateIndex {
    private struct Key: Hashable {
        var high: Int
        var low: Int
    }

    private struct Entry {
        var key: Key
        var sequence: UInt64
        var storedAt: Int64
    }

    let windowNanoseconds: Int64
    let maximumEntries: Int
    private var sequences: [Key: UInt64] = [:]
    /// In order of sequence, oldest at `head`.
    private var entries: [Entry] = []
    private var head = 0

    /// - Parameters:
    ///   - windowSeconds: how long an identifier is remembered; 0: never.
    ///   - maximumEntries: at most that many.
    init(windowSeconds: UInt64, maximumEntries: Int) {
        let nanoseconds = Int64(clamping: windowSeconds).multipliedReportingOverflow(by: 1_000_000_000)
        windowNanoseconds = nanoseconds.overflow ? .max : nanoseconds.partialValue
        self.maximumEntries = windowSeconds == 0 ? 0 : max(maximumEntries, 0)
    }

    var count: Int { entries.count - head }

    /// The sequence number under which the identifier was appended within the window.
    mutating func lookup(_ identifier: UnsafeRawBufferPointer, now: Int64) -> UInt64? {
        guard maximumEntries > 0 else { return nil }
        forget(olderThan: now)
        return sequences[key(identifier)]
    }

    /// Notes an appended record. Call it in order of sequence.
    mutating func insert(_ identifier: UnsafeRawBufferPointer, sequence: UInt64, storedAt: Int64) {
        guard maximumEntries > 0 else { return }
        if count >= maximumEntries { removeOldest() }
        let key = key(identifier)
        sequences[key] = sequence
        entries.append(Entry(key: key, sequence: sequence, storedAt: storedAt))
    }

    /// Forgets the records from `sequence` on: they were in a batch that failed.
    mutating func remove(from sequence: UInt64) {
        while entries.count > head, let last = entries.last, last.sequence >= sequence {
            entries.removeLast()
            if sequences[last.key] == last.sequence { sequences[last.key] = nil }
        }
    }

    private mutating func forget(olderThan now: Int64) {
        while head < entries.count {
            let age = now.subtractingReportingOverflow(entries[head].storedAt)
            guard !age.overflow, age.partialValue > windowNanoseconds else { break }
            removeOldest()
        }
    }

    private mutating func removeOldest() {
        guard head < entries.count else { return }
        let oldest = entries[head]
        // The same identifier may have been appended again since.
        if sequences[oldest.key] == oldest.sequence { sequences[oldest.key] = nil }
        head += 1
        if head > 1024, head * 2 > entries.count {
            entries.removeFirst(head)
            head = 0
        }
    }

    private func key(_ identifier: UnsafeRawBufferPointer) -> Key {
        var first = Hasher()
        first.combine(bytes: identifier)
        var second = Hasher()
        second.combine(0x9E37_79B9)
        second.combine(bytes: identifier)
        return Key(high: first.finalize(), low: second.finalize())
    }
}

extension DuplicateIndex {
    /// Reads the identifiers of the log's last records back: those within the window, at most `maximumEntries` of the last `maximumBytes`.
    ///
    /// - Returns: records read.
    @discardableResult
    mutating func rebuild(from log: StreamLog, now: Int64, maximumBytes: Int = 64 << 20) -> Int {
        guard maximumEntries > 0 else { return 0 }
        let oldest = now.subtractingReportingOverflow(windowNanoseconds)
        let cutoff = oldest.overflow ? Int64.min : oldest.partialValue
        var next = log.tailStart(maximumBytes: maximumBytes, storedSince: cutoff)
        let last = log.lastSequence
        if last > UInt64(maximumEntries) { next = max(next, last - UInt64(maximumEntries) + 1) }
        let buffer = LogReadBuffer(capacity: 1 << 20)
        var read = 0
        while next <= last {
            let outcome = log.read(from: next, maximumBytes: 1 << 20, into: buffer)
            for record in buffer {
                read += 1
                guard record.storedAt >= cutoff, let identifier = Self.identifier(in: record.headers) else { continue }
                insert(identifier, sequence: record.sequence, storedAt: record.storedAt)
            }
            if outcome.isAtEnd || outcome.failure != nil || outcome.nextSequence <= next { break }
            next = outcome.nextSequence
        }
        return read
    }

    /// The message identifier among a record's headers; nil when there is none.
    static func identifier(in headers: UnsafeRawBufferPointer) -> UnsafeRawBufferPointer? {
        var offset = 0
        while offset + 2 <= headers.count {
            let type = headers[offset]
            let end = offset + 2 + Int(headers[offset + 1])
            guard end <= headers.count else { return nil }
            if type == Wire.HeaderType.messageID.rawValue {
                return UnsafeRawBufferPointer(rebasing: headers[offset + 2..<end])
            }
            offset = end
        }
        return nil
    }
}

extension StreamLog {
    /// any: a sequence from which reading to the end costs about `maximumBytes` at most and leaves out segments that ended before
    /// `storedSince`.
    func tailStart(maximumBytes: Int, storedSince: Int64) -> UInt64 {
        let (start, segment): (UInt64, Segment?) = shared.withLock { state in
            var start = state.lastSequence + 1
            var bytes = 0
            for segment in state.segments.reversed() where !segment.isEmpty {
                guard segment.lastStoredAt >= storedSince else { break }
                if bytes + segment.dataEnd > maximumBytes {
                    return (start, segment)
                }
                bytes += segment.dataEnd
                start = segment.firstSequence
            }
            return (start, nil)
        }
        guard let segment else { return start }
        // A part of this one: the first index entry that is near enough to its end.
        return shared.withLock { state in
            let behind = state.segments.reversed().prefix { $0 !== segment }.reduce(0) { $0 + $1.dataEnd }
            let floor = segment.dataEnd - max(maximumBytes - behind, 0)
            return segment.entries?.first { $0.offset >= floor }?.sequence ?? start
        }
    }
}
