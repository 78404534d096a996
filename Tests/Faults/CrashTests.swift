// SPDX-License-Identifier: Apache-2.0
import Core
import Foundation
import Postgres
import TestKit
import Testing

/// kill -9 in the middle of a load of acknowledged messages: every accepted one is stored, and none twice.
@Suite(.serialized) struct CrashTests {
    @Test(arguments: ["bus", "writer-postgres", "things", "http-adapter"])
    func killedServiceLosesNothing(_ victim: String) async throws {
        let stack = try await Stack.start()
        let device = try await stack.makeDevice(token: stack.adminToken())
        let load = Faults.load(stack, device)
        for _ in 0..<3 {
            let before = load.acceptedCount
            try await eventually("the load flows") { load.acceptedCount > before + 100 }
            try await stack.killAndRestart(victim)
        }
        let before = load.acceptedCount
        try await eventually("the load flows again") { load.acceptedCount > before + 100 }
        try await Faults.expectStoredOnce(await load.stop(), stack, device)
        try await stack.stop()
    }

    @Test func killedDatabaseLosesNothing() async throws {
        let stack = try await Stack.start()
        let device = try await stack.makeDevice(token: stack.adminToken())
        let load = Faults.load(stack, device)
        for _ in 0..<2 {
            let before = load.acceptedCount
            try await eventually("the load flows") { load.acceptedCount > before + 100 }
            try await stack.cluster.kill()
            try await stack.cluster.start()
        }
        let before = load.acceptedCount
        try await eventually("the load flows again") { load.acceptedCount > before + 100 }
        try await Faults.expectStoredOnce(await load.stop(), stack, device)
        try await stack.stop()
    }

    @Test func everythingKilledAtOnceLosesNothing() async throws {
        let stack = try await Stack.start()
        let device = try await stack.makeDevice(token: stack.adminToken())
        let load = Faults.load(stack, device)
        try await eventually("the load flows") { load.acceptedCount > 300 }
        for service in Stack.services { try await stack.process(service).kill() }
        try await stack.cluster.kill()
        try await stack.cluster.start()
        // The wrong way round: what others need comes last.
        for service in Stack.services.reversed() { try stack.launch(service) }
        let before = load.acceptedCount
        try await eventually("the load flows again", deadline: .seconds(120)) { load.acceptedCount > before + 100 }
        try await Faults.expectStoredOnce(await load.stop(), stack, device)
        try await stack.stop()
    }

    @Test func stoppedDatabaseDoesNotStopIngest() async throws {
        let stack = try await Stack.start()
        let device = try await stack.makeDevice(token: stack.adminToken())
        let load = Faults.load(stack, device)
        try await eventually("the load flows") { load.acceptedCount > 200 }
        try await stack.cluster.stop()
        let atStop = load.acceptedCount
        try await Task.sleep(for: .seconds(60))
        // A minute without a database: ingest goes on from what is cached.
        #expect(load.acceptedCount > atStop + 1000)
        #expect(load.statuses.keys.allSatisfy { $0 == 202 }, "\(load.statuses)")
        try await stack.cluster.start()
        try await Faults.expectStoredOnce(await load.stop(), stack, device)
        try await stack.stop()
    }
}
