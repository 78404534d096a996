// SPDX-License-Identifier: Apache-2.0
import Core

#if canImport(Glibc)
    import Glibc
#endif

/// What reading a whole segment file found.
struct SegmentScan {
    var recordCount = 0
    /// `firstSequence - 1` when there is no record.
    var lastSequence: UInt64
    /// Where the last valid record ends.
    var dataEnd = SegmentHeader.length
    var entries: [IndexEntry] = []
    /// Sequence numbers between valid records (or before the first one) whose records do not check.
    var lost: [ClosedRange<UInt64>] = []
    var firstStoredAt: Int64 = 0
    var lastStoredAt: Int64 = 0
    /// Bytes behind `dataEnd` up to the last one that is not zero: a torn tail.
    var tornBytes = 0
    /// The medium could not deliver some of it.
    var hasUnreadable = false
    var fileBytes = 0
    var bytesRead = 0
}

/// Reads a segment from end to end, verifying every record and finding its way behind damage.
///
/// After something that is no valid record, the next one is searched for on the 8-byte grid. A candidate counts only when its sequence
/// number is possible there: above the last one found, and by no more than the skipped bytes could hold. Records of a failed batch that
/// another segment replaced are above `maximumSequence` and end the scan.
struct SegmentScanner {
    private static let windowBytes = 1 << 20

    let file: any LogFile
    let seed: UInt32
    let firstSequence: UInt64
    let maximumSequence: UInt64
    let maximumRecordBytes: Int
    let indexIntervalBytes: Int

    func scan() throws(LogError) -> SegmentScan {
        var result = SegmentScan(lastSequence: firstSequence - 1)
        let window = ScanWindow(file: file, size: try file.size())
        result.fileBytes = window.size
        var offset = SegmentHeader.length
        while offset + RecordFormat.headLength <= window.size {
            var bytes = try window.bytes(at: offset, minimum: RecordFormat.headLength, ahead: Self.windowBytes)
            var inspection = RecordFormat.inspect(bytes, seed: seed, maximumLength: maximumRecordBytes)
            if case .incomplete(let needed) = inspection {
                if offset + needed <= window.size {
                    bytes = try window.bytes(at: offset, minimum: needed, ahead: Self.windowBytes)
                    inspection = RecordFormat.inspect(bytes, seed: seed, maximumLength: maximumRecordBytes)
                } else {
                    inspection = .invalid
                }
            }
            guard case .valid(let head) = inspection, isPossible(head.sequence, at: offset, after: result) else {
                offset += Self.distanceToNextCandidate(in: bytes)
                continue
            }
            guard head.sequence <= maximumSequence else { break }
            accept(head, at: offset, into: &result)
            offset += head.paddedLength
        }
        result.tornBytes = try Self.nonZeroBytes(window, from: result.dataEnd)
        result.bytesRead = window.bytesRead
        result.hasUnreadable = window.hasUnreadable
        return result
    }

    private func isPossible(_ sequence: UInt64, at offset: Int, after result: SegmentScan) -> Bool {
        let expected = result.lastSequence + 1
        guard sequence >= expected else { return false }
        return sequence - expected <= UInt64((offset - result.dataEnd) / RecordFormat.headLength)
    }

    private func accept(_ head: RecordFormat.Head, at offset: Int, into result: inout SegmentScan) {
        let expected = result.lastSequence + 1
        if head.sequence > expected { result.lost.append(expected...(head.sequence - 1)) }
        if result.recordCount == 0 { result.firstStoredAt = head.storedAt }
        result.recordCount += 1
        result.lastSequence = head.sequence
        result.lastStoredAt = head.storedAt
        result.dataEnd = offset + head.paddedLength
        if offset - (result.entries.last?.offset ?? 0) >= indexIntervalBytes {
            result.entries.append(IndexEntry(sequence: head.sequence, offset: offset))
        }
    }

    /// Bytes to the next place where a record may begin: the next one on the grid, or behind a run of zeros. A record's first eight bytes
    /// hold its length, which is not zero.
    static func distanceToNextCandidate(in bytes: UnsafeRawBufferPointer) -> Int {
        guard bytes.count > 16, let base = bytes.baseAddress, base.loadUnaligned(as: UInt64.self) == 0 else { return 8 }
        let whole = bytes.count & ~7
        if memcmp(base, base + 8, whole - 8) == 0 { return whole }
        var distance = 8
        while distance + 8 <= whole, base.loadUnaligned(fromByteOffset: distance, as: UInt64.self) == 0 {
            distance += 8
        }
        return distance
    }

    private static func nonZeroBytes(_ window: ScanWindow, from start: Int) throws(LogError) -> Int {
        var offset = start
        var last = start
        while offset < window.size {
            let bytes = try window.bytes(
                at: offset, minimum: min(8, window.size - offset), ahead: SegmentScanner.windowBytes)
            guard !bytes.isEmpty, let base = bytes.baseAddress else { break }
            if bytes[0] != 0 || memcmp(base, base + 1, bytes.count - 1) != 0 {
                var end = bytes.count
                while end > 0, bytes[end - 1] == 0 { end -= 1 }
                last = offset + end
            }
            offset += bytes.count
        }
        return last - start
    }
}

/// A part of a file in memory that moves along.
private final class ScanWindow {
    let file: any LogFile
    let size: Int
    private(set) var bytesRead = 0
    private(set) var hasUnreadable = false
    private var memory: UnsafeMutableRawBufferPointer
    private var start = 0
    private var count = 0

    init(file: any LogFile, size: Int) {
        self.file = file
        self.size = size
        memory = .allocate(byteCount: 64 << 10, alignment: 8)
    }

    deinit { memory.deallocate() }

    /// The bytes from `offset` on: at least `minimum` (zeros where the file could not be read), read `ahead` at a time.
    func bytes(at offset: Int, minimum: Int, ahead: Int) throws(LogError) -> UnsafeRawBufferPointer {
        if offset < start || offset + minimum > start + count {
            let length = min(max(minimum, ahead), size - offset)
            if memory.count < length {
                memory.deallocate()
                memory = .allocate(byteCount: length, alignment: 8)
            }
            let target = UnsafeMutableRawBufferPointer(rebasing: memory[..<length])
            let result = try file.readTolerant(into: target, at: offset)
            // A file that became shorter meanwhile reads as zeros.
            if result.count < length {
                UnsafeMutableRawBufferPointer(rebasing: target[result.count...]).initializeMemory(
                    as: UInt8.self, repeating: 0)
            }
            hasUnreadable = hasUnreadable || result.hasUnreadable
            bytesRead += result.count
            start = offset
            count = length
        }
        return UnsafeRawBufferPointer(rebasing: memory[(offset - start)..<count])
    }
}
