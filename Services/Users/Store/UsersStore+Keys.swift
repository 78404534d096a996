// SPDX-License-Identifier: Apache-2.0
import Core
import Foundation
import HTTPKit
import Identity
import Postgres

extension UsersStore {
    /// How often a key's last use is written down: not with every request.
    private static let useNanoseconds: Int64 = 60 * 1_000_000_000

    private static let columns: SQL =
        """
        SELECT id, kind, user_id, domain_id, name, note, hint, scopes, created_at, updated_at, expires_at, last_used_at, revoked_at
        """

    private static func decode(_ row: PostgresRow) throws -> APIKey {
        let scopes: PostgresJSON? = try row.decode(at: 7)
        return APIKey(
            id: try row.decode(at: 0), kind: KeyToken(rawValue: try row.decode(at: 1)) ?? .personal,
            user: try row.decode(at: 2), domain: try row.decode(at: 3), name: try row.decode(at: 4),
            note: try row.decode(at: 5), hint: try row.decode(at: 6), scopes: try scopes.map(grants),
            createdAt: try row.decode(at: 8), updatedAt: try row.decode(at: 9), expiresAt: try row.decode(at: 10),
            lastUsedAt: try row.decode(at: 11), revokedAt: try row.decode(at: 12))
    }

    /// Where a session is named, a key stands for itself.
    private static func session(_ id: KeyID) -> SessionID { SessionID(high: id.high, low: id.low) }

    private static func grants(_ json: PostgresJSON) throws -> Grants {
        try JSONDecoder().decode(Grants.self, from: Data(json.text.utf8))
    }

    private static func json(_ grants: Grants?) throws -> PostgresJSON? {
        try grants.map { PostgresJSON(text: String(decoding: try JSONEncoder().encode($0), as: UTF8.self)) }
    }

    /// - Throws: `unprocessable` when the user has too many keys.
    func insert(_ key: APIKey, hash: String) async throws {
        // Who is removed while making a key has a session no more.
        try await referring(ServiceError(fault: .revoked)) { try await insertAnnounced(key, hash: hash) }
    }

    private func insertAnnounced(_ key: APIKey, hash: String) async throws {
        try await change { connection in
            // Of two at once the second must see the first.
            try await connection.execute("SELECT 1 FROM users WHERE id = \(key.user) FOR UPDATE")
            let count: Int64 =
                try await connection.execute("SELECT count(*) FROM api_keys WHERE user_id = \(key.user)").first
                .map { try $0.decode(at: 0) } ?? 0
            guard count < APIKey.maximumPerUser else {
                throw ServiceError(
                    .unprocessable, reason: "too-many-keys",
                    "you have \(APIKey.maximumPerUser) keys: remove those that are not needed")
            }
            try await connection.execute(
                """
                INSERT INTO api_keys (id, kind, user_id, domain_id, name, note, hash, hint, scopes, created_at, updated_at,
                    expires_at)
                VALUES (\(key.id), \(key.kind.rawValue), \(key.user), \(key.domain), \(key.name), \(key.note), \(hash), \(key.hint),
                    \(try Self.json(key.scopes) as PostgresJSON?), \(key.createdAt), \(key.updatedAt), \(key.expiresAt as Int64?))
                """)
            try await announce(
                "key", "created", at: key.createdAt, on: connection, domain: key.domain, actor: key.user,
                user: key.user, session: Self.session(key.id))
        }
    }

    func keys(_ kind: KeyToken, of user: UserID, page: PageRequest) async throws -> ListPage<APIKey> {
        try await Self.page(
            Self.columns, from: "api_keys", ["user_id = \(user)", "kind = \(kind.rawValue)"], page, on: pool,
            identifier: { $0.id.description }, decode: Self.decode)
    }

    func key(_ id: KeyID, _ kind: KeyToken, of user: UserID) async throws -> APIKey? {
        try await pool.execute(
            Self.columns + " FROM api_keys WHERE id = \(id) AND kind = \(kind.rawValue) AND user_id = \(user)"
        ).first.map(Self.decode)
    }

    /// - Parameter hash: of a new secret; nil: the secret stays.
    /// - Returns: nil when there is no such key.
    func update(
        _ id: KeyID, _ kind: KeyToken, of user: UserID, hash: String?, now: Int64, revise: (inout APIKey) throws -> Void
    ) async throws -> APIKey? {
        try await change { connection in
            let rows = try await connection.execute(
                Self.columns
                    + " FROM api_keys WHERE id = \(id) AND kind = \(kind.rawValue) AND user_id = \(user) FOR UPDATE")
            guard var key = try rows.first.map(Self.decode) else { return nil }
            let wasRevoked = key.revokedAt != nil
            try revise(&key)
            key.updatedAt = now
            try await connection.execute(
                """
                UPDATE api_keys SET name = \(key.name), note = \(key.note), hint = \(key.hint), scopes = \(try Self.json(key.scopes) as PostgresJSON?),
                    updated_at = \(now), expires_at = \(key.expiresAt as Int64?), revoked_at = \(key.revokedAt as Int64?),
                    hash = COALESCE(\(hash as String?), hash)
                WHERE id = \(id)
                """)
            let isRevoked = key.revokedAt != nil && !wasRevoked
            try await announce(
                "key", isRevoked ? "revoked" : "updated", at: now, on: connection, domain: key.domain, actor: user,
                user: user, session: Self.session(id))
            return key
        }
    }

    /// Makes all keys of a user good for nothing in the open transaction; they stay in the list.
    func revokeKeys(of user: UserID, actor: UserID, now: Int64, on connection: PostgresConnection) async throws {
        let rows = try await connection.execute(
            """
            UPDATE api_keys SET revoked_at = \(now), updated_at = \(now) WHERE user_id = \(user) AND revoked_at IS NULL
            RETURNING domain_id, id
            """)
        for row in rows {
            try await announce(
                "key", "revoked", at: now, on: connection, domain: try row.decode(at: 0), actor: actor, user: user,
                session: Self.session(try row.decode(at: 1)))
        }
    }

    /// - Returns: false when there is no such key.
    func removeKey(_ id: KeyID, _ kind: KeyToken, of user: UserID, now: Int64) async throws -> Bool {
        try await removeKeys("id = \(id) AND kind = \(kind.rawValue)", of: user, now: now) > 0
    }

    func removeKeys(_ kind: KeyToken, of user: UserID, now: Int64) async throws {
        _ = try await removeKeys("kind = \(kind.rawValue)", of: user, now: now)
    }

    private func removeKeys(_ condition: SQL, of user: UserID, now: Int64) async throws -> Int {
        try await change { connection in
            let rows = try await connection.execute(
                "DELETE FROM api_keys WHERE user_id = \(user) AND \(condition) RETURNING domain_id, id")
            for row in rows {
                try await announce(
                    "key", "revoked", at: now, on: connection, domain: try row.decode(at: 0), actor: user, user: user,
                    session: Self.session(try row.decode(at: 1)))
            }
            return rows.count
        }
    }

    /// Whose key this is, with the rights that it has now: its scopes, as far as its user has them.
    /// - Returns: nil when it is good for nothing: unknown, revoked, too old, its user or domain switched off, its user no member any more.
    func identifyKey(hash: String, now: Int64) async throws -> KeyIdentification.Key? {
        let rows = try await pool.execute(
            """
            SELECT k.id, k.user_id, k.domain_id, k.scopes, k.expires_at, k.last_used_at
            FROM api_keys k JOIN users u ON u.id = k.user_id
            WHERE k.hash = \(hash) AND k.revoked_at IS NULL AND (k.expires_at IS NULL OR k.expires_at > \(now))
                AND u.status = 'enabled'
            """)
        guard let row = rows.first else { return nil }
        let (id, user, domain) = try row.decode((SessionID, UserID, DomainID).self)
        let scopes: PostgresJSON? = try row.decode(at: 3)
        let lastUsedAt: Int64? = try row.decode(at: 5)
        guard let held = try await rights(of: user, in: domain), held.status == .enabled else { return nil }
        if lastUsedAt.map({ $0 < now - Self.useNanoseconds }) ?? true {
            try await pool.execute("UPDATE api_keys SET last_used_at = \(now) WHERE hash = \(hash)")
        }
        let grants = try scopes.map { try Self.grants($0).limited(to: held.rights.allows) } ?? held.rights.grants
        return KeyIdentification.Key(
            id: id, user: user, domain: domain,
            role: grants.map { Role.implied(by: $0.actions) } ?? held.rights.role, grants: grants,
            expiresAt: try row.decode(at: 4))
    }
}
