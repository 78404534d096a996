// SPDX-License-Identifier: Apache-2.0

/// What opening a log found and did.
struct RecoveryReport: Sendable, Equatable {
    /// A tail that was not a whole record: what a crash in the middle of a write leaves.
    struct TornTail: Sendable, Equatable {
        var segment: String
        /// Where the file was cut.
        var offset: Int
        /// Bytes up to the last one that was not zero.
        var bytes: Int
        /// The sequence number that the first cut record would have had. Numbers that the cut bytes may have carried are not used again.
        var firstSequence: UInt64
    }

    var segmentCount = 0
    /// Segments that had to be read, because they were being written or their index did not check.
    var scannedSegments = 0
    var scannedBytes = 0
    var tornTail: TornTail?
    /// Sequence numbers found lost while opening, ascending. More may be found by reading.
    var lost: [ClosedRange<UInt64>] = []
    /// Names in the directory that are not the log's; left alone.
    var foreignFiles: [String] = []
    /// Files with a segment's name but without its content, under the name they were moved to.
    var setAside: [String] = []
    /// The identity file was missing or damaged and was restored from the segments.
    var isIdentityRestored = false
    /// The directory had an identity, but its segments were gone: the log begins anew under another identity.
    var isBegunAnew = false
    var elapsedNanoseconds: Int64 = 0

    /// Nothing that an operator needs to hear of.
    var isClean: Bool {
        tornTail == nil && lost.isEmpty && setAside.isEmpty && !isIdentityRestored && !isBegunAnew
    }
}
