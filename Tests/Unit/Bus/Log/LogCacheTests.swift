// SPDX-License-Identifier: Apache-2.0
import Core
import Synchronization
import Testing

@testable import BusService

@Suite("Stream log: the operating system's memory")
struct LogCacheTests {
    private func logs(_ disk: SimulatedFileSystem) -> [String] { disk.paths().filter { $0.hasSuffix(".log") } }

    @Test func itIsGivenBackOfAllButTheSegmentsWrittenLast() throws {
        let disk = SimulatedFileSystem()
        let log = try openLog(disk, .small())
        while logs(disk).count <= LogWriter.cachedSegments + 1 { _ = try log.fill(1, payloadBytes: 500) }
        #expect(disk.state.withLock { $0.released } == Array(logs(disk).prefix(1)))
        while logs(disk).count < 10 { _ = try log.fill(1, payloadBytes: 500) }
        #expect(disk.state.withLock { $0.released } == Array(logs(disk).dropLast(LogWriter.cachedSegments + 1)))
    }

    @Test func segmentsThatAreReleasedBeforeAreNoFailure() throws {
        let disk = SimulatedFileSystem()
        let log = try openLog(disk, .small())
        while logs(disk).count < 3 { _ = try log.fill(1, payloadBytes: 500) }
        let before = Set(logs(disk))
        #expect(log.release(through: log.lastSequence))
        try log.reclaim()
        let gone = before.subtracting(logs(disk))
        #expect(!gone.isEmpty)
        let written = try log.fill(60, payloadBytes: 500)
        #expect(log.readAll().records.suffix(60) == written[...])
        let released = disk.state.withLock { Set($0.released) }
        #expect(released.count > 1 && released.isDisjoint(with: gone))
    }
}
