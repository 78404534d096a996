// SPDX-License-Identifier: Apache-2.0
import Core
import TestKit
import Testing

@testable import BusService

/// Seeded lives of a log: appends, group commits, faults, releases, kills and power failures in random order. After every reopening:
/// every record whose sync was confirmed is there, in order and byte for byte, and nothing is there that was never appended.
@Suite("Stream log: simulated crashes")
struct LogSimulationTests {
    private static let seeds: UInt64 = 3_000

    @Test(arguments: 0..<8)
    func nothingConfirmedIsEverLost(shard: UInt64) throws {
        for seed in stride(from: shard, to: Self.seeds, by: 8) {
            var life = LogLife(seed: seed)
            do {
                try life.run()
            } catch {
                Issue.record("seed \(seed): \(error)")
            }
            if let problem = life.problem {
                Issue.record("seed \(seed): \(problem)")
                return
            }
        }
    }
}

private struct LogLife {
    let seed: UInt64
    let disk: SimulatedFileSystem
    let configuration: LogConfiguration
    var random: SeededGenerator
    /// Synced, and the bus said so.
    var confirmed: [UInt64: Stored] = [:]
    /// Everything ever appended under a number.
    var attempted: [UInt64: Set<Stored>] = [:]
    var releasedThrough: UInt64 = 0
    var stream: StreamID?
    var nonce: UInt64 = 0
    var problem: String?

    init(seed: UInt64) {
        self.seed = seed
        random = SeededGenerator(seed: seed)
        disk = SimulatedFileSystem(seed: seed &+ 1)
        configuration = .small(
            segmentBytes: 4096 * Int.random(in: 1...3, using: &random),
            maximumBytes: 4096 * Int.random(in: 8...64, using: &random),
            maximumRecordBytes: Int.random(in: 300...1500, using: &random), batchBytes: 2048,
            indexIntervalBytes: Int.random(in: 64...512, using: &random))
    }

    mutating func run() throws {
        let lives = Int.random(in: 2...4, using: &random)
        for _ in 0..<lives where problem == nil {
            try live()
            if Bool.random(using: &random) { disk.crash() } else { disk.kill() }
        }
        if problem == nil {
            disk.setFaults { $0 = .init() }
            check(try openLog(disk, configuration))
        }
    }

    private mutating func live() throws {
        disk.setFaults { $0.hasShortTransfers = Bool.random(using: &random) }
        let log = try openLog(disk, configuration)
        check(log)
        var sealed: [(batch: LogBatch, records: [Stored])] = []
        var open: [Stored] = []
        for _ in 0..<Int.random(in: 5...60, using: &random) where problem == nil {
            switch Int.random(in: 0..<100, using: &random) {
            case 0..<55: append(to: log, &open)
            case 55..<75:
                if let batch = log.sealBatch() {
                    sealed.append((batch, open))
                    open = []
                }
            case 75..<92: write(log, &sealed, &open)
            case 92..<94: release(log)
            case 94..<97: injectFault()
            default:
                // A reader in between, from anywhere.
                _ = log.readAll(from: UInt64.random(in: 1...max(log.lastSequence, 1), using: &random))
            }
        }
        if Bool.random(using: &random) { checkContents(log) }
    }

    private mutating func append(to log: StreamLog, _ open: inout [Stored]) {
        nonce += 1
        let length = Int.random(in: 0...configuration.maximumRecordBytes - 80, using: &random)
        var payload = withUnsafeBytes(of: nonce) { Array($0) }
        while payload.count < length { payload.append(UInt8.random(in: 0...255, using: &random)) }
        let record = Stored(sequence: log.nextSequence, storedAt: Int64(nonce), payload: payload)
        switch log.append(record) {
        case .appended(let sequence):
            if sequence != record.sequence { problem = "appended as \(sequence), not \(record.sequence)" }
            open.append(record)
            attempted[sequence, default: []].insert(record)
        case .refused: break
        }
    }

    private mutating func write(
        _ log: StreamLog, _ sealed: inout [(batch: LogBatch, records: [Stored])], _ open: inout [Stored]
    ) {
        guard !sealed.isEmpty else { return }
        let (batch, records) = sealed.removeFirst()
        do throws(LogError) {
            try log.write(batch)
            // Killed between the sync and its confirmation: allowed to be there, not required.
            log.finish(batch, .success(()))
            for record in records { confirmed[record.sequence] = record }
        } catch {
            log.finish(batch, .failure(error))
            for later in sealed { log.finish(later.batch, .failure(.superseded)) }
            sealed = []
            open = []
            if Bool.random(using: &random) { disk.setFaults { $0 = .init() } }
            try? log.retry()
        }
    }

    private mutating func release(_ log: StreamLog) {
        let sequence = UInt64.random(in: 0...log.lastSequence, using: &random)
        if log.release(through: sequence) {
            releasedThrough = max(releasedThrough, sequence)
            try? log.reclaim()
        }
    }

    private mutating func injectFault() {
        let kind = Int.random(in: 0..<5, using: &random)
        let count = Int.random(in: 1...4, using: &random)
        disk.setFaults { faults in
            switch kind {
            case 0: faults.failingWrite = count
            case 1: faults.failingSync = count
            case 2: faults.isBroken = true
            case 3: faults.remainingBytes = count * 1000
            default: faults = .init()
            }
        }
    }

    /// After reopening; what is found now is part of the log from here on.
    private mutating func check(_ log: StreamLog) {
        if let stream, stream != log.id { problem = "identity changed" }
        if log.recovery.isBegunAnew || !log.recovery.setAside.isEmpty { problem = "recovery: \(log.recovery)" }
        // Before anything is durable the identity may be lost with everything else.
        if !confirmed.isEmpty { stream = log.id }
        checkContents(log)
        for record in log.readAll().records { confirmed[record.sequence] = record }
    }

    private mutating func checkContents(_ log: StreamLog) {
        let found = log.readAll(maximumBytes: Int.random(in: 1...5000, using: &random)).records
        var last: UInt64 = 0
        var bySequence: [UInt64: Stored] = [:]
        for record in found {
            if record.sequence <= last { problem = "order: \(record.sequence) after \(last)" }
            last = record.sequence
            bySequence[record.sequence] = record
            if attempted[record.sequence]?.contains(record) != true { problem = "never appended: \(record.sequence)" }
        }
        for (sequence, record) in confirmed where sequence > releasedThrough {
            if bySequence[sequence] != record {
                problem = "confirmed \(sequence) is \(bySequence[sequence] == nil ? "missing" : "different")"
            }
        }
        if last > log.lastSequence { problem = "read beyond the last sequence" }
    }
}
