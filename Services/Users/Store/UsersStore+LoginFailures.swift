// SPDX-License-Identifier: Apache-2.0
import Core
import Identity
import Postgres

extension UsersStore {
    /// What people type as an identity may be their password: only its hash is kept.
    private static func failureKey(_ identity: String) -> String { SecretKey.hash(identity.lowercased()) }

    /// - Returns: nanoseconds since 1970 until which nobody logs in by this identity; nil when nothing is known of it.
    func lockedUntil(identity: String) async throws -> Int64? {
        try await pool.execute(
            "SELECT locked_until FROM login_failures WHERE key = \(Self.failureKey(identity)) AND locked_until > 0"
        ).first.map { try $0.decode(at: 0) }
    }

    /// Counts a failure, the same for an identity that there is not.
    /// - Parameter user: who is told of by an event when the failure locks the identity.
    func noteLoginFailure(identity: String, user: UserID?, policy: LockOutPolicy, now: Int64) async throws {
        let key = Self.failureKey(identity)
        try await change { connection in
            let rows = try await connection.execute(
                """
                INSERT INTO login_failures (key, failures, last_failure_at, locked_until) VALUES (\(key), 1, \(now), 0)
                ON CONFLICT (key) DO UPDATE SET last_failure_at = EXCLUDED.last_failure_at, failures =
                    CASE WHEN login_failures.last_failure_at < \(now - LockOutPolicy.memoryNanoseconds) THEN 1
                    ELSE login_failures.failures + 1 END
                RETURNING failures
                """)
            guard let failures: Int64 = try rows.first?.decode(at: 0),
                let seconds = policy.waitSeconds(afterFailures: failures)
            else { return }
            try await connection.execute(
                "UPDATE login_failures SET locked_until = \(now + seconds * 1_000_000_000) WHERE key = \(key)")
            if let user { try await announce("user", "locked", at: now, on: connection, user: user) }
        }
    }

    /// Somebody knew the password.
    func forgetLoginFailures(identity: String) async throws {
        try await pool.execute("DELETE FROM login_failures WHERE key = \(Self.failureKey(identity))")
    }

    /// Opens a user's identity to logins again.
    func unlock(_ user: User, actor: UserID, now: Int64) async throws {
        try await change { connection in
            try await openLock(of: user.id, identity: user.identity, actor: actor, now: now, on: connection)
        }
    }

    /// Forgets a user's failures in the open transaction; announced when they had locked the identity.
    func openLock(
        of user: UserID, identity: String, actor: UserID, now: Int64, on connection: PostgresConnection
    ) async throws {
        let rows = try await connection.execute(
            "DELETE FROM login_failures WHERE key = \(Self.failureKey(identity)) RETURNING locked_until")
        guard let until: Int64 = try rows.first?.decode(at: 0), until > 0 else { return }
        try await announce("user", "unlocked", at: now, on: connection, actor: actor, user: user)
    }

    /// How many identities are locked now.
    func lockedIdentities(now: Int64) async throws -> Int64 {
        try await pool.execute("SELECT count(*) FROM login_failures WHERE locked_until > \(now)").first
            .map { try $0.decode(at: 0) } ?? 0
    }

    /// Forgets failures that are over, and the oldest when there are too many.
    func deleteOldLoginFailures(now: Int64) async throws {
        try await pool.execute(
            """
            DELETE FROM login_failures WHERE locked_until < \(now)
                AND (last_failure_at < \(now - LockOutPolicy.memoryNanoseconds) OR last_failure_at <
                    (SELECT last_failure_at FROM login_failures ORDER BY last_failure_at DESC OFFSET \(LockOutPolicy.maximumEntries) LIMIT 1))
            """)
    }
}
