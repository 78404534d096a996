// SPDX-License-Identifier: Apache-2.0
import Core
import Messaging
import Postgres

extension PostgresThingsStore {
    static let channelColumns: SQL = """
        entity.id, entity.domain, entity.parent, entity.route, entity.name, entity.tags, entity.metadata, entity.is_enabled,
        entity.created_at, entity.created_by, entity.updated_at, entity.updated_by
        """

    static func decodeChannel(_ row: PostgresRow) throws(PostgresError) -> Channel {
        let (id, domain, parent, route, name, tags, metadata, isEnabled, createdAt, createdBy, updatedAt, updatedBy) =
            try row.decode(
                (
                    ChannelID, DomainID, GroupID?, String?, String, [String], PostgresJSON, Bool, Int64, UserID?, Int64,
                    UserID?
                ).self)
        return Channel(
            id: id, domain: domain, parent: parent, route: route,
            attributes: Attributes(name: name, tags: tags, metadata: metadata.text), isEnabled: isEnabled,
            createdAt: createdAt, createdBy: createdBy, updatedAt: updatedAt, updatedBy: updatedBy)
    }

    func insert(_ channels: [Channel], announcing events: [EntityEvent]) async throws(ServiceError) {
        guard let first = channels.first else { return }
        let identifiers = channels.map(\.id)
        let parents = channels.map(\.parent)
        let routes = channels.map(\.route)
        let names = channels.map(\.attributes.name)
        let tags = try channels.map { channel throws(ServiceError) in try jsonArray(channel.attributes.tags) }
        let metadata = channels.map { PostgresJSON(text: $0.attributes.metadata) }
        try await change { connection in
            try await connection.execute(
                """
                INSERT INTO channels (id, domain, parent, route, name, tags, metadata, created_at, created_by, updated_at)
                SELECT new.id, \(first.domain), new.parent, new.route, new.name,
                    ARRAY(SELECT jsonb_array_elements_text(new.tags)),
                    new.metadata, \(first.createdAt), \(first.createdBy as UserID?), \(first.updatedAt)
                FROM unnest(\(identifiers), \(parents), \(routes), \(names), \(tags), \(metadata))
                    AS new (id, parent, route, name, tags, metadata)
                """)
            return ((), events)
        }
    }

    func channel(_ reference: ChannelReference, in domain: DomainID) async throws(ServiceError) -> Channel? {
        let condition: SQL =
            switch reference {
            case .identifier(let id): "entity.id = \(id)"
            case .route(let route): "entity.route = \(route)"
            }
        let found = try await execute(
            "SELECT \(Self.channelColumns) FROM channels AS entity WHERE entity.domain = \(domain) AND \(condition)")
        return try rows(of: found, Self.decodeChannel).first
    }

    func channels(
        _ query: ListQuery, of thing: ThingID?, in domain: DomainID, within reach: Reach?
    ) async throws(ServiceError) -> Listing<Channel> {
        let connection = thing.map {
            ListSQL.Connection(entity: "connections.channel", condition: "connections.thing = \($0)")
        }
        let conditions: [SQL] =
            reach.map { reach -> [SQL] in
                ["(entity.parent = ANY(\(reach.groups)) OR entity.id = ANY(\(reach.channels)))"]
            } ?? []
        return try await listing(
            ListSQL(query: query, domain: domain, table: "channels", connection: connection, conditions: conditions),
            columns: Self.channelColumns, Self.decodeChannel)
    }

    func channels(
        _ query: ListQuery, in membership: Membership, of domain: DomainID
    ) async throws(ServiceError) -> Listing<Channel> {
        let groups = try await groups(of: membership, in: domain)
        return try await listing(
            ListSQL(
                query: query, domain: domain, table: "channels", conditions: ["entity.parent = ANY(\(groups))"]),
            columns: Self.channelColumns, Self.decodeChannel)
    }

    func count(channels: [ChannelID], in domain: DomainID) async throws(ServiceError) -> Int {
        let counted = try await execute(
            "SELECT count(*) FROM channels WHERE id = ANY(\(channels)) AND domain = \(domain)")
        return try rows(of: counted) { row throws(PostgresError) in try row.decode(Int.self, at: 0) }.first ?? 0
    }

    func update(
        channel: ChannelID, _ change: AttributesChange, route: RouteChange, by actor: Actor, at time: Int64,
        announcing event: EntityEvent
    ) async throws(ServiceError) -> Channel? {
        let newRoute: SQL =
            switch route {
            case .unchanged: "route"
            case .removed: "NULL"
            case .set(let text): "\(text)"
            }
        let metadata = change.metadata.map(PostgresJSON.init(text:))
        return try await self.change { connection in
            let updated = try await connection.execute(
                """
                UPDATE channels AS entity SET name = coalesce(\(change.name as String?), name),
                    tags = coalesce(\(change.tags as [String]?), tags),
                    metadata = coalesce(\(metadata as PostgresJSON?), metadata), route = \(newRoute),
                    updated_at = \(time), updated_by = \(actor.user)
                WHERE id = \(channel) AND domain = \(actor.domain) RETURNING \(Self.channelColumns)
                """)
            guard let row = updated.first else { return (nil, []) }
            return (try Self.decodeChannel(row), [event])
        }
    }

    func setEnabled(
        channel: ChannelID, _ isEnabled: Bool, by actor: Actor, at time: Int64, announcing event: EntityEvent
    ) async throws(ServiceError) -> Channel? {
        let updated: Channel? = try await change { connection in
            let updated = try await connection.execute(
                """
                UPDATE channels AS entity SET is_enabled = \(isEnabled), updated_at = \(time),
                    updated_by = \(actor.user)
                WHERE id = \(channel) AND domain = \(actor.domain) AND is_enabled <> \(isEnabled)
                RETURNING \(Self.channelColumns)
                """)
            guard let row = updated.first else { return (nil, []) }
            return (try Self.decodeChannel(row), [event])
        }
        if let updated { return updated }
        return try await self.channel(.identifier(channel), in: actor.domain)
    }

    func remove(
        channel: ChannelID, in domain: DomainID, announcing event: EntityEvent
    ) async throws(ServiceError) -> Bool {
        try await change { connection in
            let removed = try await connection.execute(
                "DELETE FROM channels WHERE id = \(channel) AND domain = \(domain) RETURNING id")
            return (!removed.isEmpty, removed.isEmpty ? [] : [event])
        }
    }
}
