// SPDX-License-Identifier: Apache-2.0
import Core
import Logging
import Postgres

/// Removes what is older than the operator wants to keep: whole partitions, and rows of the default partitions and the dead letters.
struct Retention: Sendable {
    /// What a run removes, or would.
    struct Plan: Sendable, Equatable {
        struct Partition: Sendable, Equatable {
            var name: SQLIdentifier
            var table: MessageTable
            var bytes: Int64
        }

        var partitions: [Partition]
        /// Everything before this, nanoseconds since 1970.
        var before: Int64
    }

    let pool: PostgresPool
    /// 0: keep for ever.
    let days: Int
    let clock: WallClock
    let logger: Logger

    /// Rows of a default partition that one statement removes: short locks, a bounded transaction.
    private static let rowsPerStatement = 10_000

    /// nil: everything is kept.
    func plan() async throws -> Plan? {
        guard days > 0 else { return nil }
        let oldest = Day(containing: clock.now()).advanced(by: -days)
        let rows = try await pool.execute(
            """
            SELECT c.relname, pg_total_relation_size(c.oid) FROM pg_class c JOIN pg_inherits i ON i.inhrelid = c.oid
            WHERE i.inhparent IN (to_regclass('senml'), to_regclass('json'), to_regclass('blobs')) ORDER BY c.relname
            """)
        var partitions: [Plan.Partition] = []
        for row in rows {
            let (name, bytes) = try row.decode((String, Int64).self)
            for table in MessageTable.allCases {
                let prefix = "\(table.name)_p"
                guard name.hasPrefix(prefix), let day = Day(digits: name.dropFirst(prefix.count)), day < oldest,
                    let identifier = SQLIdentifier(checking: name)
                else { continue }
                partitions.append(Plan.Partition(name: identifier, table: table, bytes: bytes))
            }
        }
        return Plan(partitions: partitions, before: oldest.start)
    }

    /// Each partition in a transaction of its own; one that is busy is left for the next run.
    func apply(_ plan: Plan) async throws {
        for partition in plan.partitions {
            do {
                try await pool.withTransaction { connection in
                    // A long query on the table must not make the writer wait behind us.
                    try await connection.executeScript("SET LOCAL lock_timeout = '2s'")
                    try await connection.execute("DROP TABLE IF EXISTS \(partition.name)", prepared: false)
                }
                logger.info(
                    "partition dropped by retention",
                    metadata: ["partition": "\(partition.name)", "bytes": "\(partition.bytes)"])
            } catch let error as PostgresError where error.sqlState == .lockNotAvailable {
                logger.info("partition is busy; dropped later", metadata: ["partition": "\(partition.name)"])
            }
        }
        for table in MessageTable.allCases {
            try await remove(from: table.defaultPartition, before: plan.before, column: table.timeColumn)
        }
        try await remove(from: "dead_letters", before: plan.before, column: "at")
        try await remove(from: "last_messages", before: plan.before, column: "created")
    }

    private func remove(from table: SQLIdentifier, before: Int64, column: SQLIdentifier) async throws {
        var removed = Self.rowsPerStatement
        while removed == Self.rowsPerStatement {
            removed = try await pool.execute(
                """
                DELETE FROM \(table) WHERE ctid = ANY(ARRAY(
                    SELECT ctid FROM \(table) WHERE \(column) < \(before) LIMIT \(Self.rowsPerStatement)))
                """
            ).affectedRows
        }
    }
}
