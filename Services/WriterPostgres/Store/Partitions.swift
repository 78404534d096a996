// SPDX-License-Identifier: Apache-2.0
import Core
import Logging
import Postgres
import Synchronization

/// Makes the day partitions that rows need, within a window around now.
///
/// Devices with wrong clocks must not make partitions without end: rows outside the window go into the default partition. When the window has
/// moved on to a day of which the default partition holds rows already, they are moved into the new partition.
final class Partitions: Sendable {
    /// How far a device's clock may be ahead and still get a partition.
    static let futureDays = 1

    private let pool: PostgresPool
    private let pastDays: Int
    private let clock: WallClock
    private let logger: Logger
    /// Known to exist, or to be left to the default partition until the next maintenance.
    private let known = Mutex<[MessageTable: Set<Day>]>([:])

    init(pool: PostgresPool, pastDays: Int, clock: WallClock, logger: Logger) {
        self.pool = pool
        self.pastDays = pastDays
        self.clock = clock
        self.logger = logger
    }

    /// Makes what is missing for these days; does nothing for days outside the window.
    func ensure(_ days: [MessageTable: Set<Day>]) async throws(PostgresError) {
        let today = Day(containing: clock.now())
        let window = today.advanced(by: -pastDays)...today.advanced(by: Self.futureDays)
        for (table, needed) in days {
            let missing = known.withLock { needed.subtracting($0[table] ?? []) }.filter { window.contains($0) }
            for day in missing.sorted() {
                try await create(table, day)
                known.withLock { _ = $0[table, default: []].insert(day) }
            }
        }
    }

    /// Today's and tomorrow's, so that midnight finds them made.
    func prepareNextDays() async throws(PostgresError) {
        known.withLock { $0.removeAll() }
        let today = Day(containing: clock.now())
        let days = Set((0...Self.futureDays).map { today.advanced(by: $0) })
        try await ensure(Dictionary(uniqueKeysWithValues: MessageTable.allCases.map { ($0, days) }))
    }

    static func name(_ table: MessageTable, _ day: Day) -> SQLIdentifier? {
        SQLIdentifier(checking: "\(table.name)_p\(day.digits)")
    }

    private func create(_ table: MessageTable, _ day: Day) async throws(PostgresError) {
        guard let partition = Self.name(table, day) else { return }
        do throws(PostgresError) {
            try await pool.perform { session throws(PostgresError) in
                try session.transaction { session throws(PostgresError) in
                    try session.createPartition(partition, of: table, day)
                }
            }
        } catch {
            // The rows have a place all the same: what keeps a partition from being made must not keep messages from being stored.
            guard !error.isRetriable else { throw error }
            logger.error(
                "partition cannot be made; its rows go to the default partition",
                metadata: ["partition": "\(partition)", "error": "\(error)"])
        }
    }
}

extension PostgresSession {
    fileprivate func createPartition(
        _ partition: SQLIdentifier, of table: MessageTable, _ day: Day
    ) throws(PostgresError) {
        try executeScript("SET LOCAL statement_timeout = 0")
        try execute("SELECT pg_advisory_xact_lock(hashtextextended('martlet partitions of ' || current_schema(), 0))")
        let exists = try execute("SELECT 1 FROM pg_class WHERE oid = to_regclass(\(partition.name))")
        guard exists.isEmpty else { return }
        // Made apart and then attached: readers of the other partitions need not wait.
        try execute("CREATE TABLE \(partition) (LIKE \(table.name) INCLUDING DEFAULTS)", prepared: false)
        try execute(
            """
            WITH moved AS (
                DELETE FROM \(table.defaultPartition)
                WHERE \(table.timeColumn) >= \(day.start) AND \(table.timeColumn) < \(day.end) RETURNING *
            )
            INSERT INTO \(partition) SELECT * FROM moved
            """, prepared: false)
        try execute(
            """
            ALTER TABLE \(table.name) ATTACH PARTITION \(partition)
                FOR VALUES FROM (\(literal: day.start)) TO (\(literal: day.end))
            """, prepared: false)
    }
}
