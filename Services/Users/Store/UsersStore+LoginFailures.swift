// SPDX-License-Identifier: Apache-2.0
import Core
import Foundation
import Identity
import Messaging
import Postgres

extension UsersStore {
    /// What people type as an identity may be their password: only its hash is kept.
    private static func failureKey(_ identity: String) -> String { SecretKey.hash(identity.lowercased()) }

    /// What is known of a place for an identity: the same work whether there is such a user or not.
    /// - Returns: whether somebody has logged in as the identity from there; and until when nobody does from there, in nanoseconds since
    ///   1970, 0 when that is not so.
    func standing(
        of identity: String, at place: LoginPlace, now: Int64
    ) async throws -> (isFamiliar: Bool, lockedUntil: Int64) {
        let key = Self.failureKey(identity)
        let rows = try await pool.execute(
            """
            SELECT f.is_familiar, COALESCE((SELECT max(locked_until) FROM login_failures WHERE key = \(key)
                AND place = ANY(CASE WHEN f.is_familiar THEN \([place.exact]) ELSE \([place.block, LoginPlace.everywhere]) END)), 0)
            FROM (SELECT EXISTS (SELECT 1 FROM login_places WHERE key = \(key) AND place = \(place.exact)
                AND last_login_at > \(now - LoginPlace.memoryNanoseconds)) AS is_familiar) f
            """)
        guard let row = rows.first else { return (false, 0) }
        return (try row.decode(at: 0), try row.decode(at: 1))
    }

    /// Counts a failure: the same statements and rows for an identity that there is not.
    /// - Parameter user: who is told of by an event, some time later, when the failure locks the identity.
    func noteLoginFailure(
        identity: String, at place: LoginPlace, isFamiliar: Bool, user: UserID?, policy: LockOutPolicy, now: Int64
    ) async throws {
        let key = Self.failureKey(identity)
        let places = isFamiliar ? [place.exact] : [place.block, LoginPlace.everywhere]
        try await pool.withTransaction { connection in
            let rows = try await connection.execute(
                """
                INSERT INTO login_failures (key, place, failures, last_failure_at, locked_until)
                SELECT \(key), place, 1, \(now), 0 FROM unnest(\(places)) AS place
                ON CONFLICT (key, place) DO UPDATE SET last_failure_at = EXCLUDED.last_failure_at, failures =
                    CASE WHEN login_failures.last_failure_at < \(now - LockOutPolicy.memoryNanoseconds) THEN 1
                    ELSE login_failures.failures + 1 END
                RETURNING place, failures
                """)
            for row in rows {
                let (place, failures) = try row.decode((String, Int64).self)
                if place == LoginPlace.everywhere {
                    guard let seconds = policy.pauseSeconds(afterFailures: failures) else { continue }
                    try await lock(key, place, seconds: seconds, now: now, on: connection)
                } else if let seconds = policy.waitSeconds(afterFailures: failures) {
                    try await lock(key, place, seconds: seconds, now: now, on: connection)
                    try await connection.execute(
                        """
                        INSERT INTO lock_outs (user_id, locked_at, origin)
                        VALUES (\(user as UserID?), \(now), \(try Self.json(RequestOrigin.current) as PostgresJSON?))
                        """)
                }
            }
        }
    }

    private func lock(
        _ key: String, _ place: String, seconds: Int64, now: Int64, on connection: PostgresConnection
    ) async throws {
        try await connection.execute(
            "UPDATE login_failures SET locked_until = \(now + seconds * 1_000_000_000) WHERE key = \(key) AND place = \(place)"
        )
    }

    /// Announces the locks that are not announced yet; those of identities that nobody has are only forgotten.
    func announceLockOuts() async throws {
        // Looked for first: nearly always there is none, and a transaction costs more.
        guard try await !pool.execute("SELECT 1 FROM lock_outs LIMIT 1").isEmpty else { return }
        try await change { connection in
            try await announceLockOuts(
                "number IN (SELECT number FROM lock_outs ORDER BY number LIMIT 1000)", on: connection)
        }
    }

    /// The same of some, in the open transaction.
    func announceLockOuts(_ condition: SQL, on connection: PostgresConnection) async throws {
        let rows = try await connection.execute(
            """
            WITH removed AS (DELETE FROM lock_outs WHERE \(condition) RETURNING number, user_id, locked_at, origin)
            SELECT user_id, locked_at, origin FROM removed ORDER BY number
            """)
        for row in rows {
            let user: UserID? = try row.decode(at: 0)
            guard let user else { continue }
            let (lockedAt, origin) = try (row.decode(Int64.self, at: 1), row.decode(PostgresJSON?.self, at: 2))
            // Of the login that failed, not of who opens the lock.
            try await RequestOrigin.$current.withValue(try origin.map(Self.origin)) {
                try await announce("user", "locked", at: lockedAt, on: connection, user: user)
            }
        }
    }

    private static func json(_ origin: RequestOrigin?) throws -> PostgresJSON? {
        try origin.map { PostgresJSON(text: String(decoding: try JSONEncoder().encode($0), as: UTF8.self)) }
    }

    private static func origin(_ json: PostgresJSON) throws -> RequestOrigin {
        try JSONDecoder().decode(RequestOrigin.self, from: Data(json.text.utf8))
    }

    /// Somebody knew the password: the failures of this place are forgotten, those of others stay, and the place becomes familiar.
    func noteLogin(identity: String, at place: LoginPlace, now: Int64) async throws {
        let key = Self.failureKey(identity)
        try await pool.withTransaction { connection in
            try await connection.execute(
                "DELETE FROM login_failures WHERE key = \(key) AND place = ANY(\([place.exact, place.block]))")
            try await makeFamiliar(key, place, now: now, on: connection)
        }
    }

    /// The place of somebody who has shown to be the user by a mail becomes familiar, in the open transaction.
    func makeFamiliar(
        identity: String, at place: LoginPlace, now: Int64, on connection: PostgresConnection
    ) async throws {
        try await makeFamiliar(Self.failureKey(identity), place, now: now, on: connection)
    }

    private func makeFamiliar(
        _ key: String, _ place: LoginPlace, now: Int64, on connection: PostgresConnection
    ) async throws {
        try await connection.execute(
            """
            INSERT INTO login_places (key, place, last_login_at) VALUES (\(key), \(place.exact), \(now))
            ON CONFLICT (key, place) DO UPDATE SET last_login_at = EXCLUDED.last_login_at
            """)
        try await connection.execute(
            """
            DELETE FROM login_places WHERE key = \(key) AND place IN (SELECT place FROM login_places WHERE key = \(key)
                ORDER BY last_login_at DESC, place OFFSET \(LoginPlace.maximumPerIdentity))
            """)
    }

    /// Whoever has the old identity next finds no familiar place; the new one keeps them, in the open transaction.
    func movePlaces(from old: String, to new: String, on connection: PostgresConnection) async throws {
        let (old, new) = (Self.failureKey(old), Self.failureKey(new))
        guard old != new else { return }
        try await connection.execute("DELETE FROM login_places WHERE key = \(new)")
        try await connection.execute("UPDATE login_places SET key = \(new) WHERE key = \(old)")
    }

    /// Forgets failures and places of an identity that nobody has any more, in the open transaction.
    func forgetLogins(of identity: String, on connection: PostgresConnection) async throws {
        let key = Self.failureKey(identity)
        try await connection.execute("DELETE FROM login_failures WHERE key = \(key)")
        try await connection.execute("DELETE FROM login_places WHERE key = \(key)")
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
        // What was locked before it was opened is announced before it.
        try await announceLockOuts("user_id = \(user)", on: connection)
        let rows = try await connection.execute(
            "DELETE FROM login_failures WHERE key = \(Self.failureKey(identity)) RETURNING locked_until")
        guard try rows.contains(where: { try $0.decode(Int64.self, at: 0) > 0 }) else { return }
        try await announce("user", "unlocked", at: now, on: connection, actor: actor, user: user)
    }

    /// How many identities are locked now, at some place.
    func lockedIdentities(now: Int64) async throws -> Int64 {
        try await pool.execute("SELECT count(DISTINCT key) FROM login_failures WHERE locked_until > \(now)").first
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
        try await pool.execute(
            "DELETE FROM login_places WHERE last_login_at < \(now - LoginPlace.memoryNanoseconds)")
    }
}
