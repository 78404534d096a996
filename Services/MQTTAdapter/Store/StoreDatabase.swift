// SPDX-License-Identifier: Apache-2.0
import GRDB
import GRDBSQLite
import Logging
import NIOCore
import Observability
import Synchronization

/// The open file and its statements. Used on the store's queue only.
final class StoreDatabase {
    let configuration: StoreConfiguration
    let logger: Logger
    private let connection: DatabaseQueue
    /// nil once closed.
    private var statements: StoreStatements?
    /// Of what is committed.
    private(set) var entries = StoreSize()
    /// What the transaction that is being written changes of it.
    var uncommitted = StoreSize()
    private var groupsUntilLook = 0
    /// Rows that could not be read. The only part that other threads look at.
    let unreadableRows = Atomic<Int>(0)

    /// Opens the file, or makes it, and brings it to the newest schema.
    init(_ configuration: StoreConfiguration, logger: Logger) throws(SessionStoreError) {
        self.configuration = configuration
        self.logger = logger
        do {
            connection = try DatabaseQueue(path: configuration.path, configuration: Self.settings(configuration))
            (statements, entries) = try connection.writeWithoutTransaction { database in
                try Self.migrate(database, configuration)
                let size = try StoreStatement(database, StoreLoadSQL.totals).first(read: StoreSize.init)
                return (try StoreStatements(database), size ?? StoreSize())
            }
        } catch {
            throw SessionStoreError(error, path: configuration.path, systemError: 0)
        }
    }

    private static func settings(_ configuration: StoreConfiguration) -> Configuration {
        var settings = Configuration()
        settings.label = "session-store"
        settings.foreignKeysEnabled = false
        settings.prepareDatabase { database in
            // Locked for as long as it is open: two adapters on one store would deliver and acknowledge behind each other's back.
            try database.execute(sql: "PRAGMA locking_mode = EXCLUSIVE")
            // What the file says of its own schema is not trusted with functions that do something.
            try database.execute(sql: "PRAGMA trusted_schema = OFF")
            try database.execute(sql: "PRAGMA cell_size_check = ON")
            try refuseForeign(database)
            // Only a new file takes it over.
            try database.execute(sql: "PRAGMA auto_vacuum = INCREMENTAL")
            let mode = try String.fetchOne(database, sql: "PRAGMA journal_mode = WAL")
            guard mode == "wal" else { throw StoreFault.unusableFile("it cannot have a write-ahead log") }
            // A commit is on the disk when it returns: in WAL mode this syncs the log once each.
            try database.execute(sql: "PRAGMA synchronous = FULL")
            // Checkpointed at 1000 pages (SQLite's own default, stated): only a large transaction lets the log grow beyond, for as long as that.
            try database.execute(sql: "PRAGMA wal_autocheckpoint = 1000")
            try database.execute(sql: "PRAGMA journal_size_limit = 16777216")
            // Negative: KiB.
            try database.execute(sql: "PRAGMA cache_size = -16384")
            let pageBytes = try Int.fetchOne(database, sql: "PRAGMA page_size") ?? 4096
            let pages = max(configuration.maximumFileBytes / max(pageBytes, 512), 1)
            try database.execute(sql: "PRAGMA max_page_count = \(min(pages, 1 << 30))")
        }
        return settings
    }

    /// Before anything is written: another program's file stays as it is.
    private static func refuseForeign(_ database: Database) throws {
        let tables = try Int.fetchOne(database, sql: "SELECT count(*) FROM sqlite_master") ?? 0
        let application = try Int64.fetchOne(database, sql: "PRAGMA application_id") ?? 0
        guard tables == 0 || application == StoreMigrations.applicationIdentifier else {
            throw StoreFault.unusableFile("it is another program's database")
        }
    }

    private static func migrate(_ database: Database, _ configuration: StoreConfiguration) throws {
        let applied = try Int64.fetchOne(database, sql: "PRAGMA user_version") ?? 0
        guard applied <= StoreMigrations.all.count else {
            throw StoreFault.unusableFile("it was written by a newer version (schema \(applied))")
        }
        for migration in StoreMigrations.all where migration.number > applied {
            try database.inTransaction(.immediate) {
                try database.execute(sql: "PRAGMA application_id = \(StoreMigrations.applicationIdentifier)")
                try database.execute(sql: migration.sql)
                try database.execute(sql: "PRAGMA user_version = \(migration.number)")
                return .commit
            }
        }
    }

    // MARK: Access

    /// Calls `body` with the statements; what it throws becomes the store's error.
    func access<Value>(_ body: (Database, StoreStatements) throws -> Value) throws(SessionStoreError) -> Value {
        guard let statements else { throw .closed }
        var systemError: Int32 = 0
        do {
            return try connection.writeWithoutTransaction { database in
                do { return try body(database, statements) } catch {
                    systemError = sqlite3_system_errno(database.sqliteConnection)
                    throw error
                }
            }
        } catch {
            throw SessionStoreError(error, path: configuration.path, systemError: systemError)
        }
    }

    /// One transaction, synced when this returns.
    private func transaction(_ body: (StoreStatements) throws -> Void) throws(SessionStoreError) {
        uncommitted = StoreSize()
        groupsUntilLook -= 1
        try access { database, statements in
            try database.inTransaction(.immediate) {
                try body(statements)
                return .commit
            }
        }
        entries += uncommitted
    }

    /// Writes commits that waited together, in one transaction. One that fails does not take the others along: then each gets its own.
    ///
    /// - Returns: each one's result.
    func write(_ commits: [[StoreChange]]) -> [Result<Void, SessionStoreError>] {
        do throws(SessionStoreError) {
            try transaction { statements in
                for changes in commits {
                    for change in changes { try apply(change, statements) }
                }
            }
            return commits.map { _ in .success(()) }
        } catch {
            guard commits.count > 1 else { return commits.map { _ in .failure(error) } }
            return commits.flatMap { write([$0]) }
        }
    }

    /// Gives a part of the free pages back to the file system where there are many of them. Looks only now and then whether there are.
    ///
    /// - Returns: whether there is more to give.
    func shrink() -> Bool {
        guard groupsUntilLook <= 0, statements != nil else { return false }
        do throws(SessionStoreError) {
            return try access { database, _ in
                let free = try Int.fetchOne(database, sql: "PRAGMA freelist_count") ?? 0
                let pages = try Int.fetchOne(database, sql: "PRAGMA page_count") ?? 0
                // Less is soon used again: a file that breathes would only cost writes.
                guard free > max(Self.keptFreePages, pages / 4) else {
                    groupsUntilLook = Self.groupsBetweenLooks
                    return false
                }
                try database.execute(sql: "PRAGMA incremental_vacuum(\(Self.pagesGivenBack))")
                return true
            }
        } catch {
            logger.warning("cannot shrink the session store", metadata: [LogKey.error: "\(error)"])
            return false
        }
    }

    private static let groupsBetweenLooks = 64
    /// 16 MiB.
    private static let keptFreePages = 4096
    /// 4 MiB: a commit that comes meanwhile waits for no more.
    private static let pagesGivenBack = 1024

    /// The log is written back into the file and removed.
    func close() {
        statements = nil
        do { try connection.close() } catch {
            logger.error("cannot close the session store", metadata: [LogKey.error: "\(error)"])
        }
    }

    /// Counts and reports a row that is left out.
    func leaveOut(_ fault: StoreFault, _ table: String) {
        unreadableRows.wrappingAdd(1, ordering: .relaxed)
        logger.error(
            "a row of the session store cannot be read and is left out",
            metadata: [
                LogKey.path: "\(configuration.path)", LogKey.detail: "\(table)", LogKey.error: "\(fault)",
            ])
    }
}
