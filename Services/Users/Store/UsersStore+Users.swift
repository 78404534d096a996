// SPDX-License-Identifier: Apache-2.0
import Core
import HTTPKit
import Identity
import Postgres

extension UsersStore {
    private static let columns: SQL =
        "SELECT id, name, identity, tags, metadata, is_admin, status, default_domain, created_at, updated_at"

    private static func decode(_ row: PostgresRow) throws -> User {
        User(
            id: try row.decode(at: 0), name: try row.decode(at: 1), identity: try row.decode(at: 2),
            tags: try row.decode(at: 3), metadata: try value(row.decode(at: 4)), isAdmin: try row.decode(at: 5),
            status: User.Status(rawValue: try row.decode(at: 6)) ?? .disabled, defaultDomain: try row.decode(at: 7),
            createdAt: try row.decode(at: 8), updatedAt: try row.decode(at: 9))
    }

    /// - Throws: `conflict` when the identity is taken.
    func insert(_ user: User, passwordHash: String, personalDomain domain: Tenant, actor: UserID?) async throws {
        try await conflicting(Self.identityTaken) {
            try await change { connection in
                try await connection.execute(
                    """
                    INSERT INTO users (id, name, identity, password_hash, tags, metadata, is_admin, status, default_domain,
                        created_at, updated_at)
                    VALUES (\(user.id), \(user.name), \(user.identity), \(passwordHash), \(user.tags),
                        \(try Self.json(user.metadata)), \(user.isAdmin), \(user.status.rawValue), \(user.defaultDomain as DomainID?),
                        \(user.createdAt), \(user.updatedAt))
                    """)
                try await announce("user", "created", at: user.createdAt, on: connection, actor: actor, user: user.id)
                try await insert(domain, on: connection)
            }
        }
    }

    func user(_ id: UserID) async throws -> User? {
        try await pool.execute(Self.columns + " FROM users WHERE id = \(id)").first.map(Self.decode)
    }

    func user(identity: String) async throws -> User? {
        try await pool.execute(Self.columns + " FROM users WHERE lower(identity) = lower(\(identity))").first
            .map(Self.decode)
    }

    /// What a password is checked against: one row of the same shape whether there is such a user or not, and nothing that makes one user's
    /// larger than another's.
    func credentials(identity: String, decoy: String) async throws -> PasswordGate.Credential {
        let rows = try await pool.execute(
            """
            SELECT u.id, COALESCE(u.status, 'disabled'), COALESCE(u.password_hash, \(decoy))
            FROM (SELECT 1) AS one LEFT JOIN users u ON lower(u.identity) = lower(\(identity))
            """)
        guard let row = rows.first else { return .init(user: nil, status: .disabled, passwordHash: decoy) }
        return PasswordGate.Credential(
            user: try row.decode(at: 0), status: User.Status(rawValue: try row.decode(at: 1)) ?? .disabled,
            passwordHash: try row.decode(at: 2))
    }

    func users(_ filter: UserFilter, page: PageRequest) async throws -> ListPage<User> {
        var conditions = try Self.conditions(filter.entity)
        if let identity = filter.identity { conditions.append("position(lower(\(identity)) in lower(identity)) > 0") }
        if let isAdmin = filter.isAdmin { conditions.append("is_admin = \(isAdmin)") }
        return try await Self.page(
            Self.columns, from: "users", conditions, page, on: pool, identifier: { $0.id.description },
            decode: Self.decode)
    }

    /// - Returns: nil when there is no such user.
    func update(_ id: UserID, _ changes: UserChanges, actor: UserID, now: Int64) async throws -> User? {
        let metadata = try changes.metadata.map(Self.json)
        return try await change { connection in
            let rows = try await connection.execute(
                """
                UPDATE users SET name = COALESCE(\(changes.name as String?), name), tags = COALESCE(\(changes.tags as [String]?), tags),
                    metadata = COALESCE(\(metadata as PostgresJSON?), metadata), updated_at = \(now)
                WHERE id = \(id) RETURNING id
                """)
            guard !rows.isEmpty else { return nil }
            try await announce("user", "updated", at: now, on: connection, actor: actor, user: id)
            return try await connection.execute(Self.columns + " FROM users WHERE id = \(id)").first.map(Self.decode)
        }
    }

    /// - Returns: nil when there is no such user.
    func setStatus(_ id: UserID, _ status: User.Status, actor: UserID, now: Int64) async throws -> User? {
        try await change { connection in
            let rows = try await connection.execute(
                "UPDATE users SET status = \(status.rawValue), updated_at = \(now) WHERE id = \(id) RETURNING id")
            guard !rows.isEmpty else { return nil }
            try await announce("user", status.rawValue, at: now, on: connection, actor: actor, user: id)
            if status == .disabled {
                try await requireAdministrator(on: connection)
                try await revokeAll(
                    "user_id = \(id)", reason: "user-disabled", actor: actor, now: now, on: connection)
            }
            return try await connection.execute(Self.columns + " FROM users WHERE id = \(id)").first.map(Self.decode)
        }
    }

    /// - Returns: nil when there is no such user.
    /// - Throws: `conflict` when the identity is taken.
    func setIdentity(of id: UserID, to identity: String, actor: UserID, now: Int64) async throws -> User? {
        try await conflicting(Self.identityTaken) {
            try await change { connection in
                let rows = try await connection.execute("SELECT identity FROM users WHERE id = \(id) FOR UPDATE")
                guard let old: String = try rows.first?.decode(at: 0) else { return nil }
                try await connection.execute(
                    "UPDATE users SET identity = \(identity), updated_at = \(now) WHERE id = \(id)")
                try await movePlaces(from: old, to: identity, on: connection)
                // Tokens for a new password went to the old address.
                try await connection.execute("DELETE FROM password_resets WHERE user_id = \(id)")
                try await notify(.identityChanged, of: old, now: now, on: connection)
                try await announce("user", "identity-changed", at: now, on: connection, actor: actor, user: id)
                return try await connection.execute(Self.columns + " FROM users WHERE id = \(id)").first
                    .map(Self.decode)
            }
        }
    }

    /// - Returns: nil when there is no such user.
    func setAdmin(_ id: UserID, _ isAdmin: Bool, actor: UserID, now: Int64) async throws -> User? {
        try await change { connection in
            let rows = try await connection.execute(
                "UPDATE users SET is_admin = \(isAdmin), updated_at = \(now) WHERE id = \(id) AND is_admin <> \(isAdmin) RETURNING id"
            )
            if !rows.isEmpty {
                try await requireAdministrator(on: connection)
                try await announce("user", "role-changed", at: now, on: connection, actor: actor, user: id)
                try await revokeAll("user_id = \(id)", reason: "role-changed", actor: actor, now: now, on: connection)
            }
            return try await connection.execute(Self.columns + " FROM users WHERE id = \(id)").first.map(Self.decode)
        }
    }

    /// Keeps an administrator in the installation, also when two take each other's right at the same time.
    func requireAdministrator(
        _ kind: ServiceError.Kind = .unprocessable, on connection: PostgresConnection
    ) async throws {
        try await connection.execute(
            "SELECT pg_advisory_xact_lock(hashtextextended('martlet users administrators', 0))")
        let left = try await connection.execute("SELECT 1 FROM users WHERE is_admin AND status = 'enabled' LIMIT 1")
        guard !left.isEmpty else {
            throw ServiceError(kind, reason: "last-administrator", "the installation must keep an administrator")
        }
    }

    /// Replaces a hash by one of today's cost, unless the password was changed meanwhile.
    func rehash(_ id: UserID, from old: String, to new: String) async throws {
        try await pool.execute("UPDATE users SET password_hash = \(new) WHERE id = \(id) AND password_hash = \(old)")
    }

    /// Sets a password and ends the user's other sessions, and with `revokingKeys` all keys.
    func setPassword(
        of id: UserID, hash: String, keeping session: SessionID, revokingKeys: Bool, now: Int64
    ) async throws -> User? {
        try await change { connection in
            try await connection.execute(
                "UPDATE users SET password_hash = \(hash), updated_at = \(now) WHERE id = \(id)")
            try await connection.execute("DELETE FROM password_resets WHERE user_id = \(id)")
            try await announce("user", "secret-changed", at: now, on: connection, actor: id, user: id)
            try await revokeAll(
                "user_id = \(id) AND id <> \(session)", reason: "secret-changed", actor: id, now: now, on: connection)
            if revokingKeys { try await revokeKeys(of: id, actor: id, now: now, on: connection) }
            let user = try await connection.execute(Self.columns + " FROM users WHERE id = \(id)").first
                .map(Self.decode)
            if let user { try await notify(.passwordChanged, of: user.identity, now: now, on: connection) }
            return user
        }
    }

    private static let identityTaken = ServiceError(
        .conflict, reason: "identity-taken", "there is a user with this identity already")
}
