// SPDX-License-Identifier: Apache-2.0
import AdapterKit
import HTTPKit
import Identity
import Observability
import Postgres
import ServiceKit

/// Reads what `writer-postgres` stored.
public enum ReaderPostgres {
    public static let description = ServiceDescription(
        name: "reader-postgres", summary: "reads stored messages", keys: ReaderPostgresKeys.all, build: build)

    /// The composition root.
    public static func build(_ environment: ServiceEnvironment) async throws -> [any Service] {
        let configuration = environment.configuration
        let bus = try await environment.connectBus()
        let connections = try configuration.required(ReaderPostgresKeys.maximumConnections)
        let pool = try environment.postgresPool(schema: "messages", maximumConnections: connections)
        let verifier = BusTokenVerifier(bus: bus, clock: environment.clock, logger: environment.logger("tokens"))
        let authenticator = ThingAuthenticator(bus: bus, logger: environment.logger("rights"))
        authenticator.register(in: environment.metrics)
        let refusals = RefusalReporter(bus: bus, environment: environment)
        let http = HTTPApplication(
            environment: environment, title: "Stored messages", verifier: verifier, refusals: refusals)
        let access = ReaderAccess(authenticator: authenticator, things: ThingsClient(bus: bus), verifier: verifier)
        let store = PostgresMessageStore(pool: pool, clock: environment.clock)
        MessageRoutes(store: store, access: access, clock: environment.clock).add(to: http.routes)
        DeadLetterRoutes(store: store, access: access).add(to: http.routes)
        ExportRoutes(
            store: store, access: access, clock: environment.clock,
            slots: ExportSlots(
                maximum: try configuration.required(ReaderPostgresKeys.maximumExports), metrics: environment.metrics),
            metrics: ExportMetrics(registry: environment.metrics)
        ).add(to: http.routes)
        return [
            PostgresPoolService(pool), TokenVerifierService(verifier), refusals, RightsService(authenticator),
            LastMessageResponder(
                bus: bus, store: store, maximumConcurrentRequests: connections,
                metrics: LastMessageMetrics(registry: environment.metrics), logger: environment.logger("last-messages")),
            http.service(
                host: try configuration.required(StandardKeys.httpHost),
                port: try configuration.required(ReaderPostgresKeys.httpPort)),
        ]
    }
}
