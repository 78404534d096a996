// SPDX-License-Identifier: Apache-2.0
import Core
import Glibc
import Testing

@testable import BusService

@Suite("Stream log: failing writes and syncs")
struct LogFaultTests {
    /// Fails in the middle of a batch, and checks what must hold in any case.
    private func fail(_ fault: (inout SimulatedFileSystem.Faults) -> Void) throws {
        let disk = SimulatedFileSystem()
        let log = try openLog(disk)
        var written = try log.fill(20)
        let last = log.lastSequence
        _ = try log.appendNext([1, 2, 3])
        let failing = try #require(log.sealBatch())
        _ = try log.appendNext([4, 5, 6])
        let following = try #require(log.sealBatch())
        _ = try log.appendNext([7])
        disk.setFaults(fault)
        #expect(throws: LogError.self) { try log.write(failing) }
        #expect(throws: LogError.superseded) { try log.write(following) }
        guard case .failed = log.status else {
            Issue.record("not failed")
            return
        }
        log.finish(failing, .failure(.superseded))
        log.finish(following, .failure(.superseded))
        #expect(log.nextSequence == last + 1)
        #expect(log.lastSequence == last)
        #expect(log.readAll().records == written)
        #expect(log.append(Stored(sequence: 0, payload: [8])) == .refused(.failed))
        // Still broken: the probe says so.
        disk.setFaults { $0.isBroken = true }
        #expect(throws: LogError.self) { try log.retry() }
        #expect(log.append(Stored(sequence: 0, payload: [8])) == .refused(.failed))
        disk.setFaults { $0 = .init() }
        try log.retry()
        #expect(log.status == .ready)
        written += try log.fill(5)
        #expect(written.last?.sequence == last + 5)
        #expect(log.readAll().records == written)
        disk.crash()
        let again = try openLog(disk)
        #expect(again.readAll().records == written)
        #expect(again.recovery.lost.isEmpty)
    }

    @Test func aFailingWriteRefusesTheBatch() throws { try fail { $0.failingWrite = 1 } }

    @Test func aFailingSyncRefusesTheBatch() throws { try fail { $0.failingSync = 1 } }

    @Test func aDeadDiskRefusesTheBatch() throws { try fail { $0.isBroken = true } }

    @Test func aFailureInTheFirstBatchOfASegmentLeavesNothing() throws {
        for fault in 1...3 {
            let disk = SimulatedFileSystem()
            let log = try openLog(disk)
            _ = try log.appendNext([9])
            disk.setFaults { $0.failingSync = fault }
            #expect(throws: LogError.self) { try log.commit() }
            #expect(log.readAll().records.isEmpty)
            try log.retry()
            let record = try log.appendNext([1])
            try log.commit()
            #expect(record.sequence == 1)
            disk.crash()
            let again = try openLog(disk)
            #expect(again.readAll().records == [record])
        }
    }

    @Test func aFullDiskRefusesAndRecovers() throws {
        let disk = SimulatedFileSystem()
        let log = try openLog(disk)
        disk.setFaults { $0.remainingBytes = 20_000 }
        var written: [Stored] = []
        var failure: LogError?
        while failure == nil {
            let record = try log.appendNext([UInt8](repeating: 7, count: 300))
            guard let batch = log.sealBatch() else { break }
            do throws(LogError) {
                try log.write(batch)
                log.finish(batch, .success(()))
                written.append(record)
            } catch {
                log.finish(batch, .failure(error))
                failure = error
            }
        }
        #expect(failure?.isOutOfSpace == true)
        #expect(!written.isEmpty)
        #expect(log.status == .failed(try #require(failure)))
        #expect(throws: LogError.self) { try log.retry() }
        disk.setFaults { $0.remainingBytes = nil }
        try log.retry()
        written += try log.fill(10)
        #expect(log.readAll().records == written)
        disk.crash()
        #expect(try openLog(disk).readAll().records == written)
    }

    @Test func shortWritesAndReadsAreCompleted() throws {
        let disk = SimulatedFileSystem()
        disk.setFaults { $0.hasShortTransfers = true }
        let written: [Stored]
        do {
            let log = try openLog(disk)
            written = try log.fill(100, perBatch: 4)
            #expect(log.readAll().records == written)
        }
        let log = try openLog(disk)
        #expect(log.readAll().records == written)
        #expect(log.corruptCount == 0)
    }

    @Test func aFailedIndexOnlyCostsTimeAtTheNextOpening() throws {
        let disk = SimulatedFileSystem()
        let log = try openLog(disk)
        var written = try log.fill(29)
        #expect(log.segmentCount == 1)
        // write of the header, sync of the file, sync of the directory, then the index.
        disk.setFaults { $0.failingSync = 3 }
        written += try log.fill(1, payloadBytes: 600)
        #expect(log.segmentCount == 2)
        #expect(log.counters.indexFailures == 1)
        #expect(log.status == .ready)
        #expect(log.readAll().records == written)
        disk.kill()
        #expect(log.readAll().records == written)
    }
}
