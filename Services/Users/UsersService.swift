// SPDX-License-Identifier: Apache-2.0
import Bus
import Core
import HTTPKit
import Identity
import Observability
import Postgres
import ServiceKit

/// Users, domains, sessions and tokens: who a person is and what the person may do.
public enum UsersService {
    public static let description = ServiceDescription(
        name: "users", summary: "users, domains, roles and tokens", keys: UsersKeys.all, build: build)

    /// Wires the service. Waits for the database, brings its schema up to date, and makes the first signing key and administrator.
    public static func build(_ environment: ServiceEnvironment) async throws -> [any Service] {
        let configuration = environment.configuration
        let clock = environment.clock
        let mail = try MailSettings(configuration)
        let bus = try await environment.connectBus()
        let pool = try environment.postgresPool(schema: "users")
        try await environment.migrate(pool, UsersMigrations.all)

        let outbox = Outbox(pool: pool)
        let store = UsersStore(pool: pool, outbox: outbox, mail: mail == nil ? nil : MailQueue())
        let signer = TokenSigner(
            store: store, clock: clock,
            lifetimeSeconds: Int64(try configuration.required(UsersKeys.accessTokenSeconds)),
            rotationDays: Int64(try configuration.required(UsersKeys.keyRotationDays)),
            logger: environment.logger("signer"))
        try await signer.prepare()
        let gate = try passwordGate(store, environment)
        let accounts = Accounts(store: store, gate: gate, clock: clock)
        try await accounts.ensureAdministrator(
            email: configuration.optional(UsersKeys.adminEmail),
            password: configuration.optional(UsersKeys.adminPassword), logger: environment.logger)
        let sessions = Sessions(
            store: store, gate: gate, signer: signer, clock: clock,
            refreshLifetimeSeconds: Int64(try configuration.required(UsersKeys.refreshTokenHours)) * 3_600,
            metrics: environment.metrics)

        let verifier = LocalTokenVerifier(store: store, signer: signer, clock: clock)
        let refusals = RefusalReporter(bus: bus, environment: environment)
        let http = HTTPApplication(
            environment: environment, title: "Martlet users", verifier: verifier, refusals: refusals)
        TokenRoutes(sessions: sessions, signer: signer).add(to: http.routes)
        UserRoutes(
            accounts: accounts, sessions: sessions, verifier: verifier,
            allowsSelfRegistration: try configuration.required(UsersKeys.selfRegister)
        ).add(to: http.routes)
        UserAccessRoutes(accounts: accounts).add(to: http.routes)
        PasswordRoutes(resets: PasswordResets(store: store, hasher: gate.hasher, clock: clock)).add(to: http.routes)
        addDomainRoutes(to: http.routes, store, clock)

        var services: [any Service] = [
            PostgresPoolService(pool), refusals,
            OutboxRelayService(outbox: outbox, bus: bus, metrics: environment.metrics),
            UsersResponder(bus: bus, store: store, signer: signer, clock: clock, logger: environment.logger("bus")),
            DomainResponder(bus: bus, store: store, logger: environment.logger("domain-routes")),
            UsersHousekeeping(
                store: store, signer: signer, clock: clock,
                lockedIdentities: environment.metrics.gauge(
                    "martlet_users_locked_identities", help: "Identities closed to logins by too many failures."),
                logger: environment.logger("housekeeping")),
            LockOutAnnouncer(store: store, logger: environment.logger("lock-outs")),
            http.service(
                host: try configuration.required(StandardKeys.httpHost),
                port: try configuration.required(UsersKeys.port)),
        ]
        if let mail, let queue = store.mail {
            services.append(dispatcher(mail, queue, store: store, environment))
        }
        return services
    }

    private static func passwordGate(_ store: UsersStore, _ environment: ServiceEnvironment) throws -> PasswordGate {
        let configuration = environment.configuration
        let cost = PasswordHasher.Cost(
            log2N: try configuration.required(UsersKeys.passwordCost), blockSize: 8, parallelism: 3)
        let hasher = PasswordHasher(cost: cost ?? .standard)
        environment.metrics.observe(
            "martlet_users_password_hashes_total", help: "Computations of a password hash.", type: .counter
        ) { Double(hasher.computations) }
        return PasswordGate(
            store: store, hasher: hasher,
            limits: LoginLimits(failuresPerMinute: try configuration.required(UsersKeys.loginsPerMinute)),
            lockOut: LockOutPolicy(
                failures: try configuration.required(UsersKeys.lockOutFailures),
                firstWaitSeconds: Int64(try configuration.required(UsersKeys.lockOutSeconds))),
            clock: environment.clock)
    }

    private static func addDomainRoutes(to routes: RouteTable, _ store: UsersStore, _ clock: WallClock) {
        let access = DomainAccess(store: store)
        let keys = APIKeys(store: store, clock: clock)
        DomainRoutes(domains: Domains(store: store, access: access, clock: clock)).add(to: routes)
        RoleRoutes(roles: Roles(store: store, access: access, clock: clock)).add(to: routes)
        UserGroupRoutes(groups: UserGroups(store: store, access: access, clock: clock)).add(to: routes)
        InvitationRoutes(invitations: Invitations(store: store, access: access, clock: clock)).add(to: routes)
        KeyRoutes(keys: keys).add(to: routes)
        PersonalTokenRoutes(keys: keys).add(to: routes)
    }

    private static func dispatcher(
        _ settings: MailSettings, _ queue: MailQueue, store: UsersStore, _ environment: ServiceEnvironment
    ) -> MailDispatcher {
        MailDispatcher(
            store: store, queue: queue, settings: settings, clock: environment.clock,
            logger: environment.logger("mail"), health: environment.health.check("mail"),
            outcomes: environment.metrics.counter(
                "martlet_users_mails_total", help: "Mails by what became of them.", labels: ["outcome"]),
            waiting: environment.metrics.gauge("martlet_users_mails_waiting", help: "Mails in the queue."))
    }
}
