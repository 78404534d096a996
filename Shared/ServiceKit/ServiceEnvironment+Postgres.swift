// SPDX-License-Identifier: Apache-2.0
import Bus
import Core
import Logging
import Observability
import Postgres
import ServiceLifecycle

extension ServiceEnvironment {
    /// A pool of connections to the configured PostgreSQL (``StandardKeys/databaseURL``) in the service's own schema, with health check and metrics.
    ///
    /// Run it among the services: `PostgresPoolService(pool)`.
    /// - Throws: ``ConfigurationError`` when no database is configured.
    public func postgresPool(schema: SQLIdentifier, maximumConnections: Int = 8) throws -> PostgresPool {
        let pool = PostgresPool(
            configuration: PostgresConfiguration(
                url: try configuration.required(StandardKeys.databaseURL), schema: schema, applicationName: name,
                maximumConnections: maximumConnections),
            logger: logger("postgres"))
        health.register("postgres") {
            pool.isHealthy ? .up : .down(pool.statistics.lastFailure ?? "not connected yet")
        }
        metrics.observe("martlet_postgres_connections", help: "Connections to PostgreSQL, idle and in use.") {
            Double(pool.statistics.connections)
        }
        metrics.observe("martlet_postgres_waiting", help: "Callers that wait for a connection.") {
            Double(pool.statistics.waiting)
        }
        metrics.observe(
            "martlet_postgres_refused_total", help: "Callers that found no connection in time.", type: .counter
        ) { Double(pool.statistics.refused + pool.statistics.timedOut) }
        metrics.observe(
            "martlet_postgres_reconnects_total", help: "Connections that were replaced.", type: .counter
        ) { Double(pool.statistics.reconnects) }
        return pool
    }

    /// Brings the schema up to date, waiting for a database that is not there yet: a service may start before it.
    ///
    /// - Throws: only what waiting does not mend: a changed migration, a missing right.
    public func migrate(_ pool: PostgresPool, _ migrations: [Migration]) async throws {
        var backOff = BackOff()
        while let error = await attempt(migrations, on: pool) {
            guard error.isRetriable else { throw error }
            logger.warning("waiting for the database", metadata: [LogKey.error: "\(error)"])
            try await Task.sleep(for: backOff.next())
        }
        await pool.checkHealth()
    }

    /// - Returns: why it did not work; nil when it did.
    private func attempt(_ migrations: [Migration], on pool: PostgresPool) async -> PostgresError? {
        do {
            try await pool.migrate(migrations)
            return nil
        } catch {
            return error
        }
    }
}

/// Keeps a pool's health known and closes it at the end.
public struct PostgresPoolService: Service, CustomStringConvertible {
    private let pool: PostgresPool

    public var description: String { "postgres" }

    public init(_ pool: PostgresPool) { self.pool = pool }

    public func run() async throws {
        await cancelWhenGracefulShutdown { await pool.run() }
    }
}

/// Publishes what a service committed to its outbox, durably and in order.
public struct OutboxRelayService: Service, CustomStringConvertible {
    private let outbox: Outbox
    private let bus: any Bus

    public var description: String { "outbox" }

    public init(outbox: Outbox, bus: any Bus, metrics: MetricsRegistry) {
        self.outbox = outbox
        self.bus = bus
        metrics.observe("martlet_outbox_published_total", help: "Events published from the outbox.", type: .counter) {
            Double(outbox.statistics.published)
        }
        metrics.observe(
            "martlet_outbox_failures_total", help: "Attempts to publish from the outbox that failed.", type: .counter
        ) { Double(outbox.statistics.failures) }
    }

    public func run() async throws {
        await cancelWhenGracefulShutdown { await relay() }
    }

    private func relay() async {
        await outbox.run { [bus] entries in try await Self.publish(entries, on: bus) }
    }

    /// One after the other keeps their order; the bus shares the syncs.
    private static func publish(_ entries: [Outbox.Entry], on bus: any Bus) async throws {
        for entry in entries {
            _ = try await bus.publishDurably(BusMessage(subject: entry.subject, payload: entry.payload))
        }
    }
}
