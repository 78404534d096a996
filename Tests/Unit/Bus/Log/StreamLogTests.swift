// SPDX-License-Identifier: Apache-2.0
import Bus
import Core
import Glibc
import Synchronization
import TestKit
import Testing

@testable import BusService

@Suite("Stream log: append, read, roll, release")
struct StreamLogTests {
    @Test func recordsAreReadAsTheyWereAppended() throws {
        let log = try openLog(SimulatedFileSystem())
        var written: [Stored] = []
        for length in [0, 1, 7, 8, 9, 255, 600] {
            let record = Stored(
                sequence: log.nextSequence, storedAt: Int64(length), subject: String(repeating: "s", count: length / 9),
                headers: [UInt8](repeating: 7, count: length % 20), payload: [UInt8](repeating: 3, count: length))
            #expect(log.append(record) == .appended(record.sequence))
            written.append(record)
        }
        #expect(log.lastSequence == 0)
        #expect(log.readAll().records.isEmpty)
        try log.commit()
        #expect(log.lastSequence == 7)
        #expect(log.firstSequence == 1)
        #expect(log.readAll().records == written)
        #expect(log.readAll(from: 5).records == Array(written[4...]))
        #expect(log.readAll(from: 8).records.isEmpty)
    }

    @Test func oneBatchIsOneWriteAndOneSync() throws {
        let disk = SimulatedFileSystem()
        let log = try openLog(disk)
        _ = try log.fill(1)
        let before = disk.state.withLock { ($0.writes, $0.syncs) }
        for index in 0..<10 { _ = try log.appendNext([UInt8(index)]) }
        try log.commit()
        let after = disk.state.withLock { ($0.writes, $0.syncs) }
        #expect(after.0 - before.0 == 1)
        #expect(after.1 - before.1 == 1)
    }

    @Test func theNextBatchFillsWhileOneIsBeingWritten() throws {
        let log = try openLog(SimulatedFileSystem())
        let first = try log.appendNext([1])
        let one = try #require(log.sealBatch())
        let second = try log.appendNext([2])
        let two = try #require(log.sealBatch())
        #expect(log.sealBatch() == nil)
        try log.write(one)
        log.finish(one, .success(()))
        #expect(log.readAll().records == [first])
        try log.write(two)
        #expect(log.lastSequence == 1)
        log.finish(two, .success(()))
        #expect(log.readAll().records == [first, second])
    }

    @Test func segmentsRollAndEverythingIsReadFromEverySequence() throws {
        let disk = SimulatedFileSystem()
        let log = try openLog(disk)
        let written = try log.fill(200, payloadBytes: 100, perBatch: 3)
        #expect(log.segmentCount > 5)
        for from in stride(from: 1, through: 200, by: 13) {
            for bytes in [1, 200, 1000, 100_000] {
                #expect(log.readAll(from: UInt64(from), maximumBytes: bytes).records == Array(written[(from - 1)...]))
            }
        }
        #expect(log.counters.readsFromMemory > 0)
        #expect(log.counters.readsFromDisk > 0)
        #expect(log.corruptCount == 0)
    }

    @Test func readsAreBoundedByBytesAndReturnAtLeastOneRecord() throws {
        let log = try openLog(SimulatedFileSystem())
        _ = try log.fill(50)
        let buffer = LogReadBuffer()
        for from in [UInt64(1), 48] {
            _ = log.read(from: from, maximumBytes: 1, into: buffer)
            #expect(buffer.count == 1)
            _ = log.read(from: from, maximumBytes: 300, into: buffer)
            #expect(buffer.count == 2)
        }
    }

    @Test(arguments: [1, 300, 100_000]) func whatComesFromAnOriginCanBeLeftOut(maximumBytes: Int) throws {
        let log = try openLog(SimulatedFileSystem())
        func origin(_ number: UInt64) -> [UInt8] {
            [UInt8(3), 8] + withUnsafeBytes(of: number.littleEndian) { Array($0) }
        }
        // A trace before the origin, an origin of another length, another origin, none.
        let trace: [UInt8] = [2, 3, 0x61, 0x62, 0x63]
        let headers = [origin(7), trace + origin(7), [3, 1, 7], origin(8), [], origin(7)]
        var others: [Stored] = []
        for index in 0..<240 {
            let record = Stored(
                sequence: log.nextSequence, headers: headers[index % 6], payload: [UInt8](repeating: 1, count: 90))
            try #require(log.append(record) == .appended(record.sequence))
            if [2, 3, 4].contains(index % 6) { others.append(record) }
            try log.commit()
        }
        #expect(log.segmentCount > 2)
        let buffer = LogReadBuffer()
        for from in [UInt64(1), 77, 235] {
            var next = from
            var found: [Stored] = []
            var passedOver = 0
            while next <= 240 {
                let outcome = log.read(from: next, maximumBytes: maximumBytes, withoutOrigin: 7, into: buffer)
                #expect(outcome.lost.isEmpty)
                try #require(outcome.nextSequence > next)
                found += buffer.map { Stored($0) }
                passedOver += outcome.passedOver
                next = outcome.nextSequence
            }
            #expect(found == others.filter { $0.sequence >= from })
            #expect(passedOver == 241 - Int(from) - found.count)
        }
        #expect(log.counters.readsFromMemory > 0 && log.counters.readsFromDisk > 0)
    }

    @Test func readersThatKeepUpDoNotTouchTheDisk() throws {
        let disk = SimulatedFileSystem()
        let log = try openLog(disk)
        var next: UInt64 = 1
        let buffer = LogReadBuffer()
        for _ in 0..<300 {
            _ = try log.fill(2)
            let outcome = log.read(from: next, maximumBytes: 10_000, into: buffer)
            #expect(buffer.count == 2)
            next = outcome.nextSequence
        }
        #expect(log.counters.readsFromDisk == 0)
    }

    @Test func unsyncedRecordsFillMemoryThenAppendingWaits() throws {
        let log = try openLog(SimulatedFileSystem())
        var batches: [LogBatch] = []
        var written: [Stored] = []
        var isFull = false
        while !isFull {
            let record = Stored(sequence: log.nextSequence, payload: [UInt8](repeating: 1, count: 200))
            switch log.append(record) {
            case .appended: written.append(record)
            case .refused(let refusal):
                #expect(refusal == .batchFull)
                if let batch = log.sealBatch() { batches.append(batch) } else { isFull = true }
            }
        }
        #expect(batches.count > 2)
        for batch in batches {
            try log.write(batch)
            log.finish(batch, .success(()))
        }
        #expect(log.readAll().records == written)
        #expect(log.append(Stored(sequence: 1, payload: [1])) == .appended(UInt64(written.count + 1)))
    }

    @Test func aRecordThatIsTooLargeIsRefusedAndALargeOneGetsItsOwnSegment() throws {
        let log = try openLog(
            SimulatedFileSystem(), .small(maximumRecordBytes: 20_000, batchBytes: 20_000))
        #expect(log.append(Stored(sequence: 1, payload: [UInt8](repeating: 1, count: 20_001))) == .refused(.tooLarge))
        #expect(
            log.append(Stored(sequence: 1, subject: String(repeating: "s", count: 70_000), payload: []))
                == .refused(.tooLarge))
        let large = try log.appendNext([UInt8](repeating: 9, count: 15_000))
        try log.commit()
        let small = try log.appendNext([1])
        try log.commit()
        #expect(log.readAll().records == [large, small])
    }

    @Test func aSpentBudgetRefusesAndRecoversWhenSegmentsAreReleased() throws {
        let log = try openLog(
            SimulatedFileSystem(), .small(maximumBytes: 4 * 4096, maximumRecordBytes: 512, batchBytes: 512))
        var written: [Stored] = []
        var refusal: AppendRefusal?
        while refusal == nil {
            let record = Stored(sequence: log.nextSequence, payload: [UInt8](repeating: 5, count: 200))
            switch log.append(record) {
            case .appended:
                written.append(record)
                try log.commit()
            case .refused(let reason): refusal = reason
            }
        }
        #expect(refusal == .budgetSpent)
        #expect(log.byteCount <= 4 * 4096)
        #expect(log.readAll().records == written)
        // Nothing is acknowledged: nothing may go.
        #expect(!log.release(through: 0))
        #expect(log.append(Stored(sequence: 1, payload: [UInt8](repeating: 5, count: 200))) == .refused(.budgetSpent))
        #expect(log.release(through: log.lastSequence))
        try log.reclaim()
        #expect(log.firstSequence > 1)
        let kept = written.filter { $0.sequence >= log.firstSequence }
        let next = try log.appendNext([UInt8](repeating: 6, count: 200))
        try log.commit()
        #expect(log.readAll().records == kept + [next])
        #expect(log.readAll().lost.isEmpty)
    }

    @Test func aFilesystemDownToTheReserveRefuses() throws {
        let disk = SimulatedFileSystem()
        let log = try openLog(disk, .small(reserveBytes: 10_000))
        disk.setFaults { $0.freeBytes = 10_000 + 4095 }
        #expect(log.append(Stored(sequence: 1, payload: [1])) == .refused(.reserveReached))
        disk.setFaults { $0.freeBytes = 10_000 + 4096 }
        #expect(log.append(Stored(sequence: 1, payload: [1])) == .appended(1))
    }

    @Test func limitsKeepAcknowledgedSegmentsUntilAgeOrBytes() throws {
        var configuration = LogConfiguration.small(maximumBytes: 6 * 4096)
        configuration.retention = .limits
        configuration.maximumAgeSeconds = 10
        let disk = SimulatedFileSystem()
        do {
            let log = try openLog(disk, configuration, now: 5_000_000_000)
            _ = try log.fill(80)
            #expect(log.segmentCount >= 3)
            #expect(!log.release(through: log.lastSequence))
            _ = try log.fill(70)
            // Room for one more segment is made.
            #expect(log.release(through: log.lastSequence))
            try log.reclaim()
            #expect(log.byteCount + 4096 <= 6 * 4096)
            #expect(log.segmentCount > 1)
        }
        let log = try openLog(disk, configuration, now: 11_000_000_000)
        #expect(log.release(through: log.lastSequence))
        try log.reclaim()
        #expect(log.segmentCount == 1)
    }

    @Test func reclaimIsRepeatedWhenAFileCannotBeRemoved() throws {
        let disk = SimulatedFileSystem()
        let log = try openLog(disk)
        _ = try log.fill(100)
        let before = log.byteCount
        #expect(log.release(through: log.lastSequence))
        disk.setFaults { $0.failingRemove = 2 }
        #expect(throws: LogError.self) { try log.reclaim() }
        try log.reclaim()
        #expect(log.byteCount < before)
        #expect(log.segmentCount == 1)
        #expect(disk.paths().filter { $0.hasSuffix(".log") }.count == 1)
    }

    @Test func aReaderMayHoldASegmentThatIsReleased() throws {
        let log = try openLog(SimulatedFileSystem())
        _ = try log.fill(100)
        let buffer = LogReadBuffer()
        let outcome = log.read(from: 1, maximumBytes: 300, into: buffer)
        #expect(log.release(through: 90))
        try log.reclaim()
        // What it holds stays valid, and it goes on at the oldest kept record.
        #expect(buffer.map(\.sequence) == [1, 2])
        let following = log.read(from: outcome.nextSequence, maximumBytes: 300, into: buffer)
        #expect(buffer.first?.sequence == log.firstSequence)
        #expect(following.lost.isEmpty)
    }

    @Test func aSecondOpeningIsRefused() throws {
        let disk = SimulatedFileSystem()
        let log = try openLog(disk)
        #expect(throws: LogError.locked(path: "/log/lock")) { try openLog(disk) }
        _ = log.id
    }

    @Test func sequenceNumbersSurviveTheReleaseOfEverything() throws {
        let disk = SimulatedFileSystem()
        var id: StreamID?
        do {
            let log = try openLog(disk)
            id = log.id
            _ = try log.fill(100)
        }
        for expected in [UInt64(100), 101, 102] {
            let log = try openLog(disk)
            #expect(log.lastSequence == expected)
            #expect(log.id == id)
            _ = try log.fill(1)
            log.release(through: log.lastSequence)
            try log.reclaim()
            #expect(log.segmentCount == 1)
        }
    }

    @Test func aBatchMayCrossTheEndOfTheRingExactlyBetweenTwoRecords() throws {
        // 8 KiB of ring, records of 256 bytes: the 33rd begins where the ring begins.
        let disk = SimulatedFileSystem()
        let written: [Stored]
        do {
            written = try openLog(disk).fill(160, payloadBytes: 256 - RecordFormat.headLength - 3, perBatch: 5)
        }
        let log = try openLog(disk)
        #expect(log.recovery.tornTail == nil)
        #expect(log.readAll().records == written)
        #expect(log.corruptCount == 0)
    }

    @Test func afterAnOrderlyStopNothingIsScanned() throws {
        let disk = SimulatedFileSystem()
        let written: [Stored]
        do {
            let log = try openLog(disk)
            written = try log.fill(10)
            log.close()
        }
        let log = try openLog(disk)
        #expect(log.recovery.scannedSegments == 0)
        #expect(log.readAll().records == written)
        _ = try log.fill(1)
        #expect(log.lastSequence == 11)
    }

    @Test func theRealFileSystemBehavesAsTheSimulatedOne() throws {
        let parent = "/tmp/martlet-log-\(getpid())-\(UInt32.random(in: 0 ... .max))"
        try #require(mkdir(parent, 0o700) == 0)
        let directory = parent + "/log"
        defer {
            for name in (try? PosixFileSystem().list(directory)) ?? [] { unlink(directory + "/" + name) }
            rmdir(directory)
            rmdir(parent)
        }
        var written: [Stored]
        do {
            let log = try StreamLog(directory: directory, configuration: .small(reserveBytes: 1))
            written = try log.fill(100, perBatch: 3)
            #expect(throws: LogError.locked(path: directory + "/lock")) {
                try StreamLog(directory: directory, configuration: .small())
            }
            let store = try ConsumerStore(directory: directory, stream: log.id)
            try store.saveStructure([ConsumerRecord(configuration: .init(name: "a"), acknowledged: .init(floor: 7))])
        }
        let log = try StreamLog(directory: directory, configuration: .small(reserveBytes: 1))
        #expect(log.recovery.isClean)
        #expect(log.readAll().records == written)
        #expect(try ConsumerStore(directory: directory, stream: log.id).recovered.first?.acknowledged.floor == 7)
        written += try log.fill(5)
        #expect(log.release(through: 50))
        try log.reclaim()
        #expect(log.readAll().records == written.filter { $0.sequence >= log.firstSequence })
        let names = try PosixFileSystem().list(directory)
        #expect(names.filter { $0.hasSuffix(".log") }.count == log.segmentCount)
        #expect(log.byteCount < 20_000)
    }

    @Test func skippedNumbersAreNotReportedAsLost() throws {
        let disk = SimulatedFileSystem()
        var written: [Stored]
        do {
            let log = try openLog(disk)
            written = try log.fill(3)
            log.skip(through: 10)
            log.skip(through: 5)
            written += try log.fill(2)
            #expect(written.map(\.sequence) == [1, 2, 3, 11, 12])
            #expect(log.readAll().records == written)
        }
        let log = try openLog(disk)
        #expect(log.recovery.lost.isEmpty)
        let all = log.readAll()
        #expect(all.records == written)
        #expect(all.lost.isEmpty)
    }

    @Test func checksumsAreTheStandardOnesWithAndWithoutTheInstruction() {
        // RFC 3720 appendix B.4.
        let zeros = [UInt8](repeating: 0, count: 32)
        let ones = [UInt8](repeating: 0xFF, count: 32)
        let ascending = (0..<32).map { UInt8($0) }
        for (bytes, expected) in [(zeros, 0x8A91_36AA), (ones, 0x62A8_AB43), (ascending, 0x46DD_794E as UInt32)] {
            bytes.withUnsafeBytes { buffer in
                #expect(Checksum.of(buffer) == expected)
                #expect(~Checksum.updateBySoftware(~0, buffer) == expected)
            }
        }
        var random = SeededGenerator(seed: 5)
        for length in 0..<70 {
            let bytes = (0..<length).map { _ in UInt8.random(in: 0...255, using: &random) }
            bytes.withUnsafeBytes { #expect(Checksum.update(77, $0) == Checksum.updateBySoftware(77, $0)) }
        }
    }
}
