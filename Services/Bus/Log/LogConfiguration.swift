// SPDX-License-Identifier: Apache-2.0
import Bus
import Core

/// Sizes and limits of one stream's log. Sizes are brought into range, never refused: whoever declares the stream validates.
struct LogConfiguration: Sendable, Equatable {
    /// The smallest segment that is accepted; the bus's own minimum is 1 MiB, tests use less.
    static let minimumSegmentBytes = 4 << 10
    static let maximumSegmentBytes = 1 << 30

    /// Preallocated size of a segment file; a record that does not fit gets a larger one of its own.
    var segmentBytes: Int
    /// The disk budget: the sum of all segment files, preallocated space included.
    var maximumBytes: Int
    /// This much of the filesystem stays free: a segment that would eat into it is not begun.
    var reserveBytes: Int
    var retention: StreamConfiguration.Retention
    /// With ``retention`` `limits`: how long acknowledged segments are kept.
    var maximumAgeSeconds: UInt64?
    /// The ring in memory that holds what is being written and what was written last, which readers then need not fetch from disk.
    var memoryBytes: Int
    /// Limit of one batch, that is of one write and sync.
    var batchBytes: Int
    /// Largest record, head and padding included.
    var maximumRecordBytes: Int
    /// Distance of the entries of a segment's sparse index.
    var indexIntervalBytes: Int

    init(
        segmentBytes: Int = 64 << 20, maximumBytes: Int = 1 << 30, reserveBytes: Int = 64 << 20,
        retention: StreamConfiguration.Retention = .interest, maximumAgeSeconds: UInt64? = nil,
        memoryBytes: Int = 16 << 20, batchBytes: Int = 4 << 20,
        maximumRecordBytes: Int = Limits.messageBytes + (136 << 10), indexIntervalBytes: Int = 32 << 10
    ) {
        self.segmentBytes = min(max(segmentBytes, Self.minimumSegmentBytes), Self.maximumSegmentBytes)
        self.reserveBytes = max(reserveBytes, 0)
        self.retention = retention
        self.maximumAgeSeconds = maximumAgeSeconds
        self.maximumRecordBytes = min(max(maximumRecordBytes, 256), 64 << 20)
        // One segment being written and one that can be released, each with room for a record of the largest size.
        let largest = max(self.segmentBytes, (SegmentHeader.length + self.maximumRecordBytes + 4095) & ~4095)
        self.maximumBytes = max(maximumBytes, 2 * largest)
        // A batch holds at least one record of the largest size; four of them fit into the ring, so that one can be filled while others sync.
        self.batchBytes = min(max(batchBytes, self.maximumRecordBytes), 256 << 20)
        self.memoryBytes = (max(memoryBytes, 4 * self.batchBytes) + 4095) & ~4095
        self.indexIntervalBytes = max(indexIntervalBytes, 64)
    }

    /// What a declared stream asks for; a batch is at most half a segment where a record permits.
    init(_ stream: StreamConfiguration) {
        let segment = Int(clamping: stream.segmentBytes)
        self.init(
            segmentBytes: segment, maximumBytes: Int(clamping: stream.maximumBytes), retention: stream.retention,
            maximumAgeSeconds: stream.maximumAgeSeconds, batchBytes: min(4 << 20, segment / 2))
    }
}
