// SPDX-License-Identifier: Apache-2.0
import Core
import NIOCore
import Postgres
import Synchronization
import TestKit
import Testing

@Suite struct PoolTests {
    @Test func aFullPoolRefusesAfterTheTimeoutAndACrowdedOneAtOnce() async throws {
        try await withPool {
            $0.maximumConnections = 2
            $0.maximumWaiters = 1
            $0.acquireTimeout = .seconds(5)
        } _: { pool in
            let (released, release) = AsyncStream.makeStream(of: Void.self)
            try await withThrowingTaskGroup(of: Void.self) { group in
                for lent in 1...2 as ClosedRange<UInt64> {
                    group.addTask {
                        try await pool.withConnection { connection in
                            try await connection.execute("SELECT 1")
                            for await _ in released {}
                        }
                    }
                    // One after the other: who waits for a connection to be made takes a place in the queue too.
                    try await eventually { pool.statistics.acquired == lent }
                }
                let waiting = Task { try await pool.execute("SELECT 1") }
                try await eventually { pool.statistics.waiting == 1 }
                let refused = await #expect(throws: PostgresError.self) { try await pool.execute("SELECT 1") }
                #expect(refused?.kind == .unavailable)
                #expect(refused?.isRetriable == true)
                let timedOut = await #expect(throws: PostgresError.self) { try await waiting.value }
                #expect(timedOut?.kind == .unavailable)
                release.finish()
                try await group.waitForAll()
            }
            #expect(pool.statistics.refused == 1)
            #expect(pool.statistics.timedOut == 1)
            try await pool.execute("SELECT 1")
            #expect(pool.statistics.connections == 2)
        }
    }

    @Test func manyCallersShareFewConnections() async throws {
        try await withPool {
            $0.maximumConnections = 3
        } _: { pool in
            try await pool.execute("CREATE TABLE counters (id int PRIMARY KEY, n bigint NOT NULL)")
            try await pool.execute("INSERT INTO counters VALUES (1, 0)")
            try await withThrowingTaskGroup(of: Void.self) { group in
                for _ in 0..<200 {
                    group.addTask { try await pool.execute("UPDATE counters SET n = n + 1") }
                }
                try await group.waitForAll()
            }
            let row = try #require(try await pool.execute("SELECT n FROM counters").first)
            #expect(try row.decode(Int.self, at: 0) == 200)
            #expect(pool.statistics.connections <= 3)
        }
    }

    @Test func aTransactionThatThrowsLeavesNothing() async throws {
        struct Refused: Error {}
        try await withPool {
            $0.maximumConnections = 1
        } _: { pool in
            try await pool.execute("CREATE TABLE rows (n bigint UNIQUE)")
            await #expect(throws: Refused.self) {
                try await pool.withTransaction { connection in
                    try await connection.execute("INSERT INTO rows VALUES (\(1))")
                    throw Refused()
                }
            }
            // The same connection, clean again.
            #expect(try await pool.execute("SELECT 1 FROM rows").isEmpty)
            // A transaction left open by hand is rolled back as well.
            try await pool.withConnection { connection in
                try await connection.executeScript("BEGIN")
                try await connection.execute("INSERT INTO rows VALUES (\(2))")
            }
            #expect(try await pool.execute("SELECT 1 FROM rows").isEmpty)
            #expect(pool.statistics.connections == 1)
        }
    }

    @Test func anErrorThatIsSwallowedInATransactionComesOutAtCommit() async throws {
        try await withPool { pool in
            let error = await #expect(throws: PostgresError.self) {
                try await pool.withTransaction { connection in
                    _ = try? await connection.execute("SELECT 1 / \(0)")
                }
            }
            #expect(error?.kind == .transactionAborted)
        }
    }

    @Test func violationsAreToldApartByCodeAndConstraint() async throws {
        try await withPool { pool in
            try await pool.execute(
                "CREATE TABLE people (name text CONSTRAINT people_name_key UNIQUE, age int CONSTRAINT adult CHECK (age > 17))"
            )
            try await pool.execute("INSERT INTO people VALUES (\("ada"), \(36))")
            let twice = await #expect(throws: PostgresError.self) {
                try await pool.execute("INSERT INTO people VALUES (\("ada"), \(36))")
            }
            #expect(twice?.isUniqueViolation == true)
            #expect(twice?.constraint == "people_name_key")
            #expect(twice?.isRetriable == false)
            let young = await #expect(throws: PostgresError.self) {
                try await pool.execute("INSERT INTO people VALUES (\("bob"), \(3))")
            }
            #expect(young?.isCheckViolation == true)
            #expect(young?.constraint == "adult")
        }
    }

    @Test func conflictingSerializableTransactionsAreTriedAgain() async throws {
        try await withPool { pool in
            try await pool.execute("CREATE TABLE counters (n bigint NOT NULL)")
            try await pool.execute("INSERT INTO counters VALUES (0)")
            try await withThrowingTaskGroup(of: Void.self) { group in
                for _ in 0..<8 {
                    group.addTask {
                        try await pool.withTransaction(.serializable, maximumAttempts: 1_000) { connection in
                            let row = try #require(try await connection.execute("SELECT n FROM counters").first)
                            try await connection.execute(
                                "UPDATE counters SET n = \(try row.decode(Int.self, at: 0) + 1)")
                        }
                    }
                }
                try await group.waitForAll()
            }
            let row = try #require(try await pool.execute("SELECT n FROM counters").first)
            #expect(try row.decode(Int.self, at: 0) == 8)
        }
    }

    @Test func aPlanOutlivesAChangeOfItsTable() async throws {
        try await withPool {
            $0.maximumConnections = 1
        } _: { pool in
            try await pool.execute("CREATE TABLE things (a int)")
            #expect(try await pool.execute("SELECT * FROM things").columnNames == ["a"])
            try await pool.execute("ALTER TABLE things ADD COLUMN b int")
            #expect(try await pool.execute("SELECT * FROM things").columnNames == ["a", "b"])
        }
    }

    @Test func preparedStatementsAreBounded() async throws {
        try await withPool {
            $0.maximumConnections = 1
            $0.maximumPreparedStatements = 3
        } _: { pool in
            for offset in 0..<10 {
                try await pool.execute("SELECT \(offset) + \(literal: Int64(offset))")
            }
            let row = try #require(try await pool.execute("SELECT count(*) FROM pg_prepared_statements").first)
            #expect(try row.decode(Int.self, at: 0) == 3)
        }
    }

    @Test func theServerEndsAStatementThatTakesTooLong() async throws {
        try await withPool {
            $0.statementTimeout = .milliseconds(100)
        } _: { pool in
            let error = await #expect(throws: PostgresError.self) { try await pool.execute("SELECT pg_sleep(600)") }
            #expect(error?.sqlState == .queryCanceled)
            try await pool.execute("SELECT 1")
        }
    }

    @Test func cancellingATaskCancelsItsStatementAndSparesTheConnection() async throws {
        try await withPool {
            $0.maximumConnections = 1
        } _: { pool in
            for _ in 0..<5 {
                let task = Task { try await pool.execute("SELECT pg_sleep(600)") }
                try await withPool(url: pool.configuration.url) { observer in
                    try await eventually {
                        try await !observer.execute(
                            "SELECT 1 FROM pg_stat_activity WHERE query = 'SELECT pg_sleep(600)' AND state = 'active'"
                        ).isEmpty
                    }
                }
                task.cancel()
                let error = await #expect(throws: PostgresError.self) { try await task.value }
                #expect(error?.kind == .cancelled)
                try await pool.execute("SELECT 1")
            }
            #expect(pool.statistics.reconnects == 0)
        }
    }

    @Test func waitingForAConnectionCanBeCancelled() async throws {
        try await withPool {
            $0.maximumConnections = 1
        } _: { pool in
            try await pool.withConnection { _ in
                let waiting = Task { try await pool.execute("SELECT 1") }
                try await eventually { pool.statistics.waiting == 1 }
                waiting.cancel()
                let error = await #expect(throws: PostgresError.self) { try await waiting.value }
                #expect(error?.kind == .cancelled)
            }
        }
    }

    @Test func copyStoresAllRowsOrNone() async throws {
        try await withPool { pool in
            try await pool.execute(
                "CREATE TABLE rows (id uuid, n bigint, x float8, b bool, s text, j jsonb, raw bytea)")
            let statement: SQL = "COPY rows (id, n, x, b, s, j, raw) FROM STDIN (FORMAT binary)"
            let thing = ThingID.new()
            var buffer = CopyBuffer()
            for index in 0..<50_000 {
                buffer.beginRow(fields: 7)
                buffer.append(thing)
                buffer.append(Int64(index))
                buffer.append(Double(index) / 2)
                buffer.append(index % 2 == 0)
                try buffer.append(text: "row \(index)")
                try buffer.append(json: ByteBuffer(string: #"{"n":1}"#))
                try buffer.append(bytes: ByteBuffer(bytes: [0, 1, 2]))
            }
            let full = buffer
            let mark = buffer.mark
            buffer.beginRow(fields: 7)
            #expect(throws: PostgresError.self) { try buffer.append(text: "a\0b") }
            buffer.rewind(to: mark)
            #expect(buffer.rows == full.rows && buffer.byteCount == full.byteCount)
            let stored = try await pool.withConnection { connection in try await connection.copy(statement, full) }
            #expect(stored == 50_000)
            // One broken row behind good ones: nothing of it.
            var broken = full
            broken.beginRow(fields: 7)
            broken.append(thing)
            for _ in 0..<4 { broken.appendNull() }
            try broken.append(json: ByteBuffer(string: "{"))
            broken.appendNull()
            let rows = broken
            let error = await #expect(throws: PostgresError.self) {
                try await pool.withConnection { connection in _ = try await connection.copy(statement, rows) }
            }
            #expect(error?.isDataError == true)
            let row = try #require(
                try await pool.execute("SELECT count(*), sum(n)::int8, sum(x), max(s), bool_or(b) FROM rows").first)
            let (count, sum, halves, last, any) = try row.decode((Int, Int, Double, String, Bool).self)
            #expect(count == 50_000)
            #expect(sum == 49_999 * 25_000)
            #expect(halves == 49_999 * 12_500)
            #expect(last == "row 9999")
            #expect(any)
        }
    }
}
