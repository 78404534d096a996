// SPDX-License-Identifier: Apache-2.0
import Observability
import Postgres
import ServiceKit

/// The composition root of `writer-postgres`.
public enum WriterPostgresService {
    public static let description = ServiceDescription(
        name: "writer-postgres", summary: "stores messages in PostgreSQL", keys: WriterKeys.all, build: build)

    public static func build(_ environment: ServiceEnvironment) async throws -> [any Service] {
        let settings = environment.configuration
        SpareMemory.limit()
        let pool = try environment.postgresPool(schema: "messages", maximumConnections: 3)
        // Away is not down: messages wait in the bus's log, and nothing is lost.
        environment.health.register("postgres") {
            pool.isHealthy
                ? .up
                : .degraded("messages wait in the bus's log: \(pool.statistics.lastFailure ?? "not connected yet")")
        }
        let configuration = WriterConfiguration(
            limits: BatchLimits(
                rows: try settings.required(WriterKeys.batchRows), bytes: try settings.required(WriterKeys.batchBytes)),
            windowMessages: try settings.required(WriterKeys.windowMessages),
            windowBytes: try settings.required(WriterKeys.windowBytes),
            retentionDays: try settings.required(WriterKeys.retentionDays),
            retentionIsDryRun: try settings.required(WriterKeys.retentionDryRun),
            partitionPastDays: try settings.required(WriterKeys.partitionPastDays))
        let writer = Writer(
            bus: try await environment.connectBus(), pool: pool, configuration: configuration,
            metrics: WriterMetrics(registry: environment.metrics, clock: environment.clock), clock: environment.clock,
            logger: environment.logger("writer"))
        return [
            ManagementService(
                environment: environment, host: try settings.required(StandardKeys.httpHost),
                port: try settings.required(WriterKeys.httpPort)),
            PostgresPoolService(pool),
            WriterService(writer: writer, environment: environment),
        ]
    }
}

/// Brings the schema up to date, however long the database takes to come, and then stores messages.
struct WriterService: Service, CustomStringConvertible {
    let writer: Writer
    let environment: ServiceEnvironment

    var description: String { "writer" }

    func run() async throws {
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask {
                try await environment.migrate(writer.pool, MessageMigrations.all)
                try await grantToReader()
                await writer.run()
            }
            group.addTask { try? await gracefulShutdown() }
            try await group.next()
            group.cancelAll()
        }
    }

    private func grantToReader() async throws {
        do {
            try await writer.pool.withConnection { try await $0.executeScript(MessageMigrations.grants) }
        } catch {
            environment.logger.warning("the reader could not be given its rights", metadata: ["error": "\(error)"])
        }
    }
}
