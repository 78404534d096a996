// SPDX-License-Identifier: Apache-2.0
import Core
import Synchronization

enum AppendOutcome: Sendable, Equatable {
    /// In the open batch under this sequence number; durable once its batch is finished with success.
    case appended(UInt64)
    case refused(AppendRefusal)
}

enum AppendRefusal: Sendable, Equatable {
    /// The disk budget is spent; goes by itself once ``StreamLog/release(through:)`` frees segments.
    case budgetSpent
    /// The filesystem's free space is down to the reserve.
    case reserveReached
    /// The open batch is full: seal it and append again; when there is nothing to seal, after the next ``StreamLog/finish(_:_:)``.
    case batchFull
    /// A write failed; see ``StreamLog/status`` and ``StreamLog/retry()``.
    case failed
    /// Larger than a record may be.
    case tooLarge
}

/// What the appending thread keeps. Positions in the ring count on without wrapping.
struct LogAppender {
    var nextSequence: UInt64
    /// The last sequence in existence, appended ones included: less than `nextSequence - 1` after a skip.
    var lastExisting: UInt64
    var generation: UInt64 = 0
    var isFailed = false

    // The open batch.
    var batchFirst: UInt64 = 0
    var batchPreceding: UInt64 = 0
    var batchCount = 0
    var batchBytes = 0
    /// The batch may grow to this without another look at segment and budget.
    var batchLimit = 0
    var batchStart = 0
    var batchFirstStoredAt: Int64 = 0
    var batchLastStoredAt: Int64 = 0
    var batchNewSegmentBytes: Int?
    /// Where the second run of memory begins, when the batch wraps.
    var batchWrap: (end: Int, start: Int)?
    var batchCheckpoints: [RingCheckpoint] = []

    /// Where the next record goes.
    var position = 0
    /// Memory from here on is in use; the shared `ringFloor` as L last saw it.
    var floor = 0
    /// Position and sequence of the last checkpoint; nil: the next record gets one.
    var lastCheckpoint: Int?

    // What is left of the segment that sealed and open batches go into.
    var segmentRemaining = 0
    /// Segments to be begun by batches that are not finished, in bytes.
    var plannedBytes = 0
    var unfinishedBatches = 0

    init(nextSequence: UInt64, lastExisting: UInt64) {
        self.nextSequence = nextSequence
        self.lastExisting = lastExisting
    }
}

extension StreamLog {
    /// L: the sequence number that the next record gets.
    var nextSequence: UInt64 { appender.nextSequence }

    /// L: bytes in the open batch.
    var openBatchBytes: Int { appender.batchBytes }

    /// L: copies a record into the open batch, in the form in which it goes to disk.
    func append(
        subject: UnsafeRawBufferPointer, headers: UnsafeRawBufferPointer, payload: UnsafeRawBufferPointer,
        storedAt: Int64
    ) -> AppendOutcome {
        guard subject.count <= Int(UInt16.max), headers.count <= Int(UInt16.max),
            payload.count <= configuration.maximumRecordBytes
        else { return .refused(.tooLarge) }
        let length = RecordFormat.headLength + subject.count + headers.count + payload.count
        let padded = RecordFormat.padded(length)
        guard padded <= configuration.maximumRecordBytes else { return .refused(.tooLarge) }
        if appender.batchBytes + padded > appender.batchLimit, let refusal = prepare(padded) {
            return .refused(refusal)
        }
        guard let target = place(padded) else {
            if appender.batchCount == 0 { appender.batchLimit = 0 }
            return .refused(.batchFull)
        }
        let sequence = appender.nextSequence
        RecordFormat.encode(
            to: target, sequence: sequence, storedAt: storedAt, subject: subject, headers: headers, payload: payload,
            length: length, seed: seed)
        if appender.batchCount == 0 {
            appender.batchFirst = sequence
            appender.batchPreceding = appender.lastExisting
            appender.batchFirstStoredAt = storedAt
        }
        appender.batchLastStoredAt = storedAt
        appender.batchCount += 1
        appender.batchBytes += padded
        appender.lastExisting = sequence
        appender.nextSequence = sequence + 1
        return .appended(sequence)
    }

    /// Decides, for the first record of a batch, which segment it goes into, and for the others that the batch is full.
    private func prepare(_ padded: Int) -> AppendRefusal? {
        if appender.isFailed {
            guard case .ready = status else { return .failed }
            appender.isFailed = false
        }
        guard appender.batchCount == 0 else { return .batchFull }
        if padded <= appender.segmentRemaining {
            appender.batchNewSegmentBytes = nil
            appender.batchLimit = min(configuration.batchBytes, appender.segmentRemaining)
            return nil
        }
        let size = max(configuration.segmentBytes, (SegmentHeader.length + padded + 4095) & ~4095)
        let allocated = byteCount
        guard allocated + appender.plannedBytes + size <= limits.maximumBytes else {
            // What an unfinished batch has begun is counted twice until it is finished.
            return appender.plannedBytes > 0 ? .batchFull : .budgetSpent
        }
        if configuration.reserveBytes > 0, let free = try? fileSystem.freeBytes(directory),
            free < configuration.reserveBytes + appender.plannedBytes + size
        {
            return appender.plannedBytes > 0 ? .batchFull : .reserveReached
        }
        appender.batchNewSegmentBytes = size
        appender.batchLimit = min(configuration.batchBytes, size - SegmentHeader.length)
        return nil
    }

    /// Finds room in the ring for a record, contiguous; nil when what is not yet synced fills it.
    @inline(__always)
    private func place(_ padded: Int) -> UnsafeMutableRawPointer? {
        var position = appender.position
        var offset = position % ringBytes
        let wraps = offset + padded > ringBytes
        if wraps {
            position += ringBytes - offset
            offset = 0
        }
        if position + padded - appender.floor > ringBytes, !raiseFloor(position + padded) { return nil }
        if wraps {
            // A reader that walks the ring finds a length of zero and goes on at the beginning.
            let left = appender.position % ringBytes
            if left > 0 { (ring + left).storeBytes(of: 0, as: UInt64.self) }
        }
        // Also when the record before ended exactly where the ring does.
        if offset == 0, appender.batchCount > 0 { appender.batchWrap = (end: appender.position, start: position) }
        if appender.batchCount == 0 {
            appender.batchStart = position
            appender.batchWrap = nil
        }
        if appender.lastCheckpoint.map({ position - $0 >= configuration.indexIntervalBytes }) ?? true || wraps {
            appender.batchCheckpoints.append(
                RingCheckpoint(
                    sequence: appender.nextSequence, position: position, batchOffset: appender.batchBytes))
            appender.lastCheckpoint = position
        }
        appender.position = position + padded
        return ring + offset
    }

    /// Gives up the oldest synced records in memory so that the ring can be written up to `end`, and a little more at once.
    private func raiseFloor(_ end: Int) -> Bool {
        let needed = end - ringBytes
        let wanted = needed + ringBytes / 64
        return shared.withLock { state in
            while state.ringFloor < wanted, let first = state.checkpoints.first {
                if first.position >= wanted {
                    state.ringFloor = first.position
                    state.ringSequence = first.sequence
                } else {
                    state.checkpoints.removeFirst()
                }
            }
            if state.ringFloor < needed {
                // No checkpoint is left that is young enough: everything synced goes.
                guard state.ringEnd >= needed else { return false }
                while !state.checkpoints.isEmpty { state.checkpoints.removeFirst() }
                state.ringFloor = state.ringEnd
                state.ringSequence = state.lastSequence + 1
                appender.lastCheckpoint = nil
            }
            appender.floor = state.ringFloor
            return true
        }
    }

    /// L: everything appended since the last seal, to be written by S; nil when there is nothing.
    func sealBatch() -> LogBatch? {
        guard appender.batchCount > 0 else { return nil }
        let batch = LogBatch(
            firstSequence: appender.batchFirst, lastSequence: appender.nextSequence - 1,
            byteCount: appender.batchBytes, parts: openParts(), firstStoredAt: appender.batchFirstStoredAt,
            lastStoredAt: appender.batchLastStoredAt, checkpoints: appender.batchCheckpoints,
            ringEnd: appender.position, generation: appender.generation,
            newSegmentBytes: appender.batchNewSegmentBytes, precedingSequence: appender.batchPreceding)
        if let size = appender.batchNewSegmentBytes {
            appender.plannedBytes += size
            appender.segmentRemaining = size - SegmentHeader.length
        }
        appender.segmentRemaining -= appender.batchBytes
        appender.unfinishedBatches += 1
        clearOpenBatch()
        return batch
    }

    private func openParts() -> [UnsafeRawBufferPointer] {
        let start = appender.batchStart % ringBytes
        guard let wrap = appender.batchWrap else {
            return [UnsafeRawBufferPointer(start: ring + start, count: appender.batchBytes)]
        }
        return [
            UnsafeRawBufferPointer(start: ring + start, count: wrap.end - appender.batchStart),
            UnsafeRawBufferPointer(start: ring + wrap.start % ringBytes, count: appender.position - wrap.start),
        ]
    }

    private func clearOpenBatch() {
        appender.batchCount = 0
        appender.batchBytes = 0
        appender.batchLimit = 0
        appender.batchNewSegmentBytes = nil
        appender.batchWrap = nil
        appender.batchCheckpoints.removeAll(keepingCapacity: true)
    }

    /// L: takes note of what became of a batch. After a failure nothing of it, nor of any sealed or opened after it, exists; those sealed
    /// after it are to be finished too, with ``LogError/superseded``, which changes nothing more.
    func finish(_ batch: LogBatch, _ result: Result<Void, LogError>) {
        guard batch.generation == appender.generation else { return }
        switch result {
        case .success:
            appender.unfinishedBatches -= 1
            appender.plannedBytes -= batch.newSegmentBytes ?? 0
            shared.withLock { state in
                for checkpoint in batch.checkpoints { state.checkpoints.append(checkpoint) }
                if state.ringEnd == state.ringFloor, let first = batch.checkpoints.first {
                    state.ringFloor = first.position
                    state.ringSequence = first.sequence
                }
                state.ringEnd = batch.ringEnd
                state.lastSequence = batch.lastSequence
                state.counters.appendedRecords += UInt64(batch.count)
                state.counters.appendedBytes += UInt64(batch.byteCount)
            }
        case .failure:
            appender.generation += 1
            appender.isFailed = true
            appender.unfinishedBatches = 0
            appender.plannedBytes = 0
            appender.segmentRemaining = 0
            clearOpenBatch()
            appender.nextSequence = batch.firstSequence
            appender.lastExisting = batch.precedingSequence
            // Memory behind the synced records is free again.
            appender.position = shared.withLock { $0.ringEnd }
            appender.lastCheckpoint = nil
        }
    }

    /// L: makes the next record's number greater than `sequence`, where somebody (a consumer's stored position) knows of numbers that the
    /// log has lost. The skipped numbers are not reported as corrupt. Without effect when they are used already; call it before appending.
    func skip(through sequence: UInt64) {
        guard sequence >= appender.nextSequence, sequence < SegmentHeader.maximumSequence, appender.batchCount == 0
        else { return }
        appender.nextSequence = sequence + 1
        appender.batchLimit = 0
        // A skip is recorded in a segment's header.
        appender.segmentRemaining = 0
    }
}
