// SPDX-License-Identifier: Apache-2.0
import Core
import HTTPKit
import Identity
import Postgres

extension UsersStore {
    private static let columns: SQL =
        """
        SELECT id, domain_id, name, metadata, role, created_by, created_at, updated_at,
            ARRAY(SELECT gr.role_id FROM user_group_roles gr WHERE gr.group_id = id ORDER BY gr.role_id)
        """

    private static func decode(_ row: PostgresRow) throws -> UserGroup {
        UserGroup(
            id: try row.decode(at: 0), domain: try row.decode(at: 1), name: try row.decode(at: 2),
            metadata: try value(row.decode(at: 3)), role: Role(rawValue: try row.decode(at: 4)) ?? .none,
            roles: try row.decode(at: 8), createdBy: try row.decode(at: 5), createdAt: try row.decode(at: 6),
            updatedAt: try row.decode(at: 7))
    }

    /// - Throws: `conflict` when the name is taken, `unprocessable` when there are too many groups.
    func insert(_ group: UserGroup) async throws {
        try await conflicting(Self.nameTaken) {
            try await change { connection in
                try await lockRights(in: group.domain, on: connection)
                let count: Int64 =
                    try await connection.execute("SELECT count(*) FROM user_groups WHERE domain_id = \(group.domain)")
                    .first.map { try $0.decode(at: 0) } ?? 0
                guard count < UserGroup.maximumPerDomain else {
                    throw ServiceError(
                        .unprocessable, reason: "too-many-groups",
                        "a domain has at most \(UserGroup.maximumPerDomain) groups of users")
                }
                try await connection.execute(
                    """
                    INSERT INTO user_groups (id, domain_id, name, metadata, role, created_by, created_at, updated_at)
                    VALUES (\(group.id), \(group.domain), \(group.name), \(try Self.json(group.metadata)), \(group.role.rawValue),
                        \(group.createdBy), \(group.createdAt), \(group.updatedAt))
                    """)
                try await announce(
                    "group", "created", at: group.createdAt, on: connection, domain: group.domain,
                    actor: group.createdBy)
            }
        }
    }

    func groups(in domain: DomainID, _ filter: EntityFilter, page: PageRequest) async throws -> ListPage<UserGroup> {
        var conditions: [SQL] = ["domain_id = \(domain)"]
        if let name = filter.name { conditions.append("position(lower(\(name)) in lower(name)) > 0") }
        if let metadata = filter.metadata { conditions.append("metadata @> \(try Self.json(metadata))") }
        return try await Self.page(
            Self.columns, from: "user_groups", conditions, page, on: pool, identifier: { $0.id.description },
            decode: Self.decode)
    }

    func group(_ id: GroupID, in domain: DomainID) async throws -> UserGroup? {
        try await pool.execute(Self.columns + " FROM user_groups WHERE id = \(id) AND domain_id = \(domain)").first
            .map(Self.decode)
    }

    private func group(
        _ id: GroupID, in domain: DomainID, on connection: PostgresConnection
    ) async throws -> UserGroup? {
        try await connection.execute(
            Self.columns + " FROM user_groups WHERE id = \(id) AND domain_id = \(domain) FOR UPDATE"
        ).first.map(Self.decode)
    }

    /// - Returns: nil when there is no such group.
    func update(
        _ id: GroupID, _ changes: UserGroups.Changes, in domain: DomainID, actor: UserID, now: Int64
    ) async throws -> UserGroup? {
        let metadata = try changes.metadata.map(Self.json)
        return try await conflicting(Self.nameTaken) {
            try await change { connection in
                let rows = try await connection.execute(
                    """
                    UPDATE user_groups SET name = COALESCE(\(changes.name as String?), name),
                        metadata = COALESCE(\(metadata as PostgresJSON?), metadata), updated_at = \(now)
                    WHERE id = \(id) AND domain_id = \(domain) RETURNING id
                    """)
                guard !rows.isEmpty else { return nil }
                try await announce("group", "updated", at: now, on: connection, domain: domain, actor: actor)
                return try await group(id, in: domain, on: connection)
            }
        }
    }

    /// - Returns: nil when there is no such group.
    func setRoles(
        of id: GroupID, role: Role, roles: [RoleID], in domain: DomainID, actor: UserID, now: Int64
    ) async throws -> UserGroup? {
        try await referring(Roles.notFound) {
            try await change { connection in
                try await lockRights(in: domain, on: connection)
                guard let old = try await self.group(id, in: domain, on: connection) else { return nil }
                try await connection.execute(
                    "UPDATE user_groups SET role = \(role.rawValue), updated_at = \(now) WHERE id = \(id)")
                try await connection.execute("DELETE FROM user_group_roles WHERE group_id = \(id)")
                for role in Set(roles).sorted() {
                    try await connection.execute(
                        "INSERT INTO user_group_roles (group_id, role_id, domain_id) VALUES (\(id), \(role), \(domain))"
                    )
                }
                try await announce("group", "updated", at: now, on: connection, domain: domain, actor: actor)
                if role < old.role || !Set(old.roles).isSubset(of: roles) {
                    try await endSessions(of: id, in: domain, actor: actor, now: now, on: connection)
                }
                return try await group(id, in: domain, on: connection)
            }
        }
    }

    /// - Returns: false when there is no such group.
    func remove(_ id: GroupID, in domain: DomainID, actor: UserID, now: Int64) async throws -> Bool {
        try await change { connection in
            try await lockRights(in: domain, on: connection)
            guard let group = try await self.group(id, in: domain, on: connection) else { return false }
            if group.role != .none || !group.roles.isEmpty {
                try await endSessions(of: id, in: domain, actor: actor, now: now, on: connection)
            }
            try await connection.execute("DELETE FROM user_groups WHERE id = \(id)")
            try await announce("group", "removed", at: now, on: connection, domain: domain, actor: actor)
            return true
        }
    }

    /// Puts members of the domain into a group.
    /// - Throws: `unprocessable` when one of the users is no member of the domain; nothing is changed then.
    func add(_ users: [UserID], to group: GroupID, in domain: DomainID, actor: UserID, now: Int64) async throws {
        try await referring(Self.notAMember) {
            try await change { connection in
                try await lockRights(in: domain, on: connection)
                for user in Set(users).sorted() {
                    try await connection.execute(
                        """
                        INSERT INTO user_group_members (group_id, domain_id, user_id) VALUES (\(group), \(domain), \(user))
                        ON CONFLICT (group_id, user_id) DO NOTHING
                        """)
                    try await announce(
                        "membership", "changed", at: now, on: connection, domain: domain, actor: actor, user: user)
                }
            }
        }
    }

    func take(_ users: [UserID], from id: GroupID, in domain: DomainID, actor: UserID, now: Int64) async throws {
        try await change { connection in
            try await lockRights(in: domain, on: connection)
            guard let group = try await self.group(id, in: domain, on: connection) else { throw UserGroups.notFound }
            let rows = try await connection.execute(
                "DELETE FROM user_group_members WHERE group_id = \(id) AND user_id = ANY(\(users)) RETURNING user_id")
            for row in rows {
                let user: UserID = try row.decode(at: 0)
                try await announce(
                    "membership", "changed", at: now, on: connection, domain: domain, actor: actor, user: user)
                guard group.role != .none || !group.roles.isEmpty else { continue }
                try await revokeAll(
                    "user_id = \(user) AND domain_id = \(domain)", reason: "role-changed", actor: actor, now: now,
                    on: connection)
            }
        }
    }

    private func endSessions(
        of group: GroupID, in domain: DomainID, actor: UserID, now: Int64, on connection: PostgresConnection
    ) async throws {
        try await revokeAll(
            "domain_id = \(domain) AND user_id IN (SELECT gm.user_id FROM user_group_members gm WHERE gm.group_id = \(group))",
            reason: "role-changed", actor: actor, now: now, on: connection)
    }

    private static let nameTaken = ServiceError(
        .conflict, reason: "name-taken", "the domain has a group of this name already")
}
