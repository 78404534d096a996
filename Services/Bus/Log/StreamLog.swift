// SPDX-License-Identifier: Apache-2.0
import Core
import Synchronization

/// One stream's append-only, checksummed, segmented log.
///
/// Thread roles are part of the contract: **L** is the event loop's thread that owns the log, **S** the thread that writes and syncs, **any**
/// is thread-safe. One group commit:
///
///     L  append … append          into the ring in memory, in the form that goes to disk
///     L  sealBatch()              → batch; appending goes on into the next one
///     S  write(batch)             one pwrite, one fdatasync (two writes where the ring wraps)
///     L  finish(batch, result)    lastSequence advances, readers see the records; now acknowledge the publishers
///
/// Several batches may be sealed and not finished; S writes and L finishes them in the order in which they were sealed.
///
/// After a failed write or sync the page cache cannot be trusted. Nothing of that batch, nor of any sealed or opened after it, exists any
/// more; sequence numbers go back; appending is refused with `.failed` until S has called ``retry()`` with success, which begins a new
/// segment with a real sync. What was acknowledged before is not touched.
///
/// A segment is written only by the process that began it: reopening cuts a torn tail, syncs, seals, and goes on in a new file.
final class StreamLog: @unchecked Sendable {
    let directory: String
    let configuration: LogConfiguration
    /// L: what of it may change while the log is open.
    var limits: LogLimits
    /// This incarnation. Durable before anything was appended under it.
    let id: StreamID
    /// What was found at open.
    let recovery: RecoveryReport

    let fileSystem: any LogFileSystem
    let clock: WallClock
    let seed: UInt32
    private let directoryLock: any LogFileLock

    /// Open and sealed batches, and the synced records of late, which readers copy under the lock.
    let ring: UnsafeMutableRawPointer
    let ringBytes: Int
    /// What L, S and readers share.
    let shared: Mutex<LogShared>
    /// Only L.
    var appender: LogAppender
    /// Only S.
    var writer: LogWriter

    /// Opens or creates the log in a directory whose parent exists. Reads the segment that was being written, and of the others a few
    /// bytes each.
    ///
    /// - Throws: ``LogError/locked(path:)`` when another process has it open; input and output errors, after which opening may be tried
    ///   again. Damage does not throw, it is reported in ``recovery``.
    init(
        directory: String, configuration: LogConfiguration, fileSystem: any LogFileSystem = PosixFileSystem(),
        clock: WallClock = .system
    ) throws(LogError) {
        try fileSystem.createDirectory(directory)
        directoryLock = try fileSystem.lock(directory + "/lock")
        let started = clock.now()
        var opening = LogRecovery(directory: directory, configuration: configuration, fileSystem: fileSystem)
        try opening.run()
        opening.report.elapsedNanoseconds = clock.now() - started
        self.directory = directory
        self.configuration = configuration
        limits = LogLimits(configuration)
        self.fileSystem = fileSystem
        self.clock = clock
        id = opening.identity.stream
        seed = RecordFormat.seed(id)
        recovery = opening.report
        let last = opening.lastSequence
        ringBytes = configuration.memoryBytes
        ring = .allocate(byteCount: configuration.memoryBytes, alignment: 4096)
        appender = LogAppender(nextSequence: opening.nextSequence, lastExisting: opening.lastExisting)
        writer = LogWriter(isBegun: opening.identity.isBegun)
        var state = LogShared(lastSequence: last, ringSequence: opening.nextSequence)
        state.segments = opening.segments
        state.allocatedBytes = opening.segments.reduce(0) { $0 + $1.fileBytes }
        for range in opening.report.lost { state.lost.insert(range) }
        shared = Mutex(state)
    }

    deinit { ring.deallocate() }
}

/// What L, S and readers share, behind one lock that is held for moments, never across a system call.
struct LogShared {
    /// Ascending by first sequence.
    var segments: [Segment] = []
    /// Taken out of `segments`, files not yet removed.
    var released: [Segment] = []
    /// Last one synced and finished.
    var lastSequence: UInt64
    /// Sum of the files' sizes, released ones included until they are removed.
    var allocatedBytes = 0
    var status = LogStatus.ready
    var lost = LostSequences()
    var counters = LogCounters()
    var readers = ReaderFiles()

    // The ring: synced records that readers may copy are those from `ringFloor` (a checkpoint) to `ringEnd`.
    var ringFloor = 0
    var ringEnd = 0
    /// The first sequence at `ringFloor`.
    var ringSequence: UInt64
    var checkpoints = CheckpointQueue()

    init(lastSequence: UInt64, ringSequence: UInt64) {
        self.lastSequence = lastSequence
        self.ringSequence = ringSequence
    }
}

enum LogStatus: Sendable, Equatable {
    case ready
    /// Since a write or sync failed; ``StreamLog/retry()`` ends it.
    case failed(LogError)
}

struct LogCounters: Sendable, Equatable {
    var appendedRecords: UInt64 = 0
    var appendedBytes: UInt64 = 0
    /// Group commits that succeeded.
    var syncs: UInt64 = 0
    var failures: UInt64 = 0
    var segmentsBegun: UInt64 = 0
    var segmentsRemoved: UInt64 = 0
    /// Index files that could not be written; opening takes longer without them.
    var indexFailures: UInt64 = 0
    var readsFromMemory: UInt64 = 0
    var readsFromDisk: UInt64 = 0
}

extension StreamLog {
    /// any: lowest sequence that is kept; `lastSequence + 1` when nothing is.
    var firstSequence: UInt64 {
        shared.withLock { state in
            for segment in state.segments where segment.firstSequence <= state.lastSequence && !segment.isEmpty {
                return segment.firstSequence
            }
            return state.lastSequence + 1
        }
    }

    /// any: last one synced to disk; 0 before the first.
    var lastSequence: UInt64 { shared.withLock { $0.lastSequence } }

    /// any: size of the segment files, preallocated space included. At most the budget.
    var byteCount: Int { shared.withLock { $0.allocatedBytes } }

    var segmentCount: Int { shared.withLock { $0.segments.count } }

    /// any: ready, or failed with the reason.
    var status: LogStatus { shared.withLock { $0.status } }

    var counters: LogCounters { shared.withLock { $0.counters } }

    /// any: sequence numbers known to be lost to damage, the first 1,000.
    var corruptSequences: [UInt64] { shared.withLock { $0.lost.first(1000) } }

    /// any: how many are.
    var corruptCount: UInt64 { shared.withLock { $0.lost.count } }
}
