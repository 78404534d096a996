// SPDX-License-Identifier: Apache-2.0
import Core
import Synchronization

/// What the sync thread keeps.
struct LogWriter {
    /// The segment being written; nil before the first batch and after a failure.
    var segment: Segment?
    var file: (any LogFile)?
    /// Batches of an earlier generation came after one that failed.
    var generation: UInt64 = 0
    /// The identity file says that a segment exists.
    var isBegun: Bool
    /// Where the last index entry of the segment points.
    var lastEntryOffset = 0
    /// The file's blocks up to here hold something; those behind are reserved only.
    var writtenEnd = 0
    /// The segments that were completed last, which are still in the operating system's memory.
    var cached: [String] = []

    /// So many complete segments stay in the operating system's memory for consumers that are behind. A log that is written for long would otherwise
    /// take all memory that is free, where the pages that it has had before are cheaper to write to than new ones, most of all on a virtual machine.
    static let cachedSegments = 3

    /// How far ahead of the data blocks are brought into use: at least 3,000 records of an ordinary size, a millisecond or two of the disk's
    /// time; 16 batches, so that one sync in 16 pays for it; and not more than keeps a sync short. A batch of a quarter of that pays for
    /// its blocks by its own size.
    static let zeroAheadMinimumBytes = 1 << 20
    static let zeroAheadMaximumBytes = 4 << 20
    static let zeros = Zeros(count: 256 << 10)

    init(isBegun: Bool) { self.isBegun = isBegun }
}

/// Zeros to write from; shared by all logs, never written to after the beginning.
final class Zeros: @unchecked Sendable {
    let bytes: UnsafeRawBufferPointer

    init(count: Int) {
        let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: count, alignment: 4096)
        memory.initializeMemory(as: UInt8.self, repeating: 0)
        bytes = UnsafeRawBufferPointer(memory)
    }

    deinit { bytes.deallocate() }
}

extension StreamLog {
    /// S: writes a batch and syncs it: one group commit. Begins a new segment where the batch asks for it.
    ///
    /// - Throws: when any of it failed. Nothing of the batch counts then, the log is ``LogStatus/failed(_:)``, and batches sealed after it
    ///   throw ``LogError/superseded`` without being written.
    func write(_ batch: LogBatch) throws(LogError) {
        if batch.generation != writer.generation {
            guard batch.generation > writer.generation else { throw .superseded }
            // The owner gave a batch up that was never written.
            writer.generation = batch.generation
            abandonSegment()
        }
        do throws(LogError) {
            try place(batch)
        } catch {
            writer.generation += 1
            abandonSegment()
            shared.withLock { state in
                state.status = .failed(error)
                state.counters.failures += 1
            }
            throw error
        }
    }

    private func place(_ batch: LogBatch) throws(LogError) {
        if let size = batch.newSegmentBytes {
            try beginSegment(batch.firstSequence, preceding: batch.precedingSequence, bytes: size)
        } else if writer.segment == nil {
            try beginSegment(
                batch.firstSequence, preceding: batch.precedingSequence,
                bytes: max(configuration.segmentBytes, (SegmentHeader.length + batch.byteCount + 4095) & ~4095))
        }
        guard let segment = writer.segment, let file = writer.file else { throw .superseded }
        let start = segment.dataEnd
        var offset = start
        for part in batch.parts {
            try file.writeAll(part, at: offset)
            offset += part.count
        }
        try zeroAhead(file, from: offset, of: segment.fileBytes, batchBytes: batch.byteCount)
        try file.synchronize()
        var entries: [IndexEntry] = []
        for checkpoint in batch.checkpoints
        where start + checkpoint.batchOffset - writer.lastEntryOffset >= configuration.indexIntervalBytes {
            writer.lastEntryOffset = start + checkpoint.batchOffset
            entries.append(IndexEntry(sequence: checkpoint.sequence, offset: start + checkpoint.batchOffset))
        }
        shared.withLock { state in
            if segment.isEmpty { segment.firstStoredAt = batch.firstStoredAt }
            segment.lastSequence = batch.lastSequence
            segment.lastStoredAt = batch.lastStoredAt
            segment.dataEnd = offset
            segment.entries?.append(contentsOf: entries)
            state.counters.syncs += 1
        }
    }

    /// The first write to a reserved block makes a journalling filesystem commit that the block is in use now, which costs a sync several
    /// times what the data does, and most on a busy machine. So whenever a batch reaches such blocks, zeros are written to those behind it
    /// in the same sync, and the batches that follow overwrite blocks in use.
    private func zeroAhead(_ file: any LogFile, from end: Int, of fileBytes: Int, batchBytes: Int) throws(LogError) {
        guard end > writer.writtenEnd else { return }
        var limit = end
        if batchBytes <= LogWriter.zeroAheadMaximumBytes / 4 {
            let ahead = max(16 * batchBytes, LogWriter.zeroAheadMinimumBytes)
            limit = min(end + min(ahead, LogWriter.zeroAheadMaximumBytes), fileBytes)
        }
        var offset = end
        while offset < limit {
            let count = min(LogWriter.zeros.bytes.count, limit - offset)
            try file.writeAll(UnsafeRawBufferPointer(rebasing: LogWriter.zeros.bytes[..<count]), at: offset)
            offset += count
        }
        writer.writtenEnd = offset
    }

    /// Creates the next segment, durable and complete with its header before its name appears, and seals the one before.
    private func beginSegment(_ first: UInt64, preceding: UInt64, bytes: Int) throws(LogError) {
        let path = directory + "/" + SegmentHeader.name(first)
        let temporary = path + ".new"
        let header = SegmentHeader(
            stream: id, firstSequence: first, precedingSequence: preceding, created: clock.now(),
            instance: UInt64.random(in: 1 ... .max))
        let file: any LogFile
        do throws(LogError) {
            file = try fileSystem.open(temporary, .create)
            try file.allocate(bytes)
            try file.writeAll(header.encoded())
            try file.synchronize()
            try fileSystem.rename(temporary, to: path)
            try fileSystem.synchronizeDirectory(directory)
            if !writer.isBegun {
                try fileSystem.replace(
                    directory + "/" + LogIdentity.name, with: LogIdentity(stream: id, isBegun: true).encoded())
                try fileSystem.synchronizeDirectory(directory)
                writer.isBegun = true
            }
        } catch {
            // Give back what may have been reserved; a name that is in use already holds only a header.
            try? fileSystem.remove(temporary)
            throw error
        }
        sealSegment()
        let segment = Segment(
            path: path, firstSequence: first, precedingSequence: preceding, instance: header.instance, fileBytes: bytes,
            isSealed: false,
            entries: [])
        writer.segment = segment
        writer.file = file
        writer.lastEntryOffset = 0
        writer.writtenEnd = SegmentHeader.length
        shared.withLock { state in
            // One of the same name held nothing that counts and has just been replaced.
            if let last = state.segments.last, last.firstSequence == first {
                state.allocatedBytes -= last.fileBytes
                state.segments.removeLast()
                state.readers.remove(first)
            }
            state.segments.append(segment)
            state.allocatedBytes += bytes
            state.counters.segmentsBegun += 1
        }
    }

    /// The segment at hand is complete: returns its unused space and writes its index. Neither is needed for safety.
    private func sealSegment() {
        guard let segment = writer.segment, let file = writer.file else { return }
        writer.segment = nil
        writer.file = nil
        var size = segment.fileBytes
        if (try? file.truncate(segment.dataEnd)) != nil { size = segment.dataEnd }
        let isIndexed = (try? writeIndex(of: segment, lost: [])) != nil
        writer.cached.append(segment.path)
        if writer.cached.count > LogWriter.cachedSegments {
            // By its name: a file that is deleted meanwhile is not to be held.
            try? fileSystem.open(writer.cached.removeFirst(), .read).releaseCache()
        }
        shared.withLock { state in
            state.allocatedBytes += size - segment.fileBytes
            segment.fileBytes = size
            segment.isSealed = true
            if !isIndexed { state.counters.indexFailures += 1 }
        }
    }

    func writeIndex(of segment: Segment, lost: [ClosedRange<UInt64>]) throws(LogError) {
        let bytes = SegmentIndex.encoded(segment, stream: id, lost: lost)
        try fileSystem.replace(segment.indexPath, with: bytes)
    }

    /// After a failure: what the file holds behind the last sync is not to be trusted, and neither is the file. It is cut as far as that
    /// works; if not, recovery drops records whose numbers a later segment has.
    private func abandonSegment() {
        guard let segment = writer.segment, let file = writer.file else { return }
        writer.segment = nil
        writer.file = nil
        var size = segment.fileBytes
        if (try? file.truncate(segment.dataEnd)) != nil {
            size = segment.dataEnd
            try? file.synchronize()
        }
        shared.withLock { state in
            state.allocatedBytes += size - segment.fileBytes
            segment.fileBytes = size
            segment.isSealed = true
            if segment.isEmpty, state.segments.last === segment {
                // Its name is taken again by the next one.
                state.segments.removeLast()
                state.allocatedBytes -= size
            }
        }
    }

    /// S: completes the segment at hand, so that the next opening need not read it. For an orderly stop, with every batch finished; without
    /// it nothing is lost.
    func close() {
        sealSegment()
    }

    /// S: after a failure, finds out by a real write and sync whether the disk works again; appending is possible when it returns.
    ///
    /// Call it with a back-off. Without effect when the log has not failed.
    func retry() throws(LogError) {
        guard case .failed = status else { return }
        let path = directory + "/probe"
        do throws(LogError) {
            let file = try fileSystem.open(path, .create)
            try file.writeAll([UInt8](repeating: 0x5A, count: 4096))
            try file.synchronize()
            try fileSystem.remove(path)
            try fileSystem.synchronizeDirectory(directory)
        } catch {
            shared.withLock { $0.status = .failed(error) }
            throw error
        }
        shared.withLock { $0.status = .ready }
    }
}
