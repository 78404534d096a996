// SPDX-License-Identifier: Apache-2.0
import Core
import Synchronization
import Testing

@testable import BusService

@Suite("Stream log: recovery from crashes and damage")
struct LogRecoveryTests {
    /// A disk with records in one unsealed segment, as a killed process leaves it.
    private func killed(_ count: Int, payloadBytes: Int = 40) throws -> (SimulatedFileSystem, [Stored], String) {
        let disk = SimulatedFileSystem()
        let log = try openLog(disk)
        let written = try log.fill(count, payloadBytes: payloadBytes)
        return (disk, written, "/log/" + SegmentHeader.name(1))
    }

    @Test func aTailCutAtEveryByteLosesOnlyWhatIsCut() throws {
        let (disk, written, path) = try killed(6)
        let recordBytes = RecordFormat.padded(RecordFormat.headLength + 3 + 40)
        let end = SegmentHeader.length + 6 * recordBytes
        for size in SegmentHeader.length...end {
            let copy = disk.copy()
            let whole = (size - SegmentHeader.length) / recordBytes
            let cut = (size - SegmentHeader.length) % recordBytes
            // A checksum may begin with zeros: a tail that has nothing else cannot be told from space that was never written.
            var leavesTraces = false
            copy.alter(path) {
                $0.removeLast($0.count - size)
                leavesTraces = $0.suffix(cut).contains { $0 != 0 }
            }
            var expected = Array(written[..<whole])
            do {
                let log = try openLog(copy)
                #expect(log.readAll().records == expected, "cut at \(size)")
                #expect(log.readAll().lost.isEmpty)
                #expect(log.recovery.lost.isEmpty)
                #expect((log.recovery.tornTail != nil) == leavesTraces, "cut at \(size)")
                if let torn = log.recovery.tornTail {
                    #expect(torn.firstSequence == UInt64(whole + 1))
                    #expect(torn.offset == SegmentHeader.length + whole * recordBytes)
                    #expect(torn.bytes <= cut)
                }
                expected += try log.fill(2)
                #expect(log.readAll().records == expected)
            }
            let again = try openLog(copy)
            #expect(again.readAll().records == expected)
            #expect(again.recovery.isClean)
        }
    }

    @Test func aFlippedBitCostsOneRecordAndIsReported() throws {
        let (disk, written, path) = try killed(5)
        let recordBytes = RecordFormat.padded(RecordFormat.headLength + 3 + 40)
        let end = SegmentHeader.length + 5 * recordBytes
        for offset in 0..<end {
            for bit in 0..<8 {
                let copy = disk.copy()
                copy.alter(path) { $0[offset] ^= 1 << bit }
                let log = try openLog(copy)
                let all = log.readAll()
                guard offset >= SegmentHeader.length else {
                    #expect(all.records == written, "header byte \(offset) bit \(bit)")
                    continue
                }
                let index = (offset - SegmentHeader.length) / recordBytes
                var expected = written
                expected.remove(at: index)
                #expect(all.records == expected, "byte \(offset) bit \(bit)")
                if index == 4 {
                    // The last record cannot be told from a torn one.
                    #expect(log.recovery.tornTail?.firstSequence == 5)
                    #expect(log.nextSequence > 5)
                } else {
                    #expect(all.lost == [UInt64(index + 1)])
                    #expect(log.recovery.lost == [UInt64(index + 1)...UInt64(index + 1)])
                    #expect(log.corruptSequences == [UInt64(index + 1)])
                    #expect(log.corruptCount == 1)
                }
            }
        }
    }

    @Test func aFlippedBitInASealedSegmentIsFoundByReading() throws {
        let disk = SimulatedFileSystem()
        let written: [Stored]
        do {
            let log = try openLog(disk)
            written = try log.fill(60)
            #expect(log.segmentCount > 2)
        }
        let path = "/log/" + SegmentHeader.name(1)
        let recordBytes = RecordFormat.padded(RecordFormat.headLength + 3 + 100)
        let size = disk.contents(path).count
        for offset in stride(from: SegmentHeader.length, to: size, by: 3) {
            let copy = disk.copy()
            copy.alter(path) { $0[offset] ^= UInt8(1 << (offset % 8)) }
            let log = try openLog(copy)
            #expect(log.recovery.lost.isEmpty)
            let index = (offset - SegmentHeader.length) / recordBytes
            var expected = written
            expected.remove(at: index)
            let all = log.readAll(maximumBytes: 1 + offset)
            #expect(all.records == expected, "byte \(offset)")
            #expect(all.lost == [UInt64(index + 1)])
            #expect(log.corruptSequences == [UInt64(index + 1)])
            // Told again to the next reader, counted once.
            #expect(log.readAll().lost == [UInt64(index + 1)])
            #expect(log.corruptCount == 1)
        }
    }

    @Test func damagedOrMissingIndexesAreMadeAgain() throws {
        let disk = SimulatedFileSystem()
        let written: [Stored]
        do {
            written = try openLog(disk).fill(60)
        }
        let index = "/log/" + SegmentHeader.indexName(1)
        let size = disk.contents(index).count
        #expect(size > SegmentIndex.headLength)
        for offset in 0..<size {
            let copy = disk.copy()
            copy.alter(index) { $0[offset] ^= 0x10 }
            let log = try openLog(copy)
            #expect(log.recovery.scannedSegments == (offset < SegmentIndex.headLength ? 2 : 1))
            #expect(log.readAll().records == written)
            #expect(log.corruptCount == 0)
        }
        disk.delete(index)
        #expect(try openLog(disk).recovery.scannedSegments == 2)
        #expect(disk.contents(index).count == size)
        #expect(try openLog(disk).recovery.scannedSegments == 0)
    }

    @Test func aMissingMiddleSegmentIsAGap() throws {
        let disk = SimulatedFileSystem()
        let written: [Stored]
        do {
            written = try openLog(disk).fill(100)
        }
        let names = disk.paths().filter { $0.hasSuffix(".log") }
        let second = try #require(SegmentHeader.firstSequence(ofName: String(names[1].dropFirst(5))))
        let third = try #require(SegmentHeader.firstSequence(ofName: String(names[2].dropFirst(5))))
        disk.delete(names[1])
        let log = try openLog(disk)
        #expect(log.recovery.lost == [second...(third - 1)])
        let all = log.readAll()
        #expect(all.records == written.filter { $0.sequence < second || $0.sequence >= third })
        #expect(all.lost == Array(second..<third))
        #expect(log.readAll(from: second + 1).lost == Array(second + 1..<third))
    }

    @Test func aSegmentThatLostItsEndServesTheRest() throws {
        let disk = SimulatedFileSystem()
        let written: [Stored]
        do {
            written = try openLog(disk).fill(100)
        }
        let names = disk.paths().filter { $0.hasSuffix(".log") }
        let third = try #require(SegmentHeader.firstSequence(ofName: String(names[2].dropFirst(5))))
        disk.alter(names[1]) { $0.removeLast($0.count / 2) }
        let log = try openLog(disk)
        let all = log.readAll()
        #expect(Set(all.records.map(\.sequence)).union(all.lost) == Set(1...100))
        #expect(all.lost.last == third - 1)
        #expect(all.records == written.filter { !all.lost.contains($0.sequence) })
    }

    @Test func foreignFilesDoNotStopIt() throws {
        let disk = SimulatedFileSystem()
        let written: [Stored]
        do {
            written = try openLog(disk).fill(60)
        }
        disk.alter("/log/README") { $0 = Array("hello".utf8) }
        disk.alter("/log/" + SegmentHeader.name(7)) {
            $0 = Array("not a segment, but longer than its header would be, even so".utf8)
        }
        disk.alter("/log/" + SegmentHeader.name(1000)) { $0 = [] }
        disk.alter("/log/99999999999999999999.log") { $0 = [1] }
        disk.alter("/log/18446744073709551615.log") { $0 = [1] }
        disk.alter("/log/" + SegmentHeader.name(3) + ".new") { $0 = [1, 2, 3] }
        let other = SimulatedFileSystem()
        _ = try openLog(other).fill(3)
        let stranger = other.contents("/log/" + SegmentHeader.name(1))
        disk.alter("/log/" + SegmentHeader.name(2000)) { $0 = stranger }
        do {
            let log = try openLog(disk)
            #expect(log.readAll().records == written)
            #expect(log.recovery.lost.isEmpty)
            #expect(log.recovery.setAside.count == 3)
            #expect(
                log.recovery.foreignFiles.sorted() == [
                    "18446744073709551615.log", "99999999999999999999.log", "README",
                ])
            #expect(log.nextSequence == 61)
        }
        #expect(try openLog(disk).recovery.setAside.isEmpty)
    }

    @Test func aDamagedIdentityIsRestoredFromTheSegments() throws {
        let disk = SimulatedFileSystem()
        let id: StreamID
        let written: [Stored]
        do {
            let log = try openLog(disk)
            id = log.id
            written = try log.fill(60)
        }
        disk.alter("/log/identity") { $0[9] ^= 1 }
        do {
            let log = try openLog(disk)
            #expect(log.id == id)
            #expect(log.recovery.isIdentityRestored)
            #expect(log.readAll().records == written)
        }
        disk.delete("/log/identity")
        #expect(try openLog(disk).id == id)
        #expect(try openLog(disk).recovery.isClean)
    }

    @Test func aLogThatLostAllSegmentsBeginsAnewUnderAnotherIdentity() throws {
        let disk = SimulatedFileSystem()
        let first = try openLog(disk).id
        // Nothing was ever appended: nothing was lost.
        #expect(try openLog(disk).id == first)
        _ = try openLog(disk).fill(60)
        for path in disk.paths() where path.hasSuffix(".log") { disk.delete(path) }
        let log = try openLog(disk)
        #expect(log.id != first)
        #expect(log.recovery.isBegunAnew)
        #expect(log.nextSequence == 1)
        _ = try log.fill(3)
        #expect(log.readAll().records.count == 3)
    }

    @Test func anUnreadableSectorCostsTheRecordsOnIt() throws {
        let disk = SimulatedFileSystem()
        let written: [Stored]
        do {
            written = try openLog(disk, .small(segmentBytes: 64 << 10)).fill(200)
        }
        disk.setFaults { $0.badRanges[SegmentHeader.name(1)] = 8192..<8193 }
        for _ in 0..<2 {
            let log = try openLog(disk, .small(segmentBytes: 64 << 10))
            let all = log.readAll(maximumBytes: 20_000)
            #expect(!all.lost.isEmpty && all.lost.count <= 4096 / 136 + 2)
            #expect(all.records == written.filter { !all.lost.contains($0.sequence) })
        }
    }

    @Test func openingReadsTheLastSegmentOnly() throws {
        let disk = SimulatedFileSystem()
        let configuration = LogConfiguration.small(
            segmentBytes: 64 << 10, maximumBytes: 1 << 30, batchBytes: 16 << 10, indexIntervalBytes: 4096)
        var readBytes: [Int] = []
        for segments in [4, 16] {
            do {
                let log = try openLog(disk, configuration)
                while log.segmentCount < segments { _ = try log.fill(80, payloadBytes: 900, perBatch: 10) }
            }
            disk.state.withLock { $0.bytesRead = 0 }
            let log = try openLog(disk, configuration)
            #expect(log.recovery.scannedSegments == 1)
            let perSegment = SegmentHeader.length + SegmentIndex.headLength
            let read = disk.state.withLock { $0.bytesRead }
            #expect(read <= log.segmentCount * perSegment + 2 * (64 << 10) + 4096)
            readBytes.append(read)
        }
        #expect(readBytes[1] - readBytes[0] < (64 << 10) + 64 * (SegmentHeader.length + SegmentIndex.headLength))
    }
}
