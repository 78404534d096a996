// SPDX-License-Identifier: Apache-2.0
import Core
import Synchronization

extension StreamLog {
    private static let maximumPassedOverBytes = 4 << 20
    /// Least that is fetched from disk at once.
    private static let minimumReadBytes = 16 << 10

    /// any: reads synced records from `from` on, in order, into `buffer`, which is emptied first.
    ///
    /// Whole records only: as many as `maximumBytes` holds (heads and padding counted), and at least one if there is any. Recent ones come
    /// from memory. Damaged ones are skipped and reported. Numbers below ``firstSequence`` are passed over silently.
    ///
    /// - Parameter origin: records of this origin are left out. A read looks at about 4 MiB of them at most, so that it ends soon: with nothing, maybe.
    func read(
        from: UInt64, maximumBytes: Int, withoutOrigin origin: UInt64? = nil, into buffer: LogReadBuffer
    ) -> LogReadOutcome {
        buffer.removeAll()
        var outcome = LogReadOutcome(nextSequence: max(from, 1))
        while true {
            if readFromMemory(maximumBytes: maximumBytes, origin, into: buffer, &outcome) { return outcome }
            // From disk, up to where memory begins or the budget of bytes is used.
            guard let source = source(for: &outcome) else {
                if outcome.isAtEnd || outcome.failure != nil { return outcome }
                continue
            }
            read(source, maximumBytes: maximumBytes, origin, into: buffer, &outcome)
            if outcome.failure != nil || !buffer.isEmpty || outcome.passedOver > 0 { return outcome }
        }
    }

    /// - Returns: true when the read is complete: records were found in memory, or there is nothing to read.
    private func readFromMemory(
        maximumBytes: Int, _ origin: UInt64?, into buffer: LogReadBuffer, _ outcome: inout LogReadOutcome
    ) -> Bool {
        var next = outcome.nextSequence
        var passedOver = (count: 0, bytes: 0)
        let result: (isComplete: Bool, isAtEnd: Bool) = shared.withLock { state in
            guard next <= state.lastSequence else { return (true, true) }
            guard next >= state.ringSequence, state.ringEnd > state.ringFloor else { return (false, false) }
            state.counters.readsFromMemory += 1
            var position = state.ringFloor
            if let checkpoint = state.checkpoints.last(notAbove: next) { position = checkpoint.position }
            while position < state.ringEnd {
                let offset = position % ringBytes
                let base = UnsafeRawPointer(ring + offset)
                guard base.load(fromByteOffset: 4, as: UInt32.self) != 0,
                    let head = RecordFormat.head(base, maximumLength: configuration.maximumRecordBytes)
                else {
                    // The rest of the ring was too small for the next record.
                    position += ringBytes - offset
                    continue
                }
                let length = head.paddedLength
                if let origin, head.sequence >= next, RecordFormat.isFrom(origin, base, head) {
                    guard passedOver.bytes < Self.maximumPassedOverBytes else { return (true, false) }
                    passedOver.count += 1
                    passedOver.bytes += length
                    next = head.sequence + 1
                } else if head.sequence >= next {
                    guard buffer.isEmpty || buffer.recordBytes + length <= maximumBytes else { return (true, false) }
                    buffer.reserve(length)
                    buffer.free(length).copyMemory(from: UnsafeRawBufferPointer(start: base, count: length))
                    buffer.note(recordAt: buffer.used, paddedLength: length)
                    buffer.advance(length)
                    next = head.sequence + 1
                }
                position += length
            }
            return (true, next > state.lastSequence)
        }
        outcome.nextSequence = next
        outcome.isAtEnd = result.isAtEnd
        outcome.passedOver += passedOver.count
        outcome.passedOverBytes += passedOver.bytes
        return result.isComplete
    }

    /// A place on disk to read from.
    private struct Source {
        var segment: Segment
        var file: any LogFile
        /// A record begins here whose sequence is at least `sequence`.
        var offset: Int
        var sequence: UInt64
        var dataEnd: Int
        /// The last one that may be read.
        var last: UInt64
    }

    /// Finds the segment of the next sequence. Nil: look again (`nextSequence` moved on), or at the end, or failed.
    private func source(for outcome: inout LogReadOutcome) -> Source? {
        let wanted = outcome.nextSequence
        var lost: ClosedRange<UInt64>?
        var moved = wanted
        var isAtEnd = false
        var needsEntries: Segment?
        var cached: (any LogFile)?
        let place: (Segment, IndexEntry, Int, UInt64)? = shared.withLock { state in
            guard wanted <= state.lastSequence else {
                isAtEnd = true
                return nil
            }
            let candidate = state.segments.first { $0.lastSequence >= wanted && !$0.isEmpty }
            guard let segment = candidate else {
                // No record is left up to the last synced: released, skipped, or lost at the end of the newest segments.
                if state.segments.contains(where: { !$0.isEmpty }), let newest = state.segments.last,
                    newest.precedingSequence >= wanted
                {
                    lost = wanted...min(newest.precedingSequence, state.lastSequence)
                }
                moved = state.lastSequence + 1
                return nil
            }
            if wanted < segment.firstSequence {
                let isFirst = state.segments.first { !$0.isEmpty } === segment
                if !isFirst, segment.precedingSequence >= wanted { lost = wanted...segment.precedingSequence }
                moved = segment.firstSequence
                return nil
            }
            if segment.entries == nil { needsEntries = segment }
            cached = state.readers.file(segment.firstSequence)
            state.counters.readsFromDisk += 1
            return (
                segment, segment.startOffset(for: wanted), segment.dataEnd,
                min(segment.lastSequence, state.lastSequence)
            )
        }
        outcome.nextSequence = moved
        outcome.isAtEnd = isAtEnd
        if let lost { report(lost, in: &outcome) }
        guard let (segment, indexed, dataEnd, last) = place else { return nil }
        let entry = needsEntries == nil ? indexed : loadEntries(of: segment, for: wanted)
        if let cached {
            return Source(
                segment: segment, file: cached, offset: entry.offset, sequence: entry.sequence, dataEnd: dataEnd,
                last: last)
        }
        do throws(LogError) {
            let file = try fileSystem.open(segment.path, .read)
            shared.withLock { state in
                if state.segments.contains(where: { $0 === segment }) {
                    state.readers.insert(file, segment.firstSequence)
                }
            }
            return Source(
                segment: segment, file: file, offset: entry.offset, sequence: entry.sequence, dataEnd: dataEnd,
                last: last)
        } catch {
            let isReleased = shared.withLock { state in !state.segments.contains { $0 === segment } }
            if isReleased { return nil }
            // A file that is gone is a gap; anything else may pass.
            if error.isNotFound {
                report(wanted...last, in: &outcome)
                outcome.nextSequence = last + 1
            } else {
                outcome.failure = error
            }
            return nil
        }
    }

    private func report(_ lost: ClosedRange<UInt64>, in outcome: inout LogReadOutcome) {
        outcome.lost.append(lost)
        shared.withLock { _ = $0.lost.insert(lost) }
    }

    /// Reads the sparse index of a segment that was sealed by an earlier process; one that does not check is done without.
    private func loadEntries(of segment: Segment, for sequence: UInt64) -> IndexEntry {
        var entries: [IndexEntry] = []
        if let bytes = try? fileSystem.contents(segment.indexPath, limit: 64 << 20),
            let index = SegmentIndex.decodeHead(bytes), index.stream == id,
            index.instance == segment.instance, index.dataEnd == segment.dataEnd,
            let body = index.decodeBody(bytes)
        {
            entries = body.entries
        }
        return shared.withLock { _ in
            segment.entries = entries
            return segment.startOffset(for: sequence)
        }
    }

    /// Reads one stretch of a segment.
    private func read(
        _ source: Source, maximumBytes: Int, _ origin: UInt64?, into buffer: LogReadBuffer,
        _ outcome: inout LogReadOutcome
    ) {
        var offset = source.offset
        // The last sequence seen, and where it ended: what bounds a plausible successor after damage.
        var expected = source.sequence
        var lastEnd = offset
        var chunkBytes = max(min(maximumBytes, 4 << 20), Self.minimumReadBytes)
        while offset + RecordFormat.headLength <= source.dataEnd, expected <= source.last {
            let length = min(chunkBytes, source.dataEnd - offset)
            buffer.reserve(length)
            let target = buffer.free(length)
            let count: Int
            do throws(LogError) {
                count = try source.file.readTolerant(into: target, at: offset).count
            } catch {
                outcome.failure = error
                return
            }
            guard count >= RecordFormat.headLength else { break }
            let bytes = UnsafeRawBufferPointer(rebasing: UnsafeRawBufferPointer(target)[..<count])
            let chunkStart = buffer.used
            var cursor = 0
            var kept = 0
            var isFull = false
            var isBeyond = false
            scan: while cursor + RecordFormat.headLength <= count {
                let rest = UnsafeRawBufferPointer(rebasing: bytes[cursor...])
                var inspection = RecordFormat.inspect(
                    rest, seed: seed, maximumLength: configuration.maximumRecordBytes)
                if case .incomplete(let needed) = inspection {
                    if offset + cursor + needed <= source.dataEnd, count == length {
                        chunkBytes = max(chunkBytes, needed)
                        break scan
                    }
                    inspection = .invalid
                }
                guard case .valid(let head) = inspection, head.sequence >= expected,
                    head.sequence - expected
                        <= UInt64((offset + cursor - lastEnd) / RecordFormat.headLength)
                else {
                    cursor += SegmentScanner.distanceToNextCandidate(in: rest)
                    continue
                }
                guard head.sequence <= source.last else {
                    // Written, not yet synced.
                    isBeyond = true
                    break
                }
                if head.sequence >= outcome.nextSequence, let origin, let base = rest.baseAddress,
                    RecordFormat.isFrom(origin, base, head)
                {
                    guard outcome.passedOverBytes < Self.maximumPassedOverBytes else {
                        isFull = true
                        break
                    }
                    if head.sequence > outcome.nextSequence {
                        report(outcome.nextSequence...(head.sequence - 1), in: &outcome)
                    }
                    outcome.passedOver += 1
                    outcome.passedOverBytes += head.paddedLength
                    outcome.nextSequence = head.sequence + 1
                } else if head.sequence >= outcome.nextSequence {
                    guard buffer.isEmpty || buffer.recordBytes + head.paddedLength <= maximumBytes else {
                        isFull = true
                        break
                    }
                    if head.sequence > outcome.nextSequence {
                        report(outcome.nextSequence...(head.sequence - 1), in: &outcome)
                    }
                    buffer.note(recordAt: chunkStart + cursor, paddedLength: head.paddedLength)
                    kept = cursor + head.paddedLength
                    outcome.nextSequence = head.sequence + 1
                }
                expected = head.sequence + 1
                cursor += head.paddedLength
                lastEnd = offset + cursor
            }
            buffer.advance(kept)
            if isFull { return }
            if isBeyond { break }
            offset += min(cursor, count)
            if !buffer.isEmpty, buffer.recordBytes + Self.minimumReadBytes > maximumBytes { return }
        }
        // Behind the last readable record of a segment everything up to its last number is lost.
        if outcome.nextSequence <= source.last {
            report(outcome.nextSequence...source.last, in: &outcome)
            outcome.nextSequence = source.last + 1
        }
    }
}
