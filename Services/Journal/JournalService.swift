// SPDX-License-Identifier: Apache-2.0
import HTTPKit
import Identity
import Messaging
import Observability
import Postgres
import ServiceKit

/// Who did what, when, from where, and with what result: every change, and every attempt that was refused.
public enum JournalService {
    public static let description = ServiceDescription(
        name: "journal", summary: "keeps who did what, and what was refused", keys: JournalKeys.all, build: build)

    /// The composition root.
    public static func build(_ environment: ServiceEnvironment) async throws -> [any Service] {
        let configuration = environment.configuration
        let bus = try await environment.connectBus()
        let pool = try environment.postgresPool(
            schema: "journal", maximumConnections: try configuration.required(JournalKeys.maximumConnections))
        try await environment.migrate(pool, JournalMigrations.all)

        let store = PostgresJournalStore(pool: pool, clock: environment.clock)
        let verifier = BusTokenVerifier(bus: bus, clock: environment.clock, logger: environment.logger("tokens"))
        let refusals = RefusalReporter(bus: bus, environment: environment)
        let http = HTTPApplication(
            environment: environment, title: "Journal", verifier: verifier, refusals: refusals)
        JournalRoutes(store: store).add(to: http.routes)
        let metrics = RecorderMetrics(registry: environment.metrics)
        let recorders = [Streams.events, Streams.refusals].map { stream in
            JournalRecorder(
                bus: bus, stream: stream, store: store, metrics: metrics, logger: environment.logger("recorder"))
        }
        let days = try configuration.required(JournalKeys.retentionDays)
        let retention = [days].filter { $0 > 0 }.map { days in
            JournalRetention(
                store: store, days: days, clock: environment.clock, metrics: environment.metrics,
                logger: environment.logger("retention"))
        }
        return [PostgresPoolService(pool), TokenVerifierService(verifier), refusals] + recorders + retention + [
            http.service(
                host: try configuration.required(StandardKeys.httpHost),
                port: try configuration.required(JournalKeys.httpPort))
        ]
    }
}
