// SPDX-License-Identifier: Apache-2.0
import Bus
import Core
import Synchronization
import Testing

@testable import BusService

@Suite("Duplicate window")
struct DuplicateIndexTests {
    private func lookup(_ index: inout DuplicateIndex, _ text: String, now: Int64 = 0) -> UInt64? {
        Array(text.utf8).withUnsafeBytes { index.lookup($0, now: now) }
    }

    private func insert(_ index: inout DuplicateIndex, _ text: String, _ sequence: UInt64, at time: Int64 = 0) {
        Array(text.utf8).withUnsafeBytes { index.insert($0, sequence: sequence, storedAt: time) }
    }

    @Test func identifiersAreKnownWithinTheWindow() {
        var index = DuplicateIndex(windowSeconds: 2, maximumEntries: 100)
        insert(&index, "one", 1, at: 1_000_000_000)
        insert(&index, "two", 2, at: 2_000_000_000)
        #expect(lookup(&index, "one", now: 3_000_000_000) == 1)
        #expect(lookup(&index, "three", now: 3_000_000_000) == nil)
        #expect(lookup(&index, "one", now: 3_000_000_001) == nil)
        #expect(lookup(&index, "two", now: 3_000_000_001) == 2)
        #expect(index.count == 1)
    }

    @Test func theOldestIsForgottenFirst() {
        var index = DuplicateIndex(windowSeconds: 100, maximumEntries: 1000)
        for sequence in 1...5000 as ClosedRange<UInt64> { insert(&index, "id\(sequence)", sequence) }
        #expect(index.count == 1000)
        #expect(lookup(&index, "id4000") == nil)
        for sequence in 4001...5000 as ClosedRange<UInt64> { #expect(lookup(&index, "id\(sequence)") == sequence) }
    }

    @Test func aFailedBatchIsForgotten() {
        var index = DuplicateIndex(windowSeconds: 100, maximumEntries: 1000)
        for sequence in 1...10 as ClosedRange<UInt64> { insert(&index, "id\(sequence)", sequence) }
        index.remove(from: 7)
        #expect(lookup(&index, "id6") == 6)
        #expect(lookup(&index, "id7") == nil)
        insert(&index, "id9", 7)
        #expect(lookup(&index, "id9") == 7)
        #expect(index.count == 7)
    }

    @Test func withoutAWindowNothingIsRemembered() {
        var index = DuplicateIndex(windowSeconds: 0, maximumEntries: 1000)
        insert(&index, "one", 1)
        #expect(lookup(&index, "one") == nil)
        #expect(index.count == 0)
    }

    @Test func theWindowIsRebuiltFromTheLogsTail() throws {
        let disk = SimulatedFileSystem()
        do {
            let log = try openLog(disk)
            for number in 1...100 {
                let identifier = Array("message-\(number)".utf8)
                var headers: [UInt8] = [Wire.HeaderType.traceparent.rawValue, 2, 0, 0]
                if number % 2 == 0 {
                    headers += [Wire.HeaderType.messageID.rawValue, UInt8(identifier.count)] + identifier
                }
                log.append(
                    Stored(
                        sequence: log.nextSequence, storedAt: Int64(number) * 1_000_000_000, headers: headers,
                        payload: [UInt8](repeating: 1, count: 60)))
                try log.commit()
            }
        }
        let log = try openLog(disk)
        let now: Int64 = 100_000_000_000
        var whole = DuplicateIndex(windowSeconds: 1000, maximumEntries: 1000)
        whole.rebuild(from: log, now: now)
        #expect(whole.count == 50)
        #expect(lookup(&whole, "message-2", now: now) == 2)
        #expect(lookup(&whole, "message-3", now: now) == nil)

        var timed = DuplicateIndex(windowSeconds: 20, maximumEntries: 1000)
        let read = timed.rebuild(from: log, now: now)
        #expect(timed.count == 11)
        #expect(read < 60)

        var counted = DuplicateIndex(windowSeconds: 1000, maximumEntries: 10)
        #expect(counted.rebuild(from: log, now: now) == 10)
        #expect(lookup(&counted, "message-100", now: now) == 100)

        var bounded = DuplicateIndex(windowSeconds: 1000, maximumEntries: 1000)
        disk.state.withLock { $0.bytesRead = 0 }
        bounded.rebuild(from: log, now: now, maximumBytes: 3000)
        #expect(lookup(&bounded, "message-100", now: now) == 100)
        #expect(disk.state.withLock { $0.bytesRead } < 12_000)
    }

    @Test func brokenHeadersHoldNoIdentifier() {
        for headers in [[1], [1, 5, 0], [2, 0, 1, 9, 1], []] as [[UInt8]] {
            #expect(headers.withUnsafeBytes { DuplicateIndex.identifier(in: $0) } == nil)
        }
        let valid: [UInt8] = [2, 1, 0, 1, 2, 7, 8]
        #expect(valid.withUnsafeBytes { DuplicateIndex.identifier(in: $0).map { Array($0) } } == [7, 8])
    }
}
