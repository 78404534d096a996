// SPDX-License-Identifier: Apache-2.0
import Core
import Foundation
import TestKit
import Testing

/// The bus cannot store: publishers are told so at once, nothing that was accepted is lost, and it mends itself.
@Suite(.serialized) struct StorageTests {
    private static let segments = ["MARTLET_BUS_SEGMENT_BYTES": "1048576"]

    @Test func spentBudgetRefusesUntilConsumersCaughtUp() async throws {
        let budget = ["MARTLET_BUS_MESSAGES_MAXIMUM_BYTES": "4194304"]
        let stack = try await Stack.start(settings: ["bus": budget.merging(Self.segments) { $1 }])
        let device = try await stack.makeDevice(token: stack.adminToken())
        let load = Faults.load(stack, device, paddingBytes: 4000)
        try await eventually("the load flows") { load.acceptedCount > 50 }
        try await stack.cluster.stop()
        try await expectRefused(load, ["storage-budget-spent"], stack)

        let before = load.acceptedCount
        try await stack.cluster.start()
        try await expectFlow(load, since: before, stack)
        try await Faults.expectStoredOnce(await load.stop(), stack, device)
        try await stack.stop()
    }

    @Test func failingSyncAcknowledgesNothing() async throws {
        let shim = try await FaultShim()
        let stack = try await Stack.start(settings: ["bus": shim.environment])
        let device = try await stack.makeDevice(token: stack.adminToken())
        let load = Faults.load(stack, device)
        for _ in 0..<2 {
            let flowing = load.acceptedCount
            try await eventually("the load flows") { load.acceptedCount > flowing + 100 }
            try shim.begin(.failingSync)
            try await eventually("a sync fails") { shim.isReached }
            // What was synced before may still be on its way to its publisher.
            try await expectRefused(load, ["storage-failed"], stack)
            let accepted = load.acceptedCount
            let refused = load.statuses[503, default: 0]
            try await eventually("more is refused") { load.statuses[503, default: 0] > refused + 50 }
            #expect(load.acceptedCount == accepted, "accepted although no sync succeeds")
            try shim.end()
            try await expectFlow(load, since: accepted, stack)
        }
        // What was acknowledged around the failures is in the files, not only in memory.
        try await stack.killAndRestart("bus")
        let before = load.acceptedCount
        try await eventually("the load flows after a restart") { load.acceptedCount > before + 100 }
        try await Faults.expectStoredOnce(await load.stop(), stack, device)
        try await stack.stop()
    }

    /// A filesystem with nothing left, the bus's reserve included.
    @Test func fullDiskRefusesUntilThereIsSpace() async throws {
        // Where nobody may mount, the daemon is told by the system's own call that nothing is free.
        let disk = try await SmallDisk.mount(megabytes: 128)
        let shim = try await FaultShim()
        var settings = Self.segments.merging(shim.environment) { $1 }
        if let disk { settings["MARTLET_BUS_DATA"] = disk.path + "/bus" }
        let stack = try await Stack.start(
            settings: ["bus": settings], launchers: disk.map { ["bus": $0.launcher] } ?? [:])
        let device = try await stack.makeDevice(token: stack.adminToken())
        let load = Faults.load(stack, device, paddingBytes: 4000)
        for _ in 0..<2 {
            let flowing = load.acceptedCount
            try await eventually("the load flows") { load.acceptedCount > flowing + 50 }
            if let disk { try disk.fill() } else { try shim.begin(.nothingFree) }
            try await expectRefused(load, ["storage-budget-spent", "storage-failed"], stack)
            let before = load.acceptedCount
            if let disk { try disk.empty() } else { try shim.end() }
            try await expectFlow(load, since: before, stack)
        }
        try await stack.killAndRestart("bus")
        let before = load.acceptedCount
        try await eventually("the load flows after a restart") { load.acceptedCount > before + 50 }
        try await Faults.expectStoredOnce(await load.stop(), stack, device)
        try await stack.stop()
    }

    /// Space runs out between the bus's look at it and its use: the calls themselves fail with ENOSPC.
    @Test func callsThatFindNoSpaceAcknowledgeNothing() async throws {
        let shim = try await FaultShim()
        let stack = try await Stack.start(settings: ["bus": Self.segments.merging(shim.environment) { $1 }])
        let device = try await stack.makeDevice(token: stack.adminToken())
        let load = Faults.load(stack, device, paddingBytes: 4000)
        try await eventually("the load flows") { load.acceptedCount > 50 }
        try shim.begin(.noSpace)
        try await expectRefused(load, ["storage-budget-spent", "storage-failed"], stack)
        let before = load.acceptedCount
        try shim.end()
        try await expectFlow(load, since: before, stack)
        try await stack.killAndRestart("bus")
        let restarted = load.acceptedCount
        try await eventually("the load flows after a restart") { load.acceptedCount > restarted + 50 }
        try await Faults.expectStoredOnce(await load.stop(), stack, device)
        try await stack.stop()
    }

    /// Publishers hear 503 for one of the reasons, and the bus says so itself. That each says when to come again is checked with the count.
    private func expectRefused(_ load: PublishLoad, _ reasons: Set<String>, _ stack: Stack) async throws {
        let refused = load.statuses[503, default: 0]
        try await eventually("publishers are refused") {
            load.statuses[503, default: 0] > refused + 20 && !load.reasons.isDisjoint(with: reasons)
        }
        #expect(load.reasons.isSubset(of: reasons), "\(load.reasons)")
        #expect(load.statuses.keys.allSatisfy { [202, 503].contains($0) }, "\(load.statuses)")
        try await eventually("the bus says so") {
            try await stack.metric("bus", #"martlet_bus_stream_accepting{stream="messages"}"#) == 0
        }
        let health = try await stack.client("bus").get("/health")
        #expect(health.text.contains("messages"), "\(health.text)")
    }

    private func expectFlow(_ load: PublishLoad, since before: Int, _ stack: Stack) async throws {
        try await eventually("the load flows again by itself", deadline: .seconds(120)) {
            load.acceptedCount > before + 50
        }
        try await eventually("the bus says so") {
            try await stack.metric("bus", #"martlet_bus_stream_accepting{stream="messages"}"#) == 1
        }
    }
}
