// SPDX-License-Identifier: Apache-2.0
import Core
import HTTPKit
import Identity
import Postgres

extension UsersStore {
    private static let columns: SQL =
        "SELECT id, name, route, tags, metadata, status, created_by, created_at, updated_at"

    private static func decode(_ row: PostgresRow) throws -> Tenant {
        Tenant(
            id: try row.decode(at: 0), name: try row.decode(at: 1), route: try row.decode(at: 2),
            tags: try row.decode(at: 3), metadata: try value(row.decode(at: 4)),
            status: Tenant.Status(rawValue: try row.decode(at: 5)) ?? .disabled, createdBy: try row.decode(at: 6),
            createdAt: try row.decode(at: 7), updatedAt: try row.decode(at: 8))
    }

    /// - Throws: `conflict` when the route is taken.
    func insert(_ domain: Tenant) async throws {
        try await conflicting(Self.routeTaken) {
            // Who is removed while making a domain has a session no more.
            try await referring(ServiceError(fault: .revoked)) {
                try await change { connection in try await insert(domain, on: connection) }
            }
        }
    }

    /// The domain, and its creator's membership.
    func insert(_ domain: Tenant, on connection: PostgresConnection) async throws {
        try await connection.execute(
            """
            INSERT INTO domains (id, name, route, tags, metadata, status, created_by, created_at, updated_at)
            VALUES (\(domain.id), \(domain.name), \(domain.route as String?), \(domain.tags), \(try Self.json(domain.metadata)),
                \(domain.status.rawValue), \(domain.createdBy), \(domain.createdAt), \(domain.updatedAt))
            """)
        try await connection.execute(
            """
            INSERT INTO memberships (domain_id, user_id, role, created_at)
            VALUES (\(domain.id), \(domain.createdBy), 'admin', \(domain.createdAt))
            """)
        try await announce(
            "domain", "created", at: domain.createdAt, on: connection, domain: domain.id, actor: domain.createdBy)
        try await announce(
            "membership", "changed", at: domain.createdAt, on: connection, domain: domain.id, actor: domain.createdBy,
            user: domain.createdBy)
    }

    func domain(_ id: DomainID) async throws -> Tenant? {
        try await pool.execute(Self.columns + " FROM domains WHERE id = \(id)").first.map(Self.decode)
    }

    /// - Parameter member: only domains of this user; nil: all.
    func domains(_ filter: EntityFilter, page: PageRequest, member: UserID?) async throws -> ListPage<Tenant> {
        var conditions = try Self.conditions(filter)
        if let member {
            conditions.append("id IN (SELECT domain_id FROM memberships WHERE user_id = \(member))")
        }
        return try await Self.page(
            Self.columns, from: "domains", conditions, page, on: pool, identifier: { $0.id.description },
            decode: Self.decode)
    }

    /// - Returns: nil when there is no such domain.
    func update(_ id: DomainID, _ changes: TenantChanges, actor: UserID, now: Int64) async throws -> Tenant? {
        let metadata = try changes.metadata.map(Self.json)
        return try await conflicting(Self.routeTaken) {
            try await change { connection in
                let rows = try await connection.execute(
                    """
                    UPDATE domains SET name = COALESCE(\(changes.name as String?), name), route = COALESCE(\(changes.route as String?), route),
                        tags = COALESCE(\(changes.tags as [String]?), tags), metadata = COALESCE(\(metadata as PostgresJSON?), metadata),
                        updated_at = \(now)
                    WHERE id = \(id) RETURNING id
                    """)
                guard !rows.isEmpty else { return nil }
                try await announce("domain", "updated", at: now, on: connection, domain: id, actor: actor)
                return try await connection.execute(Self.columns + " FROM domains WHERE id = \(id)").first
                    .map(Self.decode)
            }
        }
    }

    /// - Parameter mayThaw: whether who does it may let a frozen domain be anything else.
    /// - Returns: nil when there is no such domain.
    func setStatus(
        _ id: DomainID, _ status: Tenant.Status, mayThaw: Bool, actor: UserID, now: Int64
    ) async throws -> Tenant? {
        try await change { connection in
            let rows = try await connection.execute("SELECT status FROM domains WHERE id = \(id) FOR UPDATE")
            guard let old: String = try rows.first?.decode(at: 0) else { return nil }
            guard mayThaw || old != Tenant.Status.frozen.rawValue else {
                throw ServiceError(
                    .forbidden, reason: "domain-frozen", "the installation's administrator has frozen the domain")
            }
            try await connection.execute(
                "UPDATE domains SET status = \(status.rawValue), updated_at = \(now) WHERE id = \(id)")
            try await announce("domain", status.rawValue, at: now, on: connection, domain: id, actor: actor)
            if status != .enabled {
                try await revokeAll(
                    "domain_id = \(id)", reason: "domain-\(status.rawValue)", actor: actor, now: now, on: connection)
            }
            return try await connection.execute(Self.columns + " FROM domains WHERE id = \(id)").first
                .map(Self.decode)
        }
    }

    private static let routeTaken = ServiceError(
        .conflict, reason: "route-taken", "there is a domain with this route already")
}
