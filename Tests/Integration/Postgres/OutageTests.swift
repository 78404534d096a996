// SPDX-License-Identifier: Apache-2.0
import Postgres
import Synchronization
import TestKit
import Testing

/// Each on a cluster of its own, because the server is what is broken.
@Suite struct OutageTests {
    private final class Load: Sendable {
        let acknowledged = Mutex<Set<Int>>([])
        let isStopped = Mutex(false)
    }

    @Test func killingTheServerInTheMiddleOfAStatementIsSurvived() async throws {
        let cluster = try await PostgresCluster.start(fsync: true)
        try await withPool(url: cluster.url()) {
            $0.maximumConnections = 3
        } _: { pool in
            try await pool.execute("CREATE TABLE rows (n bigint PRIMARY KEY)")
            try await pool.execute("INSERT INTO rows VALUES (\(1))")
            let sleeping = Task { try await pool.execute("SELECT pg_sleep(600)") }
            try await eventually {
                try await !pool.execute("SELECT 1 FROM pg_stat_activity WHERE wait_event = 'PgSleep'").isEmpty
            }
            try await cluster.kill()
            let error = await #expect(throws: PostgresError.self) { try await sleeping.value }
            #expect(error?.kind == .connectionLost)
            #expect(error?.isOutcomeUnknown == true)
            #expect(await !pool.checkHealth())
            try await cluster.start()
            try await eventually { await pool.checkHealth() }
            try await pool.execute("INSERT INTO rows VALUES (\(2))")
            #expect(try await pool.execute("SELECT n FROM rows").count == 2)
            #expect(pool.statistics.reconnects > 0)
        }
        try await cluster.stop()
    }

    @Test func aPoolThatBeginsBeforeTheServerWaitsForIt() async throws {
        let cluster = try await PostgresCluster.start()
        try await cluster.stop()
        try await withPool(url: cluster.url()) {
            $0.acquireTimeout = .milliseconds(200)
        } _: { pool in
            let error = await #expect(throws: PostgresError.self) { try await pool.execute("SELECT 1") }
            #expect(error?.kind == .unavailable)
            #expect(!pool.isHealthy)
            try await cluster.start()
            try await eventually { (try? await pool.execute("SELECT 1")) != nil }
            #expect(pool.isHealthy)
        }
        try await cluster.stop()
    }

    @Test func acknowledgedCommitsOutliveAKilledServer() async throws {
        let cluster = try await PostgresCluster.start(fsync: true)
        try await withPool(url: cluster.url()) {
            $0.maximumConnections = 4
        } _: { pool in
            try await pool.execute("CREATE TABLE rows (n bigint PRIMARY KEY)")
            let load = Load()
            try await withThrowingTaskGroup(of: Void.self) { group in
                for worker in 0..<4 {
                    group.addTask {
                        var number = worker
                        while !load.isStopped.withLock({ $0 }) {
                            do {
                                try await pool.execute("INSERT INTO rows VALUES (\(number))")
                                load.acknowledged.withLock { _ = $0.insert(number) }
                            } catch {
                                #expect((error as? PostgresError)?.isRetriable == true, "\(error)")
                            }
                            number += 4
                        }
                    }
                }
                for round in 1...3 {
                    try await eventually { load.acknowledged.withLock { $0.count } > round * 50 }
                    try await cluster.kill()
                    try await cluster.start()
                }
                try await eventually { load.acknowledged.withLock { $0.count } > 300 }
                load.isStopped.withLock { $0 = true }
                try await group.waitForAll()
            }
            let stored = Set(try await pool.execute("SELECT n FROM rows").map { try $0.decode(Int.self, at: 0) })
            #expect(load.acknowledged.withLock { $0 }.isSubset(of: stored))
        }
        try await cluster.stop()
    }
}
