// SPDX-License-Identifier: Apache-2.0
import Logging

extension PostgresPool {
    /// Brings the pool's schema to the last of `migrations`; several services may start at the same time.
    ///
    /// Works under an advisory lock, and records number, name and SHA-256 of each step in `<schema>.schema_migrations`.
    /// - Returns: the numbers that were applied now.
    /// - Throws: ``PostgresError/Kind/migration`` when a recorded step differs from the program's or the numbers have a gap; steps in the record
    ///   that are *newer* than the program's are accepted, so that an older release can be started beside a newer one.
    @discardableResult
    public func migrate(_ migrations: [Migration]) async throws(PostgresError) -> [Int32] {
        guard let schema = configuration.schema else {
            throw PostgresError(.migration, "the configuration names no schema")
        }
        guard migrations.map(\.number) == migrations.indices.map({ Int32(clamping: $0 + 1) }) else {
            throw PostgresError(.migration, "migrations of \(schema) are not numbered 1, 2, 3, …")
        }
        let connection = try await acquire()
        let applied: [Int32]
        do throws(PostgresError) {
            applied = try await connection.perform { session throws(PostgresError) in
                try session.migrate(schema, migrations)
            }
        } catch {
            await release(connection)
            throw error
        }
        await release(connection)
        for migration in migrations where applied.contains(migration.number) {
            logger.info(
                "migration applied",
                metadata: ["schema": "\(schema)", "migration": "\(migration.number) \(migration.name)"])
        }
        return applied
    }
}

extension PostgresSession {
    fileprivate func migrate(_ schema: SQLIdentifier, _ migrations: [Migration]) throws(PostgresError) -> [Int32] {
        try prepareRecord(of: schema)
        var applied: [Int32] = []
        for migration in migrations {
            let isNew = try transaction { session throws(PostgresError) in
                try session.lockMigrations(of: schema)
                return try session.apply(migration, in: schema)
            }
            if isNew { applied.append(migration.number) }
        }
        return applied
    }

    /// Until the end of the transaction nobody else migrates this schema. A migration may take long: no statement timeout.
    private func lockMigrations(of schema: SQLIdentifier) throws(PostgresError) {
        try executeScript("SET LOCAL statement_timeout = 0; SET LOCAL idle_in_transaction_session_timeout = 0")
        try execute("SELECT pg_advisory_xact_lock(hashtextextended(\("martlet migrations of \(schema.name)"), 0))")
    }

    private func prepareRecord(of schema: SQLIdentifier) throws(PostgresError) {
        try transaction { session throws(PostgresError) in
            try session.lockMigrations(of: schema)
            // Asked first, because IF NOT EXISTS demands the right to create even where there is nothing to create.
            if try session.execute("SELECT 1 FROM pg_namespace WHERE nspname = \(schema.name)::name").isEmpty {
                try session.execute("CREATE SCHEMA \(schema)", prepared: false)
            }
            try session.execute(
                """
                CREATE TABLE IF NOT EXISTS \(schema).schema_migrations (
                    number integer PRIMARY KEY,
                    name text NOT NULL,
                    checksum bytea NOT NULL,
                    applied_at timestamptz NOT NULL DEFAULT now()
                )
                """, prepared: false)
        }
    }

    /// - Returns: false when it had been applied before.
    private func apply(_ migration: Migration, in schema: SQLIdentifier) throws(PostgresError) -> Bool {
        let text = migration.sql.withUTF8Buffer { String(decoding: $0, as: UTF8.self) }
        let recorded = try execute(
            """
            SELECT checksum = sha256(convert_to(\(text), 'UTF8')) FROM \(schema).schema_migrations
            WHERE number = \(migration.number)
            """)
        if let row = recorded.first {
            guard try row.decode(Bool.self, at: 0) else {
                throw PostgresError(
                    .migration,
                    "migration \(migration.number) (\(migration.name)) of \(schema) was applied with another text")
            }
            return false
        }
        try execute("SET LOCAL search_path TO \(schema)", prepared: false)
        try executeScript(migration.sql)
        try execute(
            """
            INSERT INTO \(schema).schema_migrations (number, name, checksum)
            VALUES (\(migration.number), \(migration.name), sha256(convert_to(\(text), 'UTF8')))
            """)
        return true
    }
}
