// SPDX-License-Identifier: Apache-2.0
import Bus
import Core
import TestKit
import Testing

@testable import BusService

@Suite("Consumer positions")
struct ConsumerStoreTests {
    private let stream = StreamID(high: 1, low: 2)

    private func record(_ name: String, floor: UInt64, _ ranges: [ClosedRange<UInt64>] = []) -> ConsumerRecord {
        ConsumerRecord(
            configuration: ConsumerConfiguration(name: name, filter: "channels.>"),
            acknowledged: AcknowledgedSet(floor: floor, ranges: ranges), redelivered: 3, deadLettered: 4)
    }

    @Test func positionsAreReadBackAsSaved() throws {
        let disk = SimulatedFileSystem()
        let store = try ConsumerStore(directory: "/log", stream: stream, fileSystem: disk)
        #expect(store.recovered.isEmpty)
        for floor in [UInt64(1), 50, 7] {
            let records = [
                record("a", floor: floor, [floor + 2...floor + 3, floor + 9...floor + 9]), record("b", floor: 0),
            ]
            try store.save(records)
            #expect(try ConsumerStore(directory: "/log", stream: stream, fileSystem: disk).recovered == records)
        }
        let stranger = try ConsumerStore(directory: "/log", stream: StreamID(high: 9, low: 9), fileSystem: disk)
        #expect(stranger.recovered.isEmpty)
        #expect(stranger.damagedSlots == 2)
    }

    @Test func aDamagedSlotFallsBackToTheOneBefore() throws {
        let disk = SimulatedFileSystem()
        let store = try ConsumerStore(directory: "/log", stream: stream, fileSystem: disk)
        let first = [record("a", floor: 10, [12...13])]
        let second = [record("a", floor: 20, [22...23])]
        try store.save(first)
        try store.save(second)
        for slot in disk.paths() {
            for offset in disk.contents(slot).indices {
                let copy = disk.copy()
                copy.alter(slot) { $0[offset] ^= 4 }
                let found = try ConsumerStore(directory: "/log", stream: stream, fileSystem: copy).recovered
                #expect(found == first || found == second, "\(slot) byte \(offset)")
            }
        }
    }

    @Test func acknowledgementsAreForgottenAtMostNeverInvented() throws {
        for seed in 0..<500 as Range<UInt64> {
            var random = SeededGenerator(seed: seed)
            let disk = SimulatedFileSystem(seed: seed)
            var completed: [ConsumerRecord] = []
            var attempts: [[ConsumerRecord]] = [[]]
            var floor: UInt64 = 0
            for _ in 0..<4 {
                let store = try ConsumerStore(directory: "/log", stream: stream, fileSystem: disk)
                let recovered = store.recovered
                #expect(attempts.contains(recovered), "seed \(seed): never saved")
                let recoveredFloor = recovered.first?.acknowledged.floor ?? 0
                #expect(
                    recoveredFloor >= completed.first?.acknowledged.floor ?? 0, "seed \(seed): a completed save is lost"
                )
                completed = recovered
                for _ in 0..<Int.random(in: 0...5, using: &random) {
                    floor += UInt64.random(in: 1...100, using: &random)
                    let records = [record("a", floor: floor, [floor + 5...floor + 6])]
                    attempts.append(records)
                    if Int.random(in: 0..<4, using: &random) == 0 { disk.setFaults { $0.failingSync = 1 } }
                    if Int.random(in: 0..<4, using: &random) == 0 { disk.setFaults { $0.failingWrite = 1 } }
                    do throws(LogError) {
                        try store.save(records)
                        completed = records
                    } catch {
                        disk.setFaults { $0 = .init() }
                    }
                }
                disk.crash()
            }
        }
    }

    @Test func aDeletedConsumerDoesNotComeBackWithOldPositions() throws {
        let disk = SimulatedFileSystem()
        let store = try ConsumerStore(directory: "/log", stream: stream, fileSystem: disk)
        try store.save([record("a", floor: 100)])
        try store.saveStructure([])
        for slot in disk.paths() {
            let copy = disk.copy()
            copy.alter(slot) { $0[20] ^= 1 }
            #expect(try ConsumerStore(directory: "/log", stream: stream, fileSystem: copy).recovered.isEmpty)
        }
    }

    @Test func theSetOfAcknowledgedNumbersAgreesWithAPlainSet() {
        for seed in 0..<200 as Range<UInt64> {
            var random = SeededGenerator(seed: seed)
            var plain: Set<UInt64> = []
            var floor: UInt64 = 0
            var set = AcknowledgedSet()
            for _ in 0..<80 {
                let sequence = UInt64.random(in: 1...60, using: &random)
                if Int.random(in: 0..<20, using: &random) == 0 {
                    set.insert(through: sequence)
                    floor = max(floor, sequence)
                    plain.formUnion(1...floor)
                } else {
                    #expect(set.insert(sequence) == !plain.contains(sequence))
                    plain.insert(sequence)
                }
                let expectedFloor = (1...UInt64(100)).first { !plain.contains($0) }! - 1
                #expect(set.floor == expectedFloor)
                #expect((1...UInt64(70)).allSatisfy { set.contains($0) == plain.contains($0) })
                #expect(set.countAboveFloor == UInt64(plain.filter { $0 > expectedFloor }.count))
                #expect(AcknowledgedSet(floor: set.floor, ranges: set.ranges.reversed()) == set)
            }
        }
    }

    @Test func lostSequencesAreMergedAndCountedOnce() {
        for seed in 0..<100 as Range<UInt64> {
            var random = SeededGenerator(seed: seed)
            var plain: Set<UInt64> = []
            var lost = LostSequences()
            for _ in 0..<30 {
                let low = UInt64.random(in: 1...80, using: &random)
                let range = low...(low + UInt64.random(in: 0...6, using: &random))
                #expect(lost.insert(range) == !plain.isSuperset(of: range))
                plain.formUnion(range)
                #expect(lost.count == UInt64(plain.count))
                #expect(lost.first(1000) == plain.sorted())
            }
        }
    }
}
