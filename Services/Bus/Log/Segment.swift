// SPDX-License-Identifier: Apache-2.0
import Core

/// One segment file as the log knows it. Its fields are guarded by the log's lock.
final class Segment: @unchecked Sendable {
    let path: String
    let firstSequence: UInt64
    /// Less than `firstSequence - 1` when numbers were skipped on purpose.
    let precedingSequence: UInt64
    /// From the file's header; 0 when that is damaged.
    let instance: UInt64
    /// Last record in the file that counts; `firstSequence - 1` when there is none.
    var lastSequence: UInt64
    /// Where the last record that counts ends.
    var dataEnd: Int
    /// Size of the file, preallocated space included.
    var fileBytes: Int
    var firstStoredAt: Int64 = 0
    var lastStoredAt: Int64 = 0
    /// Nothing will be written to it any more.
    var isSealed: Bool
    /// Ascending; nil until a reader needs them (they are loaded from the index file).
    var entries: [IndexEntry]?

    init(
        path: String, firstSequence: UInt64, precedingSequence: UInt64, instance: UInt64, fileBytes: Int,
        isSealed: Bool,
        entries: [IndexEntry]?
    ) {
        self.path = path
        self.firstSequence = firstSequence
        self.precedingSequence = precedingSequence
        self.instance = instance
        self.fileBytes = fileBytes
        self.isSealed = isSealed
        self.entries = entries
        lastSequence = firstSequence - 1
        dataEnd = SegmentHeader.length
    }

    var isEmpty: Bool { lastSequence < firstSequence }
    var indexPath: String { String(path.dropLast(4)) + ".index" }

    /// Where to begin looking for a sequence: an offset at which a record begins, and what its sequence is at least.
    func startOffset(for sequence: UInt64) -> IndexEntry {
        let beginning = IndexEntry(sequence: firstSequence, offset: SegmentHeader.length)
        guard let entries, let first = entries.first, first.sequence <= sequence else { return beginning }
        var low = 0
        var high = entries.count
        while high - low > 1 {
            let middle = (low + high) / 2
            if entries[middle].sequence <= sequence { low = middle } else { high = middle }
        }
        return entries[low]
    }
}
