// SPDX-License-Identifier: Apache-2.0
import NIOCore
import Postgres
import Synchronization
import TestKit
import Testing

@Suite struct MigrationTests {
    private static let first = Migration(
        number: 1, name: "create-things",
        sql: "CREATE TABLE things (n int); INSERT INTO things VALUES (1); CREATE INDEX ON things (n)")
    private static let second = Migration(number: 2, name: "more", sql: "INSERT INTO things VALUES (2)")

    @Test func manyStartersApplyEachStepOnce() async throws {
        let url = try await PostgresCluster.shared().createDatabase()
        let applied = try await withThrowingTaskGroup(of: [Int32].self) { group in
            for _ in 0..<8 {
                group.addTask {
                    try await withPool(url: url, schema: "things") { try await $0.migrate([Self.first, Self.second]) }
                }
            }
            return try await group.reduce(into: []) { $0 += $1 }
        }
        #expect(applied.sorted() == [1, 2])
        try await withPool(url: url, schema: "things") { pool in
            let rows = try await pool.execute("SELECT n FROM things ORDER BY n")
            #expect(try rows.map { try $0.decode(Int.self, at: 0) } == [1, 2])
        }
    }

    @Test func aChangedStepIsRefused() async throws {
        try await withPool(schema: "things") { pool in
            try await pool.migrate([Self.first])
            let changed = Migration(number: 1, name: "create-things", sql: "CREATE TABLE things (m int)")
            let error = await #expect(throws: PostgresError.self) { try await pool.migrate([changed]) }
            #expect(error?.kind == .migration)
            // A newer record than the program knows is an older release beside a newer one.
            try await pool.migrate([Self.first, Self.second])
            #expect(try await pool.migrate([Self.first]) == [])
        }
    }

    @Test func aGapInTheNumbersIsRefused() async throws {
        try await withPool(schema: "things") { pool in
            let error = await #expect(throws: PostgresError.self) { try await pool.migrate([Self.second]) }
            #expect(error?.kind == .migration)
        }
    }

    @Test func aStepThatFailsLeavesNothingOfItself() async throws {
        try await withPool(schema: "things") { pool in
            let broken = Migration(number: 1, name: "broken", sql: "CREATE TABLE half (n int); SELECT 1 / 0")
            await #expect(throws: PostgresError.self) { try await pool.migrate([broken]) }
            try await pool.migrate([Self.first])
            let row = try #require(try await pool.execute("SELECT to_regclass('things.half') IS NULL").first)
            #expect(try row.decode(Bool.self, at: 0))
        }
    }
}

@Suite struct OutboxTests {
    private struct Crash: Error {}

    private final class Recorder: Sendable {
        let numbers = Mutex<[Int64]>([])
    }

    private func append(_ numbers: Range<Int>, _ outbox: Outbox, _ pool: PostgresPool) async throws {
        for number in numbers {
            try await pool.withTransaction { connection in
                try await connection.execute("INSERT INTO changes VALUES (\(number))")
                try await outbox.append(
                    subject: "events.things.thing.created", payload: Self.payload(number), on: connection)
            }
            outbox.wake()
        }
    }

    private static func payload(_ number: Int) -> ByteBuffer { ByteBuffer(string: "\(number)") }

    private static let migrations = [
        Outbox.migration(number: 1), Migration(number: 2, name: "changes", sql: "CREATE TABLE changes (n bigint)"),
    ]

    @Test func eventsComeOutInOrderAndOnlyOfWhatWasCommitted() async throws {
        try await withPool(schema: "things") { pool in
            try await pool.migrate(Self.migrations)
            let outbox = Outbox(pool: pool, configuration: .init(batchSize: 7))
            let published = Mutex<[String]>([])
            let relay = Task {
                await outbox.run { entries in
                    published.withLock { $0 += entries.map { String(buffer: $0.payload) } }
                }
            }
            try await append(0..<50, outbox, pool)
            await #expect(throws: Crash.self) {
                try await pool.withTransaction { connection in
                    try await outbox.append(subject: "x", payload: ByteBuffer(string: "never"), on: connection)
                    throw Crash()
                }
            }
            try await append(50..<60, outbox, pool)
            try await eventually { published.withLock { $0.count } == 60 }
            #expect(published.withLock { $0 } == (0..<60).map(String.init))
            try await eventually { try await pool.execute("SELECT 1 FROM outbox").isEmpty }
            relay.cancel()
            await relay.value
        }
    }

    /// The crash between publishing and the relay's commit, as the relay sees it: published, and then it fails.
    @Test func aCrashBehindThePublishRepeatsTheBatchAndLosesNothing() async throws {
        try await withPool(schema: "things") { pool in
            try await pool.migrate(Self.migrations)
            let outbox = Outbox(pool: pool, configuration: .init(batchSize: 4))
            try await append(0..<10, outbox, pool)
            let published = Mutex<[String]>([])
            await #expect(throws: Crash.self) {
                _ = try await outbox.relay { entries in
                    published.withLock { $0 += entries.map { String(buffer: $0.payload) } }
                    throw Crash()
                }
            }
            // And the connection cut by the server at that very moment.
            await #expect(throws: PostgresError.self) {
                _ = try await outbox.relay { entries in
                    published.withLock { $0 += entries.map { String(buffer: $0.payload) } }
                    try await pool.execute(
                        """
                        SELECT pg_terminate_backend(pid) FROM pg_stat_activity
                        WHERE pid <> pg_backend_pid() AND datname = current_database()
                        """)
                }
            }
            var count = 1
            while count > 0 {
                count = try await outbox.relay { entries in
                    published.withLock { $0 += entries.map { String(buffer: $0.payload) } }
                }
            }
            let firstBatch = (0..<4).map(String.init)
            #expect(published.withLock { $0 } == firstBatch + firstBatch + (0..<10).map(String.init))
        }
    }

    @Test func severalInstancesPublishEachEventOnceAndInOrder() async throws {
        let url = try await PostgresCluster.shared().createDatabase()
        try await withPool(url: url, schema: "things") { first in
            try await withPool(url: url, schema: "things") { second in
                try await first.migrate(Self.migrations)
                let outboxes = [first, second].map { Outbox(pool: $0, configuration: .init(batchSize: 3)) }
                let published = Recorder()
                let relays = outboxes.map { outbox in
                    Task { await outbox.run { entries in published.numbers.withLock { $0 += entries.map(\.number) } } }
                }
                try await withThrowingTaskGroup(of: Void.self) { group in
                    for (outbox, pool) in zip(outboxes, [first, second]) {
                        group.addTask { try await append(0..<100, outbox, pool) }
                    }
                    try await group.waitForAll()
                }
                try await eventually { published.numbers.withLock { $0.count } >= 200 }
                #expect(published.numbers.withLock { Set($0).count } == 200)
                for relay in relays { relay.cancel() }
                for relay in relays { await relay.value }
            }
        }
    }
}
