// SPDX-License-Identifier: Apache-2.0
import Core
import Synchronization
import Testing

@testable import BusService

@Suite("Stream log: blocks brought into use ahead of the data")
struct LogZeroAheadTests {
    private static let payloadBytes = 60_000
    /// Batches that fit into what the first one zeroes.
    private static let batchesAhead = LogWriter.zeroAheadMinimumBytes / (payloadBytes + 64)

    private func open(_ disk: SimulatedFileSystem) throws -> StreamLog {
        try openLog(
            disk,
            .small(
                segmentBytes: 4 << 20, maximumBytes: 16 << 20, maximumRecordBytes: 64 << 10, batchBytes: 64 << 10))
    }

    private func writes(_ disk: SimulatedFileSystem) -> Int { disk.state.withLock { $0.writes } }

    @Test func mostBatchesOverwriteWhatIsInUseWithOneWrite() throws {
        let disk = SimulatedFileSystem()
        let log = try open(disk)
        var written = try log.fill(1, payloadBytes: Self.payloadBytes)
        let size = log.byteCount
        let beginning = writes(disk)
        written += try log.fill(Self.batchesAhead, payloadBytes: Self.payloadBytes)
        #expect(writes(disk) - beginning == Self.batchesAhead)
        written += try log.fill(2, payloadBytes: Self.payloadBytes)
        #expect(writes(disk) - beginning > Self.batchesAhead + 2)
        // Neither the file nor the budget has changed.
        #expect(log.byteCount == size)
        let path = try #require(disk.paths().first { $0.hasSuffix(".log") })
        #expect(disk.contents(path).count == size)
        disk.crash()
        let again = try open(disk)
        #expect(again.readAll(maximumBytes: 256 << 10).records == written)
        #expect(again.recovery.isClean)
    }

    /// Power fails between the zeros and their sync: the batch is torn or not there, and no record of before is touched.
    @Test(arguments: 1...20 as ClosedRange<UInt64>)
    func aCrashWhileZeroingLosesNothing(_ seed: UInt64) throws {
        let disk = SimulatedFileSystem(seed: seed)
        let log = try open(disk)
        let written = try log.fill(1 + Self.batchesAhead, payloadBytes: Self.payloadBytes)
        _ = try log.appendNext([UInt8](repeating: 0xEE, count: Self.payloadBytes))
        let batch = try #require(log.sealBatch())
        let before = writes(disk)
        // The sync writes half of it and fails; so does everything after it.
        disk.setFaults { $0.failingSync = 1 }
        #expect(throws: LogError.self) { try log.write(batch) }
        #expect(writes(disk) - before > 1)
        disk.crash()
        let again = try open(disk)
        #expect(again.readAll(maximumBytes: 256 << 10).records.prefix(written.count) == written[...])
        let more = try again.appendNext([1])
        try again.commit()
        #expect(again.readAll(from: more.sequence).records == [more])
    }

    @Test func zerosThatCannotBeWrittenRefuseTheBatch() throws {
        let disk = SimulatedFileSystem()
        let log = try open(disk)
        var written = try log.fill(1 + Self.batchesAhead, payloadBytes: Self.payloadBytes)
        _ = try log.appendNext([UInt8](repeating: 0xEE, count: Self.payloadBytes))
        disk.setFaults { $0.failingWrite = 2 }
        #expect(throws: LogError.self) { try log.commit() }
        disk.setFaults { $0 = .init() }
        try log.retry()
        written += try log.fill(2)
        #expect(log.readAll(maximumBytes: 256 << 10).records == written)
        disk.crash()
        #expect(try open(disk).readAll(maximumBytes: 256 << 10).records == written)
    }
}
