// SPDX-License-Identifier: Apache-2.0

/// Records that are written and synced together. Made by ``StreamLog/sealBatch()``, given to ``StreamLog/write(_:)`` on the sync thread and
/// then to ``StreamLog/finish(_:_:)``; every one must be finished, since its memory is the log's own ring.
final class LogBatch: @unchecked Sendable {
    let firstSequence: UInt64
    let lastSequence: UInt64
    /// Bytes on disk.
    let byteCount: Int
    var count: Int { Int(lastSequence - firstSequence + 1) }

    /// One or, where the ring wraps, two runs of memory.
    let parts: [UnsafeRawBufferPointer]
    let firstStoredAt: Int64
    let lastStoredAt: Int64
    /// Offsets are relative to the batch.
    let checkpoints: [RingCheckpoint]
    /// Where the batch ends in the ring.
    let ringEnd: Int
    /// A failure makes all batches of its generation void.
    let generation: UInt64
    /// Size of the segment to begin with this batch; nil: it goes into the one at hand.
    let newSegmentBytes: Int?
    /// The last sequence in existence before, for a segment that begins after a skip.
    let precedingSequence: UInt64

    init(
        firstSequence: UInt64, lastSequence: UInt64, byteCount: Int, parts: [UnsafeRawBufferPointer],
        firstStoredAt: Int64, lastStoredAt: Int64, checkpoints: [RingCheckpoint], ringEnd: Int, generation: UInt64,
        newSegmentBytes: Int?, precedingSequence: UInt64
    ) {
        self.firstSequence = firstSequence
        self.lastSequence = lastSequence
        self.byteCount = byteCount
        self.parts = parts
        self.firstStoredAt = firstStoredAt
        self.lastStoredAt = lastStoredAt
        self.checkpoints = checkpoints
        self.ringEnd = ringEnd
        self.generation = generation
        self.newSegmentBytes = newSegmentBytes
        self.precedingSequence = precedingSequence
    }
}

/// A record whose place is remembered: in the ring and in its batch.
struct RingCheckpoint: Sendable {
    var sequence: UInt64
    /// Position in the ring, counted on without wrapping.
    var position: Int
    /// Relative to the batch's beginning.
    var batchOffset: Int
}
