// SPDX-License-Identifier: Apache-2.0
import Core

/// How a service reaches PostgreSQL and what it may cost there.
public struct PostgresConfiguration: Sendable {
    /// A libpq connection URI or keyword string (`postgresql://user:secret@host/database`); may hold a password, so it is never logged.
    public var url: String
    /// The schema the service owns: first and only entry of the search path. nil: the server's default.
    public var schema: SQLIdentifier?
    /// `SET ROLE` after connecting; nil: the role of the URL.
    public var role: SQLIdentifier?
    /// Shown in `pg_stat_activity`.
    public var applicationName: String
    /// Connections at most, each with a thread of its own; 1 to 256.
    public var maximumConnections: Int
    /// How long a caller waits for a free connection before it is refused with ``PostgresError/Kind/unavailable``.
    public var acquireTimeout: Duration
    /// Callers that wait at a time; one more is refused at once.
    public var maximumWaiters: Int
    /// One attempt to connect, whole seconds, at least 2 (libpq's own minimum).
    public var connectTimeoutSeconds: Int
    /// The server cancels a statement after this long (SQLSTATE 57014). nil: never.
    public var statementTimeout: Duration?
    /// The server ends a transaction that does nothing for this long, so that a lost client cannot hold locks. nil: never.
    public var idleInTransactionTimeout: Duration?
    /// Prepared statements kept per connection; the least recently used one goes.
    public var maximumPreparedStatements: Int
    /// How often ``PostgresPool/run()`` asks the server whether it is there.
    public var healthInterval: Duration
    /// Between attempts to connect, which never end.
    public var backOff: BackOff
    /// What a commit promises: false gives up the last fraction of a second of commits on a crash of the *server* (never consistency).
    public var synchronousCommit: Bool

    public init(
        url: String, schema: SQLIdentifier? = nil, role: SQLIdentifier? = nil, applicationName: String = "martlet",
        maximumConnections: Int = 8, acquireTimeout: Duration = .seconds(2), maximumWaiters: Int = 1_000,
        connectTimeoutSeconds: Int = 5, statementTimeout: Duration? = .seconds(30),
        idleInTransactionTimeout: Duration? = .seconds(60), maximumPreparedStatements: Int = 128,
        healthInterval: Duration = .seconds(5), backOff: BackOff = BackOff(), synchronousCommit: Bool = true
    ) {
        self.url = url
        self.schema = schema
        self.role = role
        self.applicationName = applicationName
        self.maximumConnections = min(max(maximumConnections, 1), 256)
        self.acquireTimeout = acquireTimeout
        self.maximumWaiters = max(maximumWaiters, 0)
        self.connectTimeoutSeconds = max(connectTimeoutSeconds, 2)
        self.statementTimeout = statementTimeout
        self.idleInTransactionTimeout = idleInTransactionTimeout
        self.maximumPreparedStatements = max(maximumPreparedStatements, 1)
        self.healthInterval = healthInterval
        self.backOff = backOff
        self.synchronousCommit = synchronousCommit
    }
}

extension PostgresConfiguration: CustomStringConvertible {
    /// Without the URL, which may hold a password.
    public var description: String {
        "PostgreSQL as \(applicationName), schema \(schema?.name ?? "default"), up to \(maximumConnections) connections"
    }
}
