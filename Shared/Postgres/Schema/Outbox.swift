// SPDX-License-Identifier: Apache-2.0
import Core
import Logging
import NIOCore
import Synchronization

/// Announces changes exactly when they are committed: an event is written in the same transaction as the change, and a relay publishes it.
///
/// Events come out in the order in which they were appended, each at least once: a crash between publishing and the relay's own commit
/// publishes it again, with the same payload. Any number of instances may relay: one at a time does, under an advisory lock.
///
///     try await pool.withTransaction { connection in
///         try await connection.execute("UPDATE things SET …")
///         try await outbox.append(subject: event.subject, payload: json, on: connection)
///     }
///     outbox.wake()   // after the commit: published within milliseconds
///
/// ``migration(number:)`` creates its table.
public final class Outbox: Sendable {
    /// An event as it is handed to the bus.
    public struct Entry: Sendable, Equatable {
        public var number: Int64
        public var subject: String
        public var payload: ByteBuffer
    }

    public struct Configuration: Sendable {
        /// Events per transaction of the relay.
        public var batchSize: Int
        /// How often the relay looks without being woken: for events of an instance that died, or of another one.
        public var pollInterval: Duration

        public init(batchSize: Int = 256, pollInterval: Duration = .seconds(1)) {
            self.batchSize = min(max(batchSize, 1), 10_000)
            self.pollInterval = pollInterval
        }
    }

    private let pool: PostgresPool
    private let configuration: Configuration
    private let wakeUps: AsyncStream<Void>
    private let wakeUp: AsyncStream<Void>.Continuation
    private let counters = Mutex(OutboxStatistics())

    public init(pool: PostgresPool, configuration: Configuration = Configuration()) {
        self.pool = pool
        self.configuration = configuration
        // One wake-up is as good as many.
        (wakeUps, wakeUp) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(1))
    }

    public var statistics: OutboxStatistics { counters.withLock { $0 } }

    /// The outbox's table, as one step of the service's own migrations.
    public static func migration(number: Int32) -> Migration {
        Migration(
            number: number, name: "create-outbox",
            sql: """
                CREATE TABLE outbox (
                    number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
                    subject text NOT NULL,
                    payload bytea NOT NULL,
                    appended_at timestamptz NOT NULL DEFAULT clock_timestamp()
                )
                """)
    }

    /// Writes an event into the transaction that is open on `connection`, after the change that it announces.
    ///
    /// In that order two changes of the same row are announced in the order of their commits: the second one's event gets its number only after
    /// the row's lock was released.
    public func append(subject: String, payload: ByteBuffer, on connection: PostgresConnection)
        async throws(PostgresError)
    {
        try await connection.execute("INSERT INTO outbox (subject, payload) VALUES (\(subject), \(payload))")
    }

    /// Tells the relay that something was committed.
    public func wake() { wakeUp.yield() }

    /// Publishes until the task is cancelled. Call it once.
    ///
    /// - Parameter publish: hands the events to the bus in order and returns when all are durable there; what it throws is logged and tried
    ///   again, from the first event of the batch.
    public func run(publish: @escaping @Sendable ([Entry]) async throws -> Void) async {
        // Unstructured ticks would outlive the relay: this task group ends with it.
        await withTaskGroup(of: Void.self) { group in
            group.addTask { [wakeUp, configuration] in
                while (try? await Task.sleep(for: configuration.pollInterval)) != nil { wakeUp.yield() }
            }
            var backOff = pool.configuration.backOff
            wake()
            for await _ in wakeUps {
                guard !Task.isCancelled else { break }
                do {
                    while try await relay(publish) == configuration.batchSize, !Task.isCancelled {}
                    backOff.reset()
                } catch {
                    guard !Task.isCancelled else { break }
                    counters.withLock { $0.failures += 1 }
                    pool.logger.warning("events wait in the outbox", metadata: ["error": "\(error)"])
                    try? await Task.sleep(for: backOff.next())
                    wake()
                }
            }
            group.cancelAll()
        }
    }

    /// Publishes one batch and removes it.
    /// - Returns: how many events it held.
    public func relay(_ publish: @Sendable ([Entry]) async throws -> Void) async throws -> Int {
        guard try await !pool.execute("SELECT 1 FROM outbox LIMIT 1").isEmpty else { return 0 }
        return try await pool.withTransaction { connection in
            // Waits for another instance's batch: what was committed before is then either gone or ours.
            try await connection.execute(
                "SELECT pg_advisory_xact_lock(hashtextextended('martlet outbox of ' || current_schema(), 0))")
            // Removed first and published before the commit: a crash in between brings the rows back.
            let rows = try await connection.execute(
                """
                WITH oldest AS (SELECT number FROM outbox ORDER BY number LIMIT \(configuration.batchSize)),
                    removed AS (DELETE FROM outbox WHERE number IN (SELECT number FROM oldest) RETURNING *)
                SELECT number, subject, payload FROM removed ORDER BY number
                """)
            var entries: [Entry] = []
            entries.reserveCapacity(rows.count)
            for row in rows {
                let (number, subject, payload) = try row.decode((Int64, String, ByteBuffer).self)
                entries.append(Entry(number: number, subject: subject, payload: payload))
            }
            guard !entries.isEmpty else { return 0 }
            try await publish(entries)
            counters.withLock { $0.published += UInt64(entries.count) }
            return entries.count
        }
    }
}

/// Counters of an ``Outbox``.
public struct OutboxStatistics: Sendable, Equatable {
    public var published: UInt64 = 0
    /// Batches that could not be published or removed, and were tried again.
    public var failures: UInt64 = 0

    public init() {}
}
