// SPDX-License-Identifier: Apache-2.0
import Core
import Messaging
import Postgres

extension PostgresThingsStore: GroupsStore {
    static let groupColumns: SQL = """
        entity.id, entity.domain, entity.path, entity.name, entity.description, entity.metadata, entity.created_at,
        entity.created_by, entity.updated_at, entity.updated_by
        """

    static func decodeGroup(_ row: PostgresRow) throws(PostgresError) -> Group {
        let (id, domain, path, name, description, metadata, createdAt, createdBy, updatedAt, updatedBy) =
            try row.decode(
                (
                    GroupID, DomainID, [GroupID], String, String, PostgresJSON, Int64, UserID?, Int64, UserID?
                ).self)
        return Group(
            id: id, domain: domain, path: path, name: name, description: description, metadata: metadata.text,
            createdAt: createdAt, createdBy: createdBy, updatedAt: updatedAt, updatedBy: updatedBy)
    }

    func insert(
        _ group: Group, below parent: GroupID?, announcing event: EntityEvent
    ) async throws(ServiceError) -> Group {
        try await change { connection in
            try await Self.lockTree(of: group.domain, on: connection)
            let counted = try await connection.execute("SELECT count(*) FROM groups WHERE domain = \(group.domain)")
            guard try counted.first?.decode(Int.self, at: 0) ?? 0 < Group.maximumGroups else {
                throw ThingsRefusal.tooManyGroups
            }
            let above = try await Self.path(of: parent, in: group.domain, on: connection)
            guard above.count < Group.maximumLevels else { throw ThingsRefusal.groupTooDeep }
            var group = group
            group.path = above + [group.id]
            try await connection.execute(
                """
                INSERT INTO groups (
                    id, domain, parent, path, name, description, metadata, created_at, created_by, updated_at)
                VALUES (\(group.id), \(group.domain), \(parent as GroupID?), \(group.path), \(group.name),
                    \(group.description), \(PostgresJSON(text: group.metadata)), \(group.createdAt),
                    \(group.createdBy as UserID?), \(group.updatedAt))
                """)
            return (group, [event])
        }
    }

    func group(_ id: GroupID, in domain: DomainID) async throws(ServiceError) -> Group? {
        let found = try await execute(
            "SELECT \(Self.groupColumns) FROM groups AS entity WHERE entity.id = \(id) AND entity.domain = \(domain)")
        return try rows(of: found, Self.decodeGroup).first
    }

    func groups(
        _ query: ListQuery, _ range: GroupRange, in domain: DomainID, within reach: Reach?
    ) async throws(ServiceError) -> Listing<Group> {
        var conditions: [SQL] = []
        switch range.relation {
        case .all: conditions.append("cardinality(entity.path) <= \(range.levels)")
        case .below(let id):
            // The level of the group named is asked for once.
            conditions += [
                "entity.path @> \([id])", "entity.id <> \(id)",
                """
                cardinality(entity.path) <= \(range.levels)
                    + (SELECT cardinality(named.path) FROM groups AS named WHERE named.id = \(id))
                """,
            ]
        case .above(let id):
            conditions.append(
                """
                entity.id = ANY (ARRAY(
                    SELECT unnest(path[greatest(cardinality(path) - \(Int32(clamping: range.levels)), 1):cardinality(path) - 1])
                    FROM groups WHERE id = \(id)))
                """)
        }
        if let reach { conditions.append("entity.id = ANY(\(reach.groups))") }
        return try await listing(
            ListSQL(query: query, domain: domain, table: "groups", conditions: conditions),
            columns: Self.groupColumns, Self.decodeGroup)
    }

    func update(
        group: GroupID, _ change: GroupChange, by actor: Actor, at time: Int64, announcing event: EntityEvent
    ) async throws(ServiceError) -> Group? {
        let metadata = change.metadata.map(PostgresJSON.init(text:))
        return try await self.change { connection in
            let updated = try await connection.execute(
                """
                UPDATE groups AS entity SET name = coalesce(\(change.name as String?), name),
                    description = coalesce(\(change.description as String?), description),
                    metadata = coalesce(\(metadata as PostgresJSON?), metadata),
                    updated_at = \(time), updated_by = \(actor.user)
                WHERE id = \(group) AND domain = \(actor.domain) RETURNING \(Self.groupColumns)
                """)
            guard let row = updated.first else { return (nil, []) }
            return (try Self.decodeGroup(row), [event])
        }
    }

    func move(
        group: GroupID, from former: GroupID?, below parent: GroupID?, by actor: Actor, at time: Int64,
        announcing event: EntityEvent
    ) async throws(ServiceError) -> Group? {
        try await change { connection in
            try await Self.lockTree(of: actor.domain, on: connection)
            let path = try await Self.path(of: group, in: actor.domain, on: connection)
            // The rights were judged by where it was.
            guard path.dropLast().last == former else { throw ThingsRefusal.concurrentChange }
            let above = try await Self.path(of: parent, in: actor.domain, on: connection)
            guard !above.contains(group) else { throw ThingsRefusal.groupCycle }
            let deepest = try await connection.execute(
                "SELECT max(cardinality(path)) FROM groups WHERE domain = \(actor.domain) AND path @> \([group])")
            let levels = Int(try deepest.first?.decode(Int32.self, at: 0) ?? 0) - path.count + 1
            guard above.count + levels <= Group.maximumLevels else { throw ThingsRefusal.groupTooDeep }
            try await connection.execute(
                """
                UPDATE groups SET path = \(above) || path[\(Int32(clamping: path.count)):],
                    parent = CASE WHEN id = \(group) THEN \(parent as GroupID?) ELSE parent END
                WHERE domain = \(actor.domain) AND path @> \([group])
                """)
            let moved = try await connection.execute(
                """
                UPDATE groups AS entity SET updated_at = \(time), updated_by = \(actor.user)
                WHERE id = \(group) RETURNING \(Self.groupColumns)
                """)
            guard let row = moved.first else { return (nil, []) }
            return (try Self.decodeGroup(row), [event])
        }
    }

    func remove(
        group: GroupID, from parent: GroupID?, in domain: DomainID, announcing event: EntityEvent
    ) async throws(ServiceError) -> Bool {
        try await change { connection in
            try await Self.lockTree(of: domain, on: connection)
            let path = try await Self.path(of: group, in: domain, on: connection)
            guard path.dropLast().last == parent else { throw ThingsRefusal.concurrentChange }
            try await connection.execute(
                """
                UPDATE groups SET path = array_remove(path, \(group)),
                    parent = CASE WHEN parent = \(group) THEN \(parent as GroupID?) ELSE parent END
                WHERE domain = \(domain) AND path @> \([group]) AND id <> \(group)
                """)
            try await connection.execute(
                "UPDATE things SET parent = \(parent as GroupID?) WHERE parent = \(group) AND domain = \(domain)")
            try await connection.execute(
                "UPDATE channels SET parent = \(parent as GroupID?) WHERE parent = \(group) AND domain = \(domain)")
            let removed = try await connection.execute(
                "DELETE FROM groups WHERE id = \(group) AND domain = \(domain) RETURNING id")
            return (!removed.isEmpty, removed.isEmpty ? [] : [event])
        }
    }

    /// Until the end of the transaction nobody else changes the domain's tree: two moves that together would make a circle come one after the other.
    private static func lockTree(of domain: DomainID, on connection: PostgresConnection) async throws(PostgresError) {
        let tree = "groups of \(domain)"
        try await connection.execute("SELECT pg_advisory_xact_lock(hashtextextended(\(tree), 0))")
    }

    /// - Returns: empty for nil.
    /// - Throws: `notFound` when there is no such group.
    private static func path(
        of group: GroupID?, in domain: DomainID, on connection: PostgresConnection
    ) async throws -> [GroupID] {
        guard let group else { return [] }
        let found = try await connection.execute(
            "SELECT path FROM groups WHERE id = \(group) AND domain = \(domain)")
        guard let row = found.first else { throw ThingsRefusal.unknownGroup }
        return try row.decode([GroupID].self, at: 0)
    }
}

// What is in which group.
extension PostgresThingsStore {
    /// The group, or it and all below it.
    func groups(of membership: Membership, in domain: DomainID) async throws(ServiceError) -> [GroupID] {
        guard membership.isDeep else { return [membership.group] }
        let found = try await execute(
            "SELECT id FROM groups WHERE domain = \(domain) AND path @> \([membership.group])")
        return try rows(of: found) { row throws(PostgresError) in try row.decode(GroupID.self, at: 0) }
    }

    func groups(
        ofThings things: [ThingID], andChannels channels: [ChannelID], in domain: DomainID
    ) async throws(ServiceError) -> Set<GroupID> {
        let found = try await execute(
            """
            SELECT parent FROM things
            WHERE id = ANY(\(things)) AND domain = \(domain) AND parent IS NOT NULL
            UNION SELECT parent FROM channels
            WHERE id = ANY(\(channels)) AND domain = \(domain) AND parent IS NOT NULL
            """)
        return Set(try rows(of: found) { row throws(PostgresError) in try row.decode(GroupID.self, at: 0) })
    }

    func move(
        things: [ThingID], channels: [ChannelID], to group: GroupID?, by actor: Actor, _ events: ChangeEvents
    ) async throws(ServiceError) {
        try await change { connection in
            let movedThings = try await connection.execute(
                """
                UPDATE things SET parent = \(group as GroupID?), updated_at = \(events.at), updated_by = \(actor.user)
                WHERE id IN (
                    SELECT id FROM things WHERE id = ANY(\(things)) AND domain = \(actor.domain)
                        AND parent IS DISTINCT FROM \(group as GroupID?) ORDER BY id FOR UPDATE)
                RETURNING id
                """)
            let movedChannels = try await connection.execute(
                """
                UPDATE channels SET parent = \(group as GroupID?), updated_at = \(events.at), updated_by = \(actor.user)
                WHERE id IN (
                    SELECT id FROM channels WHERE id = ANY(\(channels)) AND domain = \(actor.domain)
                        AND parent IS DISTINCT FROM \(group as GroupID?) ORDER BY id FOR UPDATE)
                RETURNING id
                """)
            var announced: [EntityEvent] = []
            for row in movedThings { announced.append(events.thing(try row.decode(ThingID.self, at: 0), .updated)) }
            for row in movedChannels {
                announced.append(events.channel(try row.decode(ChannelID.self, at: 0), .updated))
            }
            return ((), announced)
        }
    }
}
