// SPDX-License-Identifier: Apache-2.0
import HTTPKit
import Identity
import Observability
import Postgres
import ServiceKit

/// Things, channels and connections: who a device is and what it may do.
public enum ThingsService {
    public static let description = ServiceDescription(
        name: "things", summary: "things, channels, connections and their rights", keys: ThingsKeys.all, build: build)

    /// The composition root: waits for the database, brings the schema up to date and returns what has to run.
    public static func build(_ environment: ServiceEnvironment) async throws -> [any Service] {
        let configuration = environment.configuration
        let bus = try await environment.connectBus()
        let pool = try environment.postgresPool(
            schema: "things", maximumConnections: try configuration.required(ThingsKeys.maximumConnections))
        try await environment.migrate(pool, ThingsMigrations.all)

        let announcer = Announcer(outbox: Outbox(pool: pool), bus: bus)
        announcer.register(in: environment.metrics)
        let store = PostgresThingsStore(pool: pool, announcer: announcer)
        let verifier = BusTokenVerifier(bus: bus, clock: environment.clock, logger: environment.logger("tokens"))
        let refusals = RefusalReporter(bus: bus, environment: environment)
        let http = HTTPApplication(
            environment: environment, title: "Things", verifier: verifier, refusals: refusals)
        let domainRoutes = DomainRoutes(
            bus: bus, clock: environment.clock, logger: environment.logger("domain-routes"))
        domainRoutes.register(in: environment.metrics)
        let secrets = try secretKeys(configuration)
        let directory = Directory(store: store, clock: environment.clock, secrets: secrets)
        ThingRoutes(directory: directory).add(to: http.routes)
        PreSharedKeyRoutes(directory: directory).add(to: http.routes)
        ChannelRoutes(directory: directory).add(to: http.routes)
        ConnectionRoutes(directory: directory).add(to: http.routes)
        GroupRoutes(directory: directory).add(to: http.routes)
        MemberRoutes(directory: directory).add(to: http.routes)
        GrantRoutes(directory: directory).add(to: http.routes)
        let logger = environment.logger("start")
        var services: [any Service] = [
            PostgresPoolService(pool), announcer, TokenVerifierService(verifier), refusals, domainRoutes,
            UsersEvents(
                bus: bus, store: store, clock: environment.clock, metrics: environment.metrics,
                logger: environment.logger("users-events")),
            BehindBacklog(
                RightsResponder(bus: bus, store: store, routes: domainRoutes, logger: environment.logger("rights")),
                bus: bus, logger: logger),
            BehindBacklog(
                PreSharedKeyResponder(
                    bus: bus, store: store, secrets: secrets, metrics: environment.metrics,
                    logger: environment.logger("pre-shared-keys")),
                bus: bus, logger: logger),
            BehindBacklog(
                http.service(
                    host: try configuration.required(StandardKeys.httpHost),
                    port: try configuration.required(ThingsKeys.httpPort)),
                bus: bus, logger: logger),
        ]
        if let secrets {
            services.append(SecretsResealing(store: store, secrets: secrets, logger: environment.logger("secrets")))
        }
        return services
    }

    private static func secretKeys(_ configuration: ServiceConfiguration) throws(ConfigurationError) -> SecretKeyRing? {
        guard let path = configuration.optional(ThingsKeys.secretsKeyFile) else { return nil }
        do throws(SecretKeyRing.Malformed) {
            return try SecretKeyFile.read(path)
        } catch {
            throw .invalid(key: ThingsKeys.secretsKeyFile.name, problem: error.description)
        }
    }
}
