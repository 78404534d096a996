// SPDX-License-Identifier: Apache-2.0
import Core
import Messaging
import NIOCore
import Postgres

extension PostgresThingsStore: PreSharedKeysStore {
    func preSharedKey(of thing: ThingID, in domain: DomainID) async throws(ServiceError) -> DevicePreSharedKey? {
        let found = try await execute(
            """
            SELECT thing_psks.thing, thing_psks.identity, thing_psks.created_at, thing_psks.created_by
            FROM thing_psks JOIN things ON things.id = thing_psks.thing
            WHERE thing_psks.thing = \(thing) AND things.domain = \(domain)
            """)
        return try rows(of: found, Self.decodePreSharedKey).first
    }

    func put(
        preSharedKey sealed: SecretKeyRing.Sealed, identity: String?, of thing: ThingID, by actor: Actor,
        at time: Int64, announcing event: EntityEvent
    ) async throws(ServiceError) -> DevicePreSharedKey? {
        let keyID = ByteBuffer(bytes: sealed.keyID)
        let box = ByteBuffer(bytes: sealed.box)
        return try await change { connection in
            // The row's lock puts two changes of one thing one after the other.
            let updated = try await connection.execute(
                """
                UPDATE things SET updated_at = \(time), updated_by = \(actor.user)
                WHERE id = \(thing) AND domain = \(actor.domain) RETURNING id
                """)
            guard !updated.isEmpty else { return (nil, []) }
            let put = try await connection.execute(
                """
                INSERT INTO thing_psks AS old (thing, identity, key_id, sealed, created_at, created_by)
                VALUES (\(thing), coalesce(\(identity as String?), \(thing)::uuid::text), \(keyID), \(box), \(time), \(actor.user))
                ON CONFLICT (thing) DO UPDATE
                SET identity = coalesce(\(identity as String?), old.identity), key_id = excluded.key_id, sealed = excluded.sealed,
                    version = excluded.version, created_at = excluded.created_at, created_by = excluded.created_by
                RETURNING thing, identity, created_at, created_by
                """)
            return (try put.first.map(Self.decodePreSharedKey), [event])
        }
    }

    func removePreSharedKey(
        of thing: ThingID, by actor: Actor, at time: Int64, announcing event: EntityEvent
    ) async throws(ServiceError) -> Bool {
        try await change { connection in
            // In the order of all others: the thing's row first.
            let held = try await connection.execute(
                "SELECT id FROM things WHERE id = \(thing) AND domain = \(actor.domain) FOR UPDATE")
            guard !held.isEmpty else { return (false, []) }
            let removed = try await connection.execute("DELETE FROM thing_psks WHERE thing = \(thing) RETURNING thing")
            guard !removed.isEmpty else { return (false, []) }
            try await connection.execute(
                "UPDATE things SET updated_at = \(time), updated_by = \(actor.user) WHERE id = \(thing)")
            return (true, [event])
        }
    }

    private static func decodePreSharedKey(_ row: PostgresRow) throws(PostgresError) -> DevicePreSharedKey {
        let (thing, identity, createdAt, createdBy) = try row.decode((ThingID, String, Int64, UserID?).self)
        return DevicePreSharedKey(thing: thing, identity: identity, createdAt: createdAt, createdBy: createdBy)
    }
}

// What adapters ask.
extension PostgresThingsStore: SealedKeysStore {
    private static let sealedColumns: SQL = """
        thing_psks.thing, things.domain, thing_psks.identity, thing_psks.key_id, thing_psks.sealed, thing_psks.version
        """
    /// Of enabled things in enabled domains.
    private static let goodKeys: SQL = """
        thing_psks JOIN things ON things.id = thing_psks.thing AND things.is_enabled AND NOT EXISTS (
            SELECT FROM domain_states WHERE domain_states.domain = things.domain AND NOT domain_states.is_enabled)
        """

    func sealedKeys(after thing: ThingID?, limit: Int) async throws(ServiceError) -> [SealedPreSharedKey] {
        let start: SQL = thing.map { "thing_psks.thing > \($0)" } ?? "true"
        let found = try await execute(
            """
            SELECT \(Self.sealedColumns) FROM \(Self.goodKeys)
            WHERE \(start) ORDER BY thing_psks.thing LIMIT \(limit)
            """)
        return try rows(of: found, Self.decodeSealed)
    }

    func sealedKey(of thing: ThingID) async throws(ServiceError) -> SealedPreSharedKey? {
        try await sealedKey(where: "thing_psks.thing = \(thing)")
    }

    func sealedKey(identity: String) async throws(ServiceError) -> SealedPreSharedKey? {
        // PostgreSQL's text cannot hold U+0000, so no identity does.
        guard !identity.utf8.contains(0) else { return nil }
        return try await sealedKey(where: "thing_psks.identity = \(identity)")
    }

    private func sealedKey(where condition: SQL) async throws(ServiceError) -> SealedPreSharedKey? {
        let found = try await execute("SELECT \(Self.sealedColumns) FROM \(Self.goodKeys) WHERE \(condition)")
        return try rows(of: found, Self.decodeSealed).first
    }

    func keys(
        notSealedBy keyID: [UInt8], after thing: ThingID?, limit: Int
    ) async throws(ServiceError) -> [SealedPreSharedKey] {
        let start: SQL = thing.map { "thing_psks.thing > \($0)" } ?? "true"
        let found = try await execute(
            """
            SELECT \(Self.sealedColumns) FROM thing_psks JOIN things ON things.id = thing_psks.thing
            WHERE thing_psks.key_id <> \(ByteBuffer(bytes: keyID)) AND \(start) ORDER BY thing_psks.thing LIMIT \(limit)
            """)
        return try rows(of: found, Self.decodeSealed)
    }

    func reseal(_ key: SealedPreSharedKey, as sealed: SecretKeyRing.Sealed) async throws(ServiceError) {
        _ = try await execute(
            """
            UPDATE thing_psks SET key_id = \(ByteBuffer(bytes: sealed.keyID)), sealed = \(ByteBuffer(bytes: sealed.box))
            WHERE thing = \(key.thing) AND version = \(key.version)
            """)
    }

    private static func decodeSealed(_ row: PostgresRow) throws(PostgresError) -> SealedPreSharedKey {
        let (thing, domain, identity, keyID, box, version) =
            try row.decode((ThingID, DomainID, String, ByteBuffer, ByteBuffer, Int64).self)
        return SealedPreSharedKey(
            thing: thing, domain: domain, identity: identity,
            sealed: SecretKeyRing.Sealed(keyID: Array(buffer: keyID), box: Array(buffer: box)), version: version)
    }
}
