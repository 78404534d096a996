// SPDX-License-Identifier: Apache-2.0
import Core

#if canImport(Glibc)
    import Glibc
#endif

/// Opens a log's directory: settles the identity, finds the segments, repairs what a crash or damage left.
///
/// Reading is bounded: 64 bytes of every segment's head, 96 of its index, and all of those segments whose index is missing or does not
/// check; after a crash that is the one that was being written.
struct LogRecovery {
    let directory: String
    let configuration: LogConfiguration
    let fileSystem: any LogFileSystem

    private(set) var identity = LogIdentity(stream: .new(), isBegun: false)
    private(set) var segments: [Segment] = []
    var report = RecoveryReport()
    /// What ``StreamLog/lastSequence`` begins with.
    private(set) var lastSequence: UInt64 = 0
    private(set) var nextSequence: UInt64 = 1
    /// The highest number that a record had: below `nextSequence - 1` after a torn tail.
    private(set) var lastExisting: UInt64 = 0

    init(directory: String, configuration: LogConfiguration, fileSystem: any LogFileSystem) {
        self.directory = directory
        self.configuration = configuration
        self.fileSystem = fileSystem
    }

    /// A file with a segment's name.
    private struct Candidate {
        var first: UInt64
        var path: String
        var fileBytes: Int
        /// nil: it does not check.
        var header: SegmentHeader?
    }

    mutating func run() throws(LogError) {
        var candidates: [Candidate] = []
        for name in try fileSystem.list(directory).sorted() {
            if let first = SegmentHeader.firstSequence(ofName: name) {
                if let candidate = try inspect(name, first) { candidates.append(candidate) }
            } else if name.hasSuffix(".new") || name == "probe" {
                // What a crash left of a file that was about to be put in place.
                try? fileSystem.remove(directory + "/" + name)
            } else if !isOwn(name) {
                report.foreignFiles.append(name)
            }
        }
        try settleIdentity(candidates)
        try adopt(candidates)
        finishReport()
    }

    private func isOwn(_ name: String) -> Bool {
        name == "lock" || name == LogIdentity.name || name.hasPrefix("consumers.") || name.hasSuffix(".aside")
            || SegmentHeader.firstSequence(ofName: name, suffix: ".index") != nil
    }

    private mutating func inspect(_ name: String, _ first: UInt64) throws(LogError) -> Candidate? {
        let path = directory + "/" + name
        do throws(LogError) {
            let file = try fileSystem.open(path, .read)
            let size = try file.size()
            let head = try file.head(SegmentHeader.length)
            let header = SegmentHeader(head).flatMap { $0.firstSequence == first ? $0 : nil }
            return Candidate(first: first, path: path, fileBytes: size, header: header)
        } catch {
            // A directory, a file without permission: not ours to interpret, but in the way of a segment of that name.
            if case .inputOutput(_, _, let code) = error, LogError.isTransient(code) { throw error }
            setAside(path)
            return nil
        }
    }

    private mutating func setAside(_ path: String) {
        let target = path + ".aside"
        do throws(LogError) {
            try fileSystem.rename(path, to: target)
            try? fileSystem.remove(String(path.dropLast(4)) + ".index")
            report.setAside.append(target)
        } catch {
            report.setAside.append(path)
        }
    }

    private mutating func settleIdentity(_ candidates: [Candidate]) throws(LogError) {
        var stored: LogIdentity?
        do throws(LogError) {
            stored = LogIdentity(try fileSystem.contents(directory + "/" + LogIdentity.name, limit: 4096))
        } catch {
            guard error.isNotFound || error.isUnreadableMedium else { throw error }
        }
        if let stored, candidates.contains(where: { $0.header?.stream == stored.stream }) || !stored.isBegun {
            identity = stored
            return
        }
        if let stored, candidates.contains(where: { $0.header == nil && $0.fileBytes > SegmentHeader.length }) {
            // Segments with damaged heads; whether they are this log's shows in their records.
            identity = stored
            return
        }
        if stored == nil, let newest = candidates.last(where: { $0.header != nil })?.header {
            identity = LogIdentity(stream: newest.stream, isBegun: true)
            report.isIdentityRestored = true
        } else if stored != nil {
            report.isBegunAnew = true
        }
        try fileSystem.replace(directory + "/" + LogIdentity.name, with: identity.encoded())
        try fileSystem.synchronizeDirectory(directory)
    }

    /// Newest first, so that it is known above which number a segment's records were replaced by a later one.
    private mutating func adopt(_ candidates: [Candidate]) throws(LogError) {
        var maximum = UInt64.max
        var isNewest = true
        for candidate in candidates.reversed() {
            if let header = candidate.header, header.stream != identity.stream {
                setAside(candidate.path)
                continue
            }
            let segment: Segment
            if let indexed = try readIndex(candidate), indexed.lastSequence <= maximum {
                segment = indexed
            } else if let scanned = try scan(candidate, maximum: maximum, isNewest: isNewest) {
                segment = scanned
            } else {
                continue
            }
            isNewest = false
            maximum = segment.firstSequence - 1
            segments.insert(segment, at: 0)
            report.segmentCount += 1
        }
        if let newest = segments.last {
            lastSequence = newest.lastSequence
            lastExisting = newest.isEmpty ? newest.precedingSequence : newest.lastSequence
            nextSequence = max(nextSequence, newest.lastSequence + 1)
        }
    }

    /// The segment as its index file describes it; nil when it has to be read.
    private mutating func readIndex(_ candidate: Candidate) throws(LogError) -> Segment? {
        let path = String(candidate.path.dropLast(4)) + ".index"
        let bytes: [UInt8]
        do throws(LogError) {
            bytes = try fileSystem.contents(path, limit: SegmentIndex.headLength)
        } catch {
            guard error.isNotFound || error.isUnreadableMedium else { throw error }
            return nil
        }
        guard let index = SegmentIndex.decodeHead(bytes), index.stream == identity.stream,
            index.firstSequence == candidate.first, index.dataEnd <= candidate.fileBytes,
            let header = candidate.header, index.instance == header.instance
        else { return nil }
        if index.lostCount > 0 {
            guard
                let body = index.decodeBody((try? fileSystem.contents(path, limit: 64 << 20)) ?? [])
            else { return nil }
            report.lost.append(contentsOf: body.lost)
        }
        let segment = Segment(
            path: candidate.path, firstSequence: candidate.first, precedingSequence: index.precedingSequence,
            instance: index.instance, fileBytes: candidate.fileBytes, isSealed: true, entries: nil)
        segment.lastSequence = index.lastSequence
        segment.dataEnd = index.dataEnd
        segment.firstStoredAt = index.firstStoredAt
        segment.lastStoredAt = index.lastStoredAt
        return segment
    }

    /// Reads a segment, cuts its tail, makes sure that what is left is on disk, and writes its index.
    private mutating func scan(
        _ candidate: Candidate, maximum: UInt64, isNewest: Bool
    ) throws(LogError) -> Segment? {
        let file: any LogFile = try fileSystem.open(candidate.path, .readWrite)
        let result = try SegmentScanner(
            file: file, seed: RecordFormat.seed(identity.stream), firstSequence: candidate.first,
            maximumSequence: maximum, maximumRecordBytes: configuration.maximumRecordBytes,
            indexIntervalBytes: configuration.indexIntervalBytes
        ).scan()
        report.scannedSegments += 1
        report.scannedBytes += result.bytesRead
        if candidate.header == nil, result.recordCount == 0 {
            setAside(candidate.path)
            return nil
        }
        let segment = Segment(
            path: candidate.path, firstSequence: candidate.first,
            precedingSequence: candidate.header?.precedingSequence ?? candidate.first - 1,
            instance: candidate.header?.instance ?? 0, fileBytes: result.fileBytes, isSealed: true,
            entries: result.entries)
        segment.lastSequence = result.lastSequence
        segment.dataEnd = result.dataEnd
        segment.firstStoredAt = result.firstStoredAt
        segment.lastStoredAt = result.lastStoredAt
        report.lost.append(contentsOf: result.lost)
        if isNewest, result.tornBytes > 0 {
            report.tornTail = RecoveryReport.TornTail(
                segment: candidate.path, offset: result.dataEnd, bytes: result.tornBytes,
                firstSequence: result.lastSequence + 1)
            // The cut bytes may have been records that somebody saw, damaged since: none of their numbers is used again.
            let possible = UInt64((result.tornBytes + RecordFormat.headLength - 1) / RecordFormat.headLength)
            nextSequence = max(nextSequence, result.lastSequence + 1 + possible)
        }
        if !result.hasUnreadable, result.fileBytes > result.dataEnd {
            try file.truncate(result.dataEnd)
            segment.fileBytes = result.dataEnd
        }
        // Records may be valid in the page cache only: written, not yet synced, by a process that was killed; or worse, their sync failed, and
        // the cache goes on showing what no later sync would write. So they are written again.
        if isNewest, !result.hasUnreadable { try file.rewrite(result.dataEnd) }
        try file.synchronize()
        writeIndex(of: segment, lost: result.lost)
        return segment
    }

    private func writeIndex(of segment: Segment, lost: [ClosedRange<UInt64>]) {
        let bytes = SegmentIndex.encoded(segment, stream: identity.stream, lost: lost)
        // Only a cache: without it the next opening reads the segment again.
        try? fileSystem.replace(segment.indexPath, with: bytes)
    }

    /// Finds the gaps between segments.
    private mutating func finishReport() {
        for (earlier, later) in zip(segments, segments.dropFirst())
        where later.precedingSequence > earlier.lastSequence {
            report.lost.append((earlier.lastSequence + 1)...later.precedingSequence)
        }
        report.lost.sort { $0.lowerBound < $1.lowerBound }
    }
}

extension LogError {
    /// Conditions of the process or the machine, not of the file.
    static func isTransient(_ code: Int32) -> Bool {
        code == EMFILE || code == ENFILE || code == ENOMEM || code == EINTR
    }
}
