// SPDX-License-Identifier: Apache-2.0
import Core
import HTTPKit
import Identity
import Postgres

extension UsersStore {
    /// A member's rights: the own role and custom roles, and those of the groups.
    private static func rights(of user: UserID, in domain: DomainID) -> SQL {
        """
        SELECT m.role, d.status, d.rights_version,
            ARRAY(SELECT g.role FROM user_groups g JOIN user_group_members gm ON gm.group_id = g.id
                WHERE gm.domain_id = m.domain_id AND gm.user_id = m.user_id),
            ARRAY(SELECT unnest(r.actions) FROM roles r JOIN role_members rm ON rm.role_id = r.id
                    WHERE rm.domain_id = m.domain_id AND rm.user_id = m.user_id
                UNION SELECT unnest(r.actions) FROM roles r JOIN user_group_roles gr ON gr.role_id = r.id
                    JOIN user_group_members gm ON gm.group_id = gr.group_id
                    WHERE gm.domain_id = m.domain_id AND gm.user_id = m.user_id)
        FROM memberships m JOIN domains d ON d.id = m.domain_id
        WHERE m.domain_id = \(domain) AND m.user_id = \(user)
        """
    }

    private static func decode(_ row: PostgresRow) throws -> MemberRights {
        let own = Role(rawValue: try row.decode(at: 0)) ?? .none
        let groups: [String] = try row.decode(at: 3)
        let custom: [String] = try row.decode(at: 4)
        return MemberRights(
            rights: Rights(
                role: groups.compactMap(Role.init).reduce(own, max), custom: Set(custom.map(Action.init))),
            status: Tenant.Status(rawValue: try row.decode(at: 1)) ?? .disabled, version: try row.decode(at: 2))
    }

    /// - Returns: nil when the user is no member of the domain, or there is none.
    func rights(of user: UserID, in domain: DomainID) async throws -> MemberRights? {
        try await pool.execute(Self.rights(of: user, in: domain)).first.map(Self.decode)
    }

    /// - Returns: nil when the user is no member of the domain.
    func rights(of user: UserID, in domain: DomainID, on connection: PostgresConnection) async throws -> Rights? {
        try await connection.execute(Self.rights(of: user, in: domain)).first.map(Self.decode)?.rights
    }

    /// Begins a change of rights in a domain: one at a time, and none while a session begins with the rights of before.
    func lockRights(in domain: DomainID, on connection: PostgresConnection) async throws {
        let rows = try await connection.execute(
            "UPDATE domains SET rights_version = rights_version + 1 WHERE id = \(domain) RETURNING id")
        guard !rows.isEmpty else { throw Domains.notFound }
    }

    /// Gives users a role, which makes them members; sessions in which they had another built-in one end.
    /// - Parameter own: the rights of who does it.
    /// - Throws: `unprocessable` when one of the users or the role does not exist, `forbidden` when something is more than the own rights;
    ///   nothing is changed then.
    func assign(
        _ users: [UserID], role: RoleReference, in domain: DomainID, by own: Rights, actor: UserID, now: Int64
    ) async throws {
        let unknownUser = ServiceError(.unprocessable, reason: "unknown-user", "one of user_ids is no user")
        try await referring(unknownUser) {
            try await change { connection in
                try await lockRights(in: domain, on: connection)
                for user in Set(users).sorted() {
                    try await give(role, to: user, in: domain, by: own, actor: actor, now: now, on: connection)
                }
                try await requireAdministrator(of: domain, on: connection)
            }
        }
    }

    /// Gives a user a role in the open transaction, under ``lockRights(in:on:)``.
    func give(
        _ role: RoleReference, to user: UserID, in domain: DomainID, by own: Rights, actor: UserID, now: Int64,
        on connection: PostgresConnection
    ) async throws {
        switch role {
        case .builtIn(let role):
            try DomainAccess.requireCovers(own, role.actions)
            let rows = try await connection.execute(
                "SELECT role FROM memberships WHERE domain_id = \(domain) AND user_id = \(user)")
            let old: Role? = try rows.first.flatMap { Role(rawValue: try $0.decode(at: 0)) }
            guard old != role else { return }
            if let old { try DomainAccess.requireCovers(own, old.actions) }
            try await connection.execute(
                """
                INSERT INTO memberships (domain_id, user_id, role, created_at)
                VALUES (\(domain), \(user), \(role.rawValue), \(now))
                ON CONFLICT (domain_id, user_id) DO UPDATE SET role = EXCLUDED.role
                """)
            try await revokeAll(
                "user_id = \(user) AND domain_id = \(domain)", reason: "role-changed", actor: actor, now: now,
                on: connection)
        case .custom(let id):
            guard let custom = try await self.role(id, in: domain, on: connection) else {
                throw ServiceError(.unprocessable, reason: "unknown-role", "there is no such role in the domain")
            }
            try DomainAccess.requireCovers(own, custom.actions)
            try await connection.execute(
                """
                INSERT INTO memberships (domain_id, user_id, role, created_at) VALUES (\(domain), \(user), 'none', \(now))
                ON CONFLICT (domain_id, user_id) DO NOTHING
                """)
            try await connection.execute(
                """
                INSERT INTO role_members (role_id, domain_id, user_id) VALUES (\(id), \(domain), \(user))
                ON CONFLICT (role_id, user_id) DO NOTHING
                """)
        }
        try await announce("membership", "changed", at: now, on: connection, domain: domain, actor: actor, user: user)
    }

    func unassign(_ users: [UserID], in domain: DomainID, by own: Rights, actor: UserID, now: Int64) async throws {
        try await change { connection in
            try await lockRights(in: domain, on: connection)
            for user in Set(users).sorted() {
                guard let rights = try await rights(of: user, in: domain, on: connection) else { continue }
                try DomainAccess.requireCovers(own, rights.actions)
                try await connection.execute(
                    "DELETE FROM memberships WHERE domain_id = \(domain) AND user_id = \(user)")
                try await announce(
                    "membership", "removed", at: now, on: connection, domain: domain, actor: actor, user: user)
                try await revokeAll(
                    "user_id = \(user) AND domain_id = \(domain)", reason: "removed-from-domain", actor: actor,
                    now: now, on: connection)
            }
            try await requireAdministrator(of: domain, on: connection)
        }
    }

    /// A domain that nobody could manage any more would be lost to its members.
    func requireAdministrator(
        of domain: DomainID, _ kind: ServiceError.Kind = .unprocessable, on connection: PostgresConnection
    ) async throws {
        let left = try await connection.execute(
            "SELECT 1 FROM memberships WHERE domain_id = \(domain) AND role = 'admin' LIMIT 1")
        guard !left.isEmpty else {
            throw ServiceError(
                kind, reason: "last-administrator",
                "the domain \(domain) must keep a member who is its administrator")
        }
    }

    func members(
        of domain: DomainID, _ filter: MemberFilter, page: PageRequest
    ) async throws -> ListPage<Member> {
        var conditions: [SQL] = ["m.domain_id = \(domain)"]
        if let name = filter.name {
            conditions.append(
                "(position(lower(\(name)) in lower(name)) > 0 OR position(lower(\(name)) in lower(identity)) > 0)")
        }
        if let role = filter.role { conditions.append("m.role = \(role.rawValue)") }
        if let group = filter.group {
            conditions.append("id IN (SELECT user_id FROM user_group_members WHERE group_id = \(group))")
        }
        if let role = filter.customRole {
            conditions.append("id IN (SELECT user_id FROM role_members WHERE role_id = \(role))")
        }
        return try await Self.page(
            """
            SELECT id, name, identity, status, m.role, ARRAY(SELECT rm.role_id FROM role_members rm
                WHERE rm.domain_id = m.domain_id AND rm.user_id = m.user_id ORDER BY rm.role_id)
            """, from: "memberships m JOIN users ON id = m.user_id", conditions, page, on: pool,
            identifier: { $0.user.description }, decode: Self.decodeMember)
    }

    private static func decodeMember(_ row: PostgresRow) throws -> Member {
        Member(
            user: try row.decode(at: 0), name: try row.decode(at: 1), identity: try row.decode(at: 2),
            status: User.Status(rawValue: try row.decode(at: 3)) ?? .disabled,
            role: Role(rawValue: try row.decode(at: 4)) ?? .none, roles: try row.decode(at: 5))
    }
}
