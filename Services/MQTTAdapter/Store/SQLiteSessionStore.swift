// SPDX-License-Identifier: Apache-2.0
import Dispatch
import Glibc
import Logging
import NIOCore
import Observability
import Synchronization

/// Sessions in an SQLite file.
///
/// One queue of its own reads and writes, so that nothing that waits for a disk holds a thread of others. What is committed while it writes
/// waits and is written together in the next transaction: the slower the disk, the more share a sync.
package final class SQLiteSessionStore: SessionStore {
    private let configuration: StoreConfiguration
    private let queue: DispatchQueue
    private let database: Confined
    private let inbox = Mutex(StoreInbox())
    private let counted: Mutex<StoreTotals>

    /// Leaves the queue with nobody but it.
    private final class Confined: @unchecked Sendable {
        let value: StoreDatabase
        init(_ value: StoreDatabase) { self.value = value }
    }

    private init(_ database: StoreDatabase, _ queue: DispatchQueue) {
        configuration = database.configuration
        self.queue = queue
        self.database = Confined(database)
        var totals = StoreTotals()
        totals.entries = database.entries.entries
        totals.bytes = database.entries.bytes
        counted = Mutex(totals)
    }

    /// Opens the file, or makes it. It is locked until ``close()`` or the end of the process.
    ///
    /// - Throws: `failed` with the file's path in the text: another process has it open, it is damaged, of another program or of a newer version.
    package static func open(
        _ configuration: StoreConfiguration, logger: Logger
    ) async throws(SessionStoreError) -> SQLiteSessionStore {
        let queue = DispatchQueue(label: "session-store")
        let result: Result<SQLiteSessionStore, SessionStoreError> = await withCheckedContinuation { continuation in
            queue.async {
                do throws(SessionStoreError) {
                    let database = try StoreDatabase(configuration, logger: logger)
                    continuation.resume(returning: .success(SQLiteSessionStore(database, queue)))
                } catch {
                    continuation.resume(returning: .failure(error))
                }
            }
        }
        return try result.get()
    }

    package var path: String { configuration.path }

    // MARK: SessionStore

    package func load() async throws(SessionStoreError) -> StoredState {
        let result = await onQueue { database in
            do throws(SessionStoreError) { return Result<_, SessionStoreError>.success(try database.load()) } catch {
                return .failure(error)
            }
        }
        return try result.get()
    }

    package func commit(
        _ changes: [StoreChange], completion: @escaping @Sendable (Result<Void, SessionStoreError>) -> Void
    ) {
        let bytes = changes.reduce(0) { $0 + $1.bytes }
        let commit = StoreInbox.Commit(changes: changes, bytes: bytes, completion: completion)
        attend(inbox.withLock { $0.add(commit, maximumBytes: configuration.maximumWaitingBytes) })
    }

    package func entries(
        of session: SessionNumber, after order: UInt64, maximumBytes: Int,
        completion: @escaping @Sendable (Result<[StoredEntry], SessionStoreError>) -> Void
    ) {
        later { database in
            do throws(SessionStoreError) {
                completion(.success(try database.entries(of: session, after: order, maximumBytes: maximumBytes)))
            } catch {
                completion(.failure(error))
            }
        }
    }

    package func close() async {
        await onQueue { $0.close() }
    }

    /// Cheap: two counters and the sizes of two files.
    package var totals: StoreTotals {
        var totals = counted.withLock { $0 }
        (totals.waitingCommits, totals.waitingBytes) = inbox.withLock { ($0.commits, $0.bytes) }
        totals.unreadableRows = database.value.unreadableRows.load(ordering: .relaxed)
        totals.fileBytes = Self.size(of: configuration.path) + Self.size(of: configuration.path + "-wal")
        return totals
    }

    private static func size(of path: String) -> Int {
        var status = stat()
        return stat(path, &status) == 0 ? Int(status.st_size) : 0
    }

    // MARK: The queue

    private func onQueue<Value: Sendable>(_ body: @escaping @Sendable (StoreDatabase) -> Value) async -> Value {
        await withCheckedContinuation { continuation in later { continuation.resume(returning: body($0)) } }
    }

    private func later(_ job: @escaping @Sendable (StoreDatabase) -> Void) {
        attend(inbox.withLock { $0.add(job) })
    }

    private func attend(_ isNeeded: Bool) {
        if isNeeded { queue.async { self.work() } }
    }

    /// Does what waits, on the queue.
    private func work() {
        let database = database.value
        while let job = inbox.withLock({
            $0.next(maximumCommits: configuration.groupCommits, maximumBytes: configuration.groupBytes)
        }) {
            switch job {
            case .write(let commits): write(commits, database)
            case .other(let job): job(database)
            }
            if inbox.withLock({ $0.isEmpty }) { shrink(database) }
        }
    }

    /// As long as nothing else is to be done.
    private func shrink(_ database: StoreDatabase) {
        while database.shrink(), inbox.withLock({ $0.isEmpty }) {}
    }

    private func write(_ commits: [StoreInbox.Commit], _ database: StoreDatabase) {
        let accepted = commits.compactMap(\.changes)
        var results = (accepted.isEmpty ? [] : database.write(accepted))[...]
        let failed = commits.count - results.count { if case .success = $0 { true } else { false } }
        counted.withLock {
            $0.entries = database.entries.entries
            $0.bytes = database.entries.bytes
            $0.commits += UInt64(commits.count)
            $0.groups += 1
            $0.failedCommits += UInt64(failed)
        }
        for commit in commits {
            let result = commit.changes == nil ? nil : results.popFirst()
            commit.completion(result ?? .failure(.failed("too much waits to be written to the session store")))
        }
    }
}

extension StoreChange {
    /// Bytes of memory that it takes while it waits: its envelope's, and a share for the rest.
    var bytes: Int {
        let envelope =
            switch self {
            case .entry(_, let entry): entry.envelope.readableBytes
            case .retained(let retained): retained.envelope.readableBytes
            case .session(let session): session.will?.publish.readableBytes ?? 0
            default: 0
            }
        return envelope + 256
    }
}
