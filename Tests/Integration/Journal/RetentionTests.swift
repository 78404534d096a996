// SPDX-License-Identifier: Apache-2.0
import Core
import Logging
import Observability
import Postgres
import TestKit
import Testing

@testable import JournalService

/// Old entries go as the operator says, in pieces, and by no other way; young ones stay.
@Suite(.serialized) struct RetentionTests {
    private static let now = WallClock.system.now()
    private static let day: Int64 = 86_400 * 1_000_000_000

    /// The journal's schema, with entries that happened, and were written, days ago.
    private func withJournal(
        _ ages: [(at: Int64, recordedAt: Int64)], _ body: (PostgresJournalStore) async throws -> Void
    ) async throws {
        let configuration = PostgresConfiguration(
            url: try await PostgresCluster.shared().createDatabase(), schema: SQLIdentifier(checking: "journal"))
        let pool = PostgresPool(configuration: configuration, logger: Logger(label: "journal"))
        defer { pool.close() }
        try await pool.migrate(JournalMigrations.all)
        try await Self.insert(ages, into: pool)
        try await body(PostgresJournalStore(pool: pool, clock: .system))
    }

    private static func insert(_ ages: [(at: Int64, recordedAt: Int64)], into pool: PostgresPool) async throws {
        let times = ages.map { now - $0.at * day }
        let recorded = ages.map { now - $0.recordedAt * day }
        try await pool.execute(
            """
            WITH added AS (
                INSERT INTO journal.entries (id, at, count, service, entity, operation, result, entities, detail, recorded_at)
                SELECT gen_random_uuid(), at, 1, 'users', 'user', 'user.created', 'done',
                    ARRAY[gen_random_uuid(), gen_random_uuid()], '{}', recorded_at
                FROM unnest(\(times), \(recorded)) AS age (at, recorded_at) RETURNING *)
            INSERT INTO journal.entry_entities SELECT unnest(entities), at, number FROM added
            """)
    }

    private func ages(_ pool: PostgresPool) async throws -> [Int] {
        let rows = try await pool.execute(
            "SELECT at FROM journal.entries WHERE operation = 'user.created' ORDER BY at DESC")
        var ages: [Int] = []
        for row in rows { ages.append(Int((Self.now - (try row.decode(Int64.self, at: 0))) / Self.day)) }
        return ages
    }

    private func names(_ pool: PostgresPool) async throws -> Int {
        let rows = try await pool.execute(
            """
            SELECT count(*) FROM journal.entry_entities AS name
            WHERE EXISTS (SELECT FROM journal.entries AS entry WHERE entry.number = name.number)
            UNION ALL SELECT count(*) FROM journal.entry_entities
            """)
        let counts = try rows.map { try $0.decode(Int.self, at: 0) }
        try #require(counts.count == 2 && counts[0] == counts[1], "names of entries that are gone")
        return counts[1]
    }

    @Test func whatIsOldGoesAndWhatIsYoungStays() async throws {
        // The last but one says that it is old and came only now: it is kept as long as if it had happened now.
        try await withJournal([(0, 0), (29, 29), (31, 31), (400, 400), (40, 0), (0, 40)]) { store in
            let metrics = MetricsRegistry()
            let retention = JournalRetention(
                store: store, days: 30, clock: .system, metrics: metrics, logger: Logger(label: "retention"))
            try await retention.removeExpired()
            #expect(try await ages(store.pool) == [0, 0, 29, 40])
            #expect(try await names(store.pool) == 8)
            #expect(metrics.exposition().contains("martlet_journal_removed_total 2\n"))
            // Nothing is left to do, and nothing is entered.
            try await retention.removeExpired()
            let account = try await store.pool.execute("SELECT entries FROM removals")
            #expect(try account.map { try $0.decode(Int32.self, at: 0) } == [2])
        }
    }

    @Test func manyGoInPiecesOldestFirst() async throws {
        let pieces = JournalRetention.entriesPerTransaction
        try await withJournal((0..<(2 * pieces + 10)).map { (Int64(40 + $0 % 7), 40) }) { store in
            let before = Self.now - 30 * Self.day
            #expect(try await store.removeExpired(before: before, atMost: 3) == 3)
            #expect(try await ages(store.pool).last == 46)
            try await JournalRetention(
                store: store, days: 30, clock: .system, metrics: MetricsRegistry(), logger: Logger(label: "retention")
            ).removeExpired()
            #expect(try await ages(store.pool).isEmpty)
            #expect(try await names(store.pool) == 0)
            let account = try await store.pool.execute("SELECT entries FROM removals ORDER BY number")
            #expect(try account.map { Int(try $0.decode(Int32.self, at: 0)) } == [3, pieces, pieces, 7])
        }
    }

    @Test func nobodyElseRemovesAnything() async throws {
        try await withJournal([(0, 0), (50, 50), (400, 400)]) { store in
            // Nothing of the last day, whatever is asked for.
            await #expect(throws: PostgresError.self) {
                try await store.removeExpired(before: Self.now - Self.day / 2, atMost: 10)
            }
            let attempts: [SQL] = [
                "DELETE FROM entries WHERE at < 1", "DELETE FROM entries", "DELETE FROM entry_entities",
                "DELETE FROM removals", "UPDATE removals SET before = 0", "TRUNCATE removals",
                "TRUNCATE entry_entities",
                "UPDATE entries SET recorded_at = 1", "UPDATE entry_entities SET at = 1",
                "INSERT INTO removals (transaction, at, before, entries) VALUES ('1', 9223372036854775807, 9000000000000000000, 1)",
            ]
            for attempt in attempts {
                await #expect(throws: PostgresError.self, "\(attempt.text)") { try await store.pool.execute(attempt) }
            }
            // Not in the transaction of a removal either, nor with a list of removals of one's own.
            await #expect(throws: PostgresError.self) {
                try await store.pool.withTransaction { connection in
                    try await connection.execute("SELECT remove_expired(\(Self.now - 100 * Self.day), 10)")
                    try await connection.execute("DELETE FROM entries WHERE at < \(Self.now - 20 * Self.day)")
                }
            }
            await #expect(throws: PostgresError.self) {
                try await store.pool.withTransaction { connection in
                    try await connection.execute(
                        "CREATE TEMP TABLE removals AS SELECT pg_current_xact_id() AS transaction, 9000000000000000000 AS before"
                    )
                    try await connection.execute("DELETE FROM journal.entries")
                }
            }
            let left = try await ages(store.pool)
            #expect(left == [0, 50, 400])
        }
    }

    @Test func theServiceRemovesWhatItsSettingSays() async throws {
        let stack = try await Stack.start(
            settings: [
                "users": ["MARTLET_USERS_PASSWORD_COST": "10"], "journal": ["MARTLET_JOURNAL_RETENTION_DAYS": "30"],
            ])
        try await Self.insert([(10, 10), (31, 31), (365, 365)], into: stack.database)
        try await stack.killAndRestart("journal")
        try await eventually("what is old is gone") { try await ages(stack.database).filter { $0 > 0 } == [10] }
        try await stack.waitUntilHealthy(["journal"])
        #expect(try await stack.metric("journal", "martlet_journal_removed_total") == 2)
        await #expect(throws: PostgresError.self) { try await stack.database.execute("DELETE FROM journal.entries") }
        try await stack.stop()
    }
}
