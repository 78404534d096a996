// SPDX-License-Identifier: Apache-2.0
import Core
import Foundation
import TestKit
import Testing

/// The log's files damaged while the bus is down: it says so, and serves everything that is whole.
@Suite(.serialized) struct DamageTests {
    enum Damage: String, CaseIterable {
        case endsWithinRecord, garbageWithinRecord, halfRecordAppended
    }

    /// The bus dies in the middle of a sync, so that the end of its log holds messages that nobody was promised.
    @Test(arguments: Damage.allCases)
    func tornTailIsCutAndReported(_ damage: Damage) async throws {
        let shim = try await FaultShim()
        let stack = try await Stack.start(settings: ["bus": shim.environment])
        let device = try await stack.makeDevice(token: stack.adminToken())
        try await stack.process("writer-postgres").terminate()
        let load = Faults.load(stack, device)
        try await eventually("the load flows") { load.acceptedCount > 200 }
        try shim.begin(.hangingSync)
        let directory = stack.streamDirectory("messages")
        try await eventually("a written message waits for its sync") {
            guard shim.isReached, let value = try SegmentFile.all(in: directory).last?.records.last?.value else {
                return false
            }
            return !load.accepted.contains(value)
        }
        try await stack.process("bus").kill()
        try shim.end()

        let segment = try #require(try SegmentFile.all(in: directory).last)
        let last = try #require(segment.records.last)
        #expect(last.value.map { load.accepted.contains($0) } == false, "what is damaged was never acknowledged")
        switch damage {
        case .endsWithinRecord: try segment.truncate(within: last)
        case .garbageWithinRecord: try segment.overwrite(within: last)
        case .halfRecordAppended: try segment.appendHalfRecord()
        }
        try stack.launch("bus")
        let bus = try stack.process("bus")
        try await bus.waitForLog("log recovered")
        let line = try #require(bus.log.split(separator: "\n").last { $0.contains("log recovered") })
        let torn = try #require(line.firstMatch(of: #/"torn_bytes":"?(\d+)/#).flatMap { Int($0.1) }, "\(line)")
        #expect((1...last.length).contains(torn), "\(line)")

        try stack.launch("writer-postgres")
        let before = load.acceptedCount
        try await eventually("the load flows again") { load.acceptedCount > before + 100 }
        try await Faults.expectStoredOnce(await load.stop(), stack, device)
        #expect(try await stack.metric("bus", #"martlet_bus_stream_corrupt_total{stream="messages"}"#) ?? 0 == 0)
        try await stack.stop()
    }

    /// One bit in a segment that was complete long ago, and one in that which was written last.
    @Test func flippedBitsCostTheirMessagesOnly() async throws {
        let stack = try await Stack.start(settings: ["bus": ["MARTLET_BUS_SEGMENT_BYTES": "1048576"]])
        let device = try await stack.makeDevice(token: stack.adminToken())
        try await stack.process("writer-postgres").terminate()
        let load = Faults.load(stack, device, paddingBytes: 4000)
        let directory = stack.streamDirectory("messages")
        try await eventually("three segments are written") {
            try SegmentFile.all(in: directory).count >= 3
        }
        let atThird = load.acceptedCount
        try await eventually("the third one fills") { load.acceptedCount > atThird + 20 }
        var outcome = await load.stop()
        try await stack.process("bus").kill()

        let segments = try SegmentFile.all(in: directory)
        var lost: [SegmentFile.Record] = []
        for segment in [segments.first, segments.last].compactMap({ $0 }) {
            let victim = try #require(segment.records.dropFirst(segment.records.count / 2).first)
            #expect(victim.sequence != segment.records.last?.sequence, "in the middle")
            try segment.flipBit(within: victim)
            outcome.accepted.remove(try #require(victim.value))
            lost.append(victim)
        }
        try stack.launch("bus")
        try await stack.waitUntilHealthy(["bus"])
        try stack.launch("writer-postgres")
        try await Faults.expectStoredOnce(outcome, stack, device)

        let stored = try await Faults.storedCounts(stack, #require(ChannelID(device.channel)))
        let bus = try stack.process("bus")
        for victim in lost {
            #expect(victim.value.flatMap { stored[$0] } == nil, "a damaged message was served")
            try await bus.wait("the log names \(victim.sequence)") {
                bus.log.split(separator: "\n").contains {
                    $0.contains("lost to corruption")
                        && $0.split(whereSeparator: { !$0.isNumber }).contains { UInt64($0) == victim.sequence }
                }
            }
        }
        #expect(try await stack.metric("bus", #"martlet_bus_stream_corrupt_total{stream="messages"}"#) == 2)
        // And it goes on.
        let again = Faults.load(stack, device, workers: 1)
        try await eventually("the load flows again") { again.acceptedCount > 10 }
        _ = await again.stop()
        try await stack.stop()
    }
}
