// SPDX-License-Identifier: Apache-2.0
import Core
import Identity
import Messaging
import Postgres

/// What became of a refresh token that was shown.
enum Rotation: Sendable, Equatable {
    case rotated
    case unknown
    /// Its session was revoked or is too old.
    case ended
    /// It had been used before; its session is revoked now.
    case reused
}

extension UsersStore {
    /// Stores a session that begins, with its first refresh token.
    ///
    /// User and domain are locked against being disabled and against other rights meanwhile: either they see the session and revoke it, or
    /// it is not begun.
    /// - Parameters:
    ///   - isAdmin: what the token says of the user.
    ///   - rightsVersion: of the rights that the token says; nil when they do not hang on the domain.
    /// - Returns: false when the rights have changed since they were looked up; nothing was begun then.
    /// - Throws: `unauthenticated` or `forbidden` when one of them was disabled since the password was checked.
    func begin(
        _ session: SessionRecord, refreshHash: String, isAdmin: Bool, rightsVersion: Int64?
    ) async throws -> Bool {
        try await change { connection in
            let user = try await connection.execute(
                "SELECT is_admin FROM users WHERE id = \(session.user) AND status = 'enabled' FOR SHARE")
            guard let isAdminNow: Bool = try user.first?.decode(at: 0) else {
                throw ServiceError(
                    .unauthenticated, reason: "wrong-credentials", "the identity or the secret is wrong")
            }
            guard isAdminNow == isAdmin else { return false }
            if let id = session.domain {
                let domain = try await connection.execute(
                    "SELECT rights_version FROM domains WHERE id = \(id) AND status = 'enabled' FOR SHARE")
                guard let version: Int64 = try domain.first?.decode(at: 0) else {
                    throw ServiceError(.forbidden, reason: "domain-not-enabled", "the domain is not enabled")
                }
                guard rightsVersion ?? version == version else { return false }
            }
            try await connection.execute(
                """
                INSERT INTO sessions (id, user_id, domain_id, created_at, expires_at, last_token_expires_at_seconds)
                VALUES (\(session.id), \(session.user), \(session.domain as DomainID?), \(session.createdAt), \(session.expiresAt),
                    \(session.lastTokenExpiresAt))
                """)
            try await connection.execute(
                """
                INSERT INTO refresh_tokens (hash, session_id, issued_at)
                VALUES (\(refreshHash), \(session.id), \(session.createdAt))
                """)
            try await announce(
                "session", "created", at: session.createdAt, on: connection, domain: session.domain,
                actor: session.user, user: session.user, session: session.id)
            return true
        }
    }

    /// The session of a refresh token, whatever became of it.
    func session(refreshHash: String) async throws -> SessionRecord? {
        let rows = try await pool.execute(
            """
            SELECT s.id, s.user_id, s.domain_id, s.created_at, s.expires_at, s.last_token_expires_at_seconds
            FROM refresh_tokens t JOIN sessions s ON s.id = t.session_id WHERE t.hash = \(refreshHash)
            """)
        return try rows.first.map {
            SessionRecord(
                id: try $0.decode(at: 0), user: try $0.decode(at: 1), domain: try $0.decode(at: 2),
                createdAt: try $0.decode(at: 3), expiresAt: try $0.decode(at: 4),
                lastTokenExpiresAt: try $0.decode(at: 5))
        }
    }

    /// Spends a refresh token for the next one; a spent one ends the session.
    func rotate(
        refreshHash: String, to next: String, now: Int64, expiresAt: Int64, lastTokenExpiresAt: Int64
    ) async throws -> Rotation {
        try await change { connection in
            // Both rows: of two that come with the same token the second must see that it is spent.
            let rows = try await connection.execute(
                """
                SELECT s.id, s.user_id, s.domain_id, t.used_at, s.revoked_at, s.expires_at, u.status
                FROM refresh_tokens t JOIN sessions s ON s.id = t.session_id JOIN users u ON u.id = s.user_id
                WHERE t.hash = \(refreshHash) FOR UPDATE OF t, s
                """)
            guard let row = rows.first else { return .unknown }
            let (session, user, domain) = try row.decode((SessionID, UserID, DomainID?).self)
            let usedAt: Int64? = try row.decode(at: 3)
            let revokedAt: Int64? = try row.decode(at: 4)
            let expiry: Int64 = try row.decode(at: 5)
            let status: String = try row.decode(at: 6)
            if usedAt != nil {
                // Also of a session that has ended already: somebody has a copy.
                try await announce(
                    "session", "reuse-refused", at: now, on: connection, domain: domain, user: user, session: session)
                try await revokeAll(
                    "id = \(session)", reason: "refresh-token-reused", actor: nil, now: now, on: connection)
                return .reused
            }
            guard revokedAt == nil, expiry > now, status == User.Status.enabled.rawValue else { return .ended }
            try await connection.execute("UPDATE refresh_tokens SET used_at = \(now) WHERE hash = \(refreshHash)")
            try await connection.execute(
                "INSERT INTO refresh_tokens (hash, session_id, issued_at) VALUES (\(next), \(session), \(now))")
            try await connection.execute(
                """
                UPDATE sessions SET expires_at = \(expiresAt),
                    last_token_expires_at_seconds = GREATEST(last_token_expires_at_seconds, \(lastTokenExpiresAt))
                WHERE id = \(session)
                """)
            try await announce(
                "session", "refreshed", at: now, on: connection, domain: domain, actor: user, user: user,
                session: session)
            return .rotated
        }
    }

    /// Ends a session; one that has ended already stays as it is.
    func revoke(_ session: SessionID, reason: String, actor: UserID, now: Int64) async throws {
        try await change { connection in
            try await revokeAll("id = \(session)", reason: reason, actor: actor, now: now, on: connection)
        }
    }

    /// Ends all live sessions that match, each with its event, in the open transaction.
    func revokeAll(
        _ condition: SQL, reason: String, actor: UserID?, now: Int64, on connection: PostgresConnection
    ) async throws {
        let rows = try await connection.execute(
            "UPDATE sessions SET revoked_at = \(now), revoked_reason = \(reason) WHERE revoked_at IS NULL AND "
                + condition + " RETURNING id, user_id, domain_id")
        for row in rows {
            let (session, user, domain) = try row.decode((SessionID, UserID, DomainID?).self)
            try await announce(
                "session", "revoked", at: now, on: connection, domain: domain, actor: actor, user: user,
                session: session)
        }
    }

    /// Whether tokens of the session are still good.
    func isLive(_ session: SessionID, user: UserID) async throws -> Bool {
        let rows = try await pool.execute(
            """
            SELECT 1 FROM sessions s JOIN users u ON u.id = s.user_id
            WHERE s.id = \(session) AND u.id = \(user) AND s.revoked_at IS NULL AND u.status = 'enabled'
            """)
        return !rows.isEmpty
    }

    /// Sessions whose access tokens must be refused although they may not have expired.
    func revokedSessions(now: Int64) async throws -> RevokedSessions {
        let seconds = now / 1_000_000_000 - AccessTokenValidator.leewaySeconds
        let rows = try await pool.execute(
            """
            SELECT id, last_token_expires_at_seconds FROM sessions
            WHERE revoked_at IS NOT NULL AND last_token_expires_at_seconds >= \(seconds)
            UNION ALL SELECT id, last_token_expires_at_seconds FROM removed_sessions
            WHERE last_token_expires_at_seconds >= \(seconds)
            """)
        var entries: [RevokedSessions.Entry] = []
        entries.reserveCapacity(rows.count)
        for row in rows {
            entries.append(RevokedSessions.Entry(session: try row.decode(at: 0), until: try row.decode(at: 1)))
        }
        return RevokedSessions(sessions: entries)
    }

    /// Removes sessions that can be neither refreshed nor used any more.
    func deleteEndedSessions(now: Int64) async throws {
        let seconds = now / 1_000_000_000 - AccessTokenClaims.maximumLifetimeSeconds
        // A week more, so that somebody who asks what happened finds it.
        let old = now - 7 * 86_400 * 1_000_000_000
        try await pool.execute(
            "DELETE FROM sessions WHERE expires_at < \(old) AND last_token_expires_at_seconds < \(seconds)")
        try await pool.execute("DELETE FROM removed_sessions WHERE last_token_expires_at_seconds < \(seconds)")
    }

    /// All keys that live tokens may carry, oldest first; makes a new one when there is none young enough.
    func signingKeys(
        createdAfter oldest: Int64, orMakeNew make: () -> SigningKey, now: Int64, keepingRetiredFor retention: Int64
    ) async throws -> [SigningKeyRecord] {
        try await pool.withTransaction { connection in
            // One instance makes the key, the others find it.
            try await connection.execute(
                "SELECT pg_advisory_xact_lock(hashtextextended('martlet users signing keys', 0))")
            let young = try await connection.execute(
                "SELECT 1 FROM signing_keys WHERE retired_at IS NULL AND created_at > \(oldest)")
            if young.isEmpty {
                let key = make()
                try await connection.execute("UPDATE signing_keys SET retired_at = \(now) WHERE retired_at IS NULL")
                try await connection.execute(
                    "INSERT INTO signing_keys (id, seed, created_at) VALUES (\(key.id), \([UInt8](key.seed)), \(now))")
                try await announce("signing-key", "created", at: now, on: connection)
            }
            try await connection.execute("DELETE FROM signing_keys WHERE retired_at < \(now - retention)")
            let rows = try await connection.execute("SELECT seed, created_at FROM signing_keys ORDER BY created_at")
            var records: [SigningKeyRecord] = []
            for row in rows {
                let seed: [UInt8] = try row.decode(at: 0)
                records.append(SigningKeyRecord(key: try SigningKey(seed: seed), createdAt: try row.decode(at: 1)))
            }
            return records
        }
    }
}
