// SPDX-License-Identifier: Apache-2.0
import Core
import Foundation
import Messaging
import NIOCore
import Postgres

extension PostgresThingsStore {
    static let thingColumns: SQL = """
        entity.id, entity.domain, entity.parent, entity.name, entity.tags, entity.metadata, entity.is_enabled, entity.created_at,
        entity.created_by, entity.updated_at, entity.updated_by
        """

    static func decodeThing(_ row: PostgresRow) throws(PostgresError) -> Thing {
        let (id, domain, parent, name, tags, metadata, isEnabled, createdAt, createdBy, updatedAt, updatedBy) =
            try row.decode(
                (ThingID, DomainID, GroupID?, String, [String], PostgresJSON, Bool, Int64, UserID?, Int64, UserID?).self
            )
        return Thing(
            id: id, domain: domain, parent: parent,
            attributes: Attributes(name: name, tags: tags, metadata: metadata.text),
            isEnabled: isEnabled, createdAt: createdAt, createdBy: createdBy, updatedAt: updatedAt,
            updatedBy: updatedBy)
    }

    func insert(
        _ things: [(thing: Thing, keyHash: [UInt8])], announcing events: [EntityEvent]
    ) async throws(ServiceError) {
        guard let first = things.first?.thing else { return }
        let identifiers = things.map(\.thing.id)
        let parents = things.map(\.thing.parent)
        let names = things.map(\.thing.attributes.name)
        let tags = try things.map { thing throws(ServiceError) in try jsonArray(thing.thing.attributes.tags) }
        let metadata = things.map { PostgresJSON(text: $0.thing.attributes.metadata) }
        let hashes = things.map { ByteBuffer(bytes: $0.keyHash) }
        try await change { connection in
            try await connection.execute(
                """
                INSERT INTO things (id, domain, parent, name, tags, metadata, created_at, created_by, updated_at)
                SELECT new.id, \(first.domain), new.parent, new.name, ARRAY(SELECT jsonb_array_elements_text(new.tags)),
                    new.metadata, \(first.createdAt), \(first.createdBy as UserID?), \(first.updatedAt)
                FROM unnest(\(identifiers), \(parents), \(names), \(tags), \(metadata))
                    AS new (id, parent, name, tags, metadata)
                """)
            try await connection.execute(
                """
                INSERT INTO thing_keys (hash, thing, created_at)
                SELECT new.hash, new.thing, \(first.createdAt)
                FROM unnest(\(hashes), \(identifiers)) AS new (hash, thing)
                """)
            return ((), events)
        }
    }

    func thing(_ id: ThingID, in domain: DomainID) async throws(ServiceError) -> Thing? {
        let found = try await execute(
            "SELECT \(Self.thingColumns) FROM things AS entity WHERE entity.id = \(id) AND entity.domain = \(domain)")
        return try rows(of: found, Self.decodeThing).first
    }

    func things(
        _ query: ListQuery, on channel: ChannelID?, in domain: DomainID, within reach: Reach?
    ) async throws(ServiceError) -> Listing<Thing> {
        let connection = channel.map {
            ListSQL.Connection(entity: "connections.thing", condition: "connections.channel = \($0)")
        }
        let conditions: [SQL] =
            reach.map { reach -> [SQL] in
                ["(entity.parent = ANY(\(reach.groups)) OR entity.id = ANY(\(reach.things)))"]
            } ?? []
        return try await listing(
            ListSQL(query: query, domain: domain, table: "things", connection: connection, conditions: conditions),
            columns: Self.thingColumns, Self.decodeThing)
    }

    func things(
        _ query: ListQuery, in membership: Membership, of domain: DomainID
    ) async throws(ServiceError) -> Listing<Thing> {
        let groups = try await groups(of: membership, in: domain)
        return try await listing(
            ListSQL(
                query: query, domain: domain, table: "things", conditions: ["entity.parent = ANY(\(groups))"]),
            columns: Self.thingColumns, Self.decodeThing)
    }

    func count(things: [ThingID], in domain: DomainID) async throws(ServiceError) -> Int {
        let counted = try await execute(
            "SELECT count(*) FROM things WHERE id = ANY(\(things)) AND domain = \(domain)")
        return try rows(of: counted) { row throws(PostgresError) in try row.decode(Int.self, at: 0) }.first ?? 0
    }

    func update(
        thing: ThingID, _ change: AttributesChange, by actor: Actor, at time: Int64, announcing event: EntityEvent
    ) async throws(ServiceError) -> Thing? {
        let metadata = change.metadata.map(PostgresJSON.init(text:))
        return try await self.change { connection in
            let updated = try await connection.execute(
                """
                UPDATE things AS entity SET name = coalesce(\(change.name as String?), name), tags = coalesce(\(change.tags as [String]?), tags),
                    metadata = coalesce(\(metadata as PostgresJSON?), metadata),
                    updated_at = \(time), updated_by = \(actor.user)
                WHERE id = \(thing) AND domain = \(actor.domain) RETURNING \(Self.thingColumns)
                """)
            guard let row = updated.first else { return (nil, []) }
            return (try Self.decodeThing(row), [event])
        }
    }

    func replaceKey(
        of thing: ThingID, hash: [UInt8], by actor: Actor, at time: Int64, announcing event: EntityEvent
    ) async throws(ServiceError) -> Thing? {
        try await change { connection in
            // The row's lock puts two rotations of one thing one after the other.
            let updated = try await connection.execute(
                """
                UPDATE things AS entity SET updated_at = \(time), updated_by = \(actor.user)
                WHERE id = \(thing) AND domain = \(actor.domain) RETURNING \(Self.thingColumns)
                """)
            guard let row = updated.first else { return (nil, []) }
            try await connection.execute("DELETE FROM thing_keys WHERE thing = \(thing)")
            try await connection.execute(
                """
                INSERT INTO thing_keys (hash, thing, created_at)
                VALUES (\(ByteBuffer(bytes: hash)), \(thing), \(time))
                """)
            return (try Self.decodeThing(row), [event])
        }
    }

    func setEnabled(
        thing: ThingID, _ isEnabled: Bool, by actor: Actor, at time: Int64, announcing event: EntityEvent
    ) async throws(ServiceError) -> Thing? {
        let updated: Thing? = try await change { connection in
            let updated = try await connection.execute(
                """
                UPDATE things AS entity SET is_enabled = \(isEnabled), updated_at = \(time), updated_by = \(actor.user)
                WHERE id = \(thing) AND domain = \(actor.domain) AND is_enabled <> \(isEnabled)
                RETURNING \(Self.thingColumns)
                """)
            guard let row = updated.first else { return (nil, []) }
            return (try Self.decodeThing(row), [event])
        }
        if let updated { return updated }
        return try await self.thing(thing, in: actor.domain)
    }

    func remove(
        thing: ThingID, in domain: DomainID, announcing event: EntityEvent
    ) async throws(ServiceError) -> Bool {
        try await change { connection in
            let removed = try await connection.execute(
                "DELETE FROM things WHERE id = \(thing) AND domain = \(domain) RETURNING id")
            return (!removed.isEmpty, removed.isEmpty ? [] : [event])
        }
    }

    /// Lists of different lengths do not fit an array of arrays in PostgreSQL: they travel as JSON.
    func jsonArray(_ tags: [String]) throws(ServiceError) -> PostgresJSON {
        do {
            return PostgresJSON(text: String(decoding: try JSONEncoder().encode(tags), as: UTF8.self))
        } catch {
            throw ServiceError(.unprocessable, reason: "invalid-tag", "'tags' cannot be encoded")
        }
    }
}
