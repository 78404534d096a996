// SPDX-License-Identifier: Apache-2.0
import Core
import HTTPKit
import Identity
import Postgres

extension UsersStore {
    private static let columns: SQL = "SELECT id, domain_id, name, actions, created_by, created_at, updated_at"

    private static func decode(_ row: PostgresRow) throws -> CustomRole {
        let actions: [String] = try row.decode(at: 3)
        return CustomRole(
            id: try row.decode(at: 0), domain: try row.decode(at: 1), name: try row.decode(at: 2),
            actions: Set(actions.map(Action.init)), createdBy: try row.decode(at: 4), createdAt: try row.decode(at: 5),
            updatedAt: try row.decode(at: 6))
    }

    /// Who has a role, directly or by a group: a condition on sessions.
    private static func holders(of role: RoleID, in domain: DomainID) -> SQL {
        """
        domain_id = \(domain) AND user_id IN (SELECT rm.user_id FROM role_members rm WHERE rm.role_id = \(role)
            UNION SELECT gm.user_id FROM user_group_members gm JOIN user_group_roles gr ON gr.group_id = gm.group_id
            WHERE gr.role_id = \(role))
        """
    }

    private static func text(_ actions: Set<Action>) -> [String] { actions.sorted().map(\.rawValue) }

    /// - Throws: `conflict` when the name is taken, `unprocessable` when there are too many roles or a member is none of the domain.
    func insert(_ role: CustomRole, members: [UserID]) async throws {
        try await conflicting(Self.nameTaken) {
            try await referring(Self.notAMember) { try await insertAnnounced(role, members) }
        }
    }

    private func insertAnnounced(_ role: CustomRole, _ members: [UserID]) async throws {
        try await change { connection in
            try await lockRights(in: role.domain, on: connection)
            let count: Int64 =
                try await connection.execute("SELECT count(*) FROM roles WHERE domain_id = \(role.domain)").first
                .map { try $0.decode(at: 0) } ?? 0
            guard count < CustomRole.maximumPerDomain else {
                throw ServiceError(
                    .unprocessable, reason: "too-many-roles",
                    "a domain has at most \(CustomRole.maximumPerDomain) roles of its own")
            }
            try await connection.execute(
                """
                INSERT INTO roles (id, domain_id, name, actions, created_by, created_at, updated_at)
                VALUES (\(role.id), \(role.domain), \(role.name), \(Self.text(role.actions)), \(role.createdBy),
                    \(role.createdAt), \(role.updatedAt))
                """)
            try await announce(
                "role", "created", at: role.createdAt, on: connection, domain: role.domain, actor: role.createdBy)
            try await insert(
                members, into: role.id, in: role.domain, actor: role.createdBy, now: role.createdAt, on: connection)
        }
    }

    func roles(in domain: DomainID, page: PageRequest) async throws -> ListPage<CustomRole> {
        try await Self.page(
            Self.columns, from: "roles", ["domain_id = \(domain)"], page, on: pool, identifier: { $0.id.description },
            decode: Self.decode)
    }

    func role(_ id: RoleID, in domain: DomainID) async throws -> CustomRole? {
        try await pool.execute(Self.columns + " FROM roles WHERE id = \(id) AND domain_id = \(domain)").first
            .map(Self.decode)
    }

    func role(_ id: RoleID, in domain: DomainID, on connection: PostgresConnection) async throws -> CustomRole? {
        try await connection.execute(
            Self.columns + " FROM roles WHERE id = \(id) AND domain_id = \(domain) FOR UPDATE"
        ).first.map(Self.decode)
    }

    /// - Returns: nil when there is no such role.
    func rename(_ id: RoleID, to name: String, in domain: DomainID, actor: UserID, now: Int64) async throws
        -> CustomRole?
    {
        try await conflicting(Self.nameTaken) {
            try await change { connection in
                let rows = try await connection.execute(
                    """
                    UPDATE roles SET name = \(name), updated_at = \(now) WHERE id = \(id) AND domain_id = \(domain)
                    RETURNING id, domain_id, name, actions, created_by, created_at, updated_at
                    """)
                guard let row = rows.first else { return nil }
                try await announce("role", "updated", at: now, on: connection, domain: domain, actor: actor)
                return try Self.decode(row)
            }
        }
    }

    /// - Parameter revise: makes the new actions of the old ones.
    /// - Returns: nil when there is no such role.
    func setActions(
        of id: RoleID, in domain: DomainID, actor: UserID, now: Int64,
        revise: (Set<Action>) throws -> Set<Action>
    ) async throws -> CustomRole? {
        try await change { connection in
            try await lockRights(in: domain, on: connection)
            guard let old = try await role(id, in: domain, on: connection) else { return nil }
            let new = try revise(old.actions)
            guard new != old.actions else { return old }
            let rows = try await connection.execute(
                """
                UPDATE roles SET actions = \(Self.text(new)), updated_at = \(now) WHERE id = \(id)
                RETURNING id, domain_id, name, actions, created_by, created_at, updated_at
                """)
            try await announce("role", "updated", at: now, on: connection, domain: domain, actor: actor)
            if !old.actions.isSubset(of: new) {
                try await revokeAll(
                    Self.holders(of: id, in: domain), reason: "role-changed", actor: actor, now: now, on: connection)
            }
            return try rows.first.map(Self.decode)
        }
    }

    /// - Returns: false when there is no such role.
    func remove(_ id: RoleID, in domain: DomainID, actor: UserID, now: Int64) async throws -> Bool {
        try await change { connection in
            try await lockRights(in: domain, on: connection)
            try await revokeAll(
                Self.holders(of: id, in: domain), reason: "role-removed", actor: actor, now: now, on: connection)
            // What hangs on the role goes with it, and is announced as well.
            try await removeInvitations("role_id = \(id)", in: domain, actor: actor, now: now, on: connection)
            try await takeMembers(from: id, "TRUE", in: domain, actor: actor, now: now, on: connection)
            let rows = try await connection.execute(
                "DELETE FROM roles WHERE id = \(id) AND domain_id = \(domain) RETURNING id")
            guard !rows.isEmpty else { return false }
            try await announce("role", "removed", at: now, on: connection, domain: domain, actor: actor)
            return true
        }
    }

    /// Gives members of the domain a role.
    /// - Throws: `unprocessable` when one of the users is no member of the domain; nothing is changed then.
    func add(_ users: [UserID], to role: RoleID, in domain: DomainID, actor: UserID, now: Int64) async throws {
        try await referring(Self.notAMember) {
            try await change { connection in
                try await lockRights(in: domain, on: connection)
                try await insert(users, into: role, in: domain, actor: actor, now: now, on: connection)
            }
        }
    }

    private func insert(
        _ users: [UserID], into role: RoleID, in domain: DomainID, actor: UserID, now: Int64,
        on connection: PostgresConnection
    ) async throws {
        for user in Set(users).sorted() {
            try await connection.execute(
                """
                INSERT INTO role_members (role_id, domain_id, user_id) VALUES (\(role), \(domain), \(user))
                ON CONFLICT (role_id, user_id) DO NOTHING
                """)
            try await announce(
                "membership", "changed", at: now, on: connection, domain: domain, actor: actor, user: user)
        }
    }

    /// Takes a role from members, from all when none are named.
    func take(_ users: [UserID]?, from role: RoleID, in domain: DomainID, actor: UserID, now: Int64) async throws {
        try await change { connection in
            try await lockRights(in: domain, on: connection)
            try await takeMembers(
                from: role, users.map { "user_id = ANY(\($0))" } ?? "TRUE", in: domain, actor: actor, now: now,
                on: connection)
        }
    }

    private func takeMembers(
        from role: RoleID, _ condition: SQL, in domain: DomainID, actor: UserID, now: Int64,
        on connection: PostgresConnection
    ) async throws {
        let rows = try await connection.execute(
            "DELETE FROM role_members WHERE role_id = \(role) AND domain_id = \(domain) AND \(condition) RETURNING user_id"
        )
        for row in rows {
            let user: UserID = try row.decode(at: 0)
            try await announce(
                "membership", "changed", at: now, on: connection, domain: domain, actor: actor, user: user)
            try await revokeAll(
                "user_id = \(user) AND domain_id = \(domain)", reason: "role-changed", actor: actor, now: now,
                on: connection)
        }
    }

    static let notAMember = ServiceError(
        .unprocessable, reason: "not-a-member", "one of the users is no member of the domain")

    private static let nameTaken = ServiceError(
        .conflict, reason: "name-taken", "the domain has a role of this name already")
}
