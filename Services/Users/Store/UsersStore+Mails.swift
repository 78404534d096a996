// SPDX-License-Identifier: Apache-2.0
import Core
import Identity
import Mail
import Postgres

extension UsersStore {
    /// Puts a mail into the queue, in the open transaction.
    /// - Returns: false when the queue is full; a second mail of the same request counts as queued.
    func enqueue(
        _ kind: QueuedMail.Kind, to recipient: String, subject: EventID? = nil, now: Int64,
        on connection: PostgresConnection
    ) async throws -> Bool {
        let count: Int64 =
            try await connection.execute("SELECT count(*) FROM mails").first.map { try $0.decode(at: 0) } ?? 0
        guard count < MailLimits.queueLength else { return false }
        try await connection.execute(
            """
            INSERT INTO mails (id, kind, recipient, subject, created_at, next_attempt_at)
            VALUES (\(EventID.new()), \(kind.rawValue), \(recipient), \(subject as EventID?), \(now), \(now))
            ON CONFLICT (lower(recipient)) WHERE kind = 'password-reset' DO NOTHING
            """)
        return true
    }

    /// Tells a user of a change to the account, when mail can be sent; a full queue takes nothing from the change.
    func notify(
        _ kind: QueuedMail.Kind, of identity: String, now: Int64, on connection: PostgresConnection
    ) async throws {
        guard mail != nil, MailAddress(identity) != nil else { return }
        _ = try await enqueue(kind, to: identity, now: now, on: connection)
    }

    /// The same work whoever is meant: who that is, and whether there is such a user, is found out when the mail is sent.
    func requestPasswordReset(identity: String, now: Int64) async throws {
        let isQueued = try await change { connection in
            try await enqueue(.passwordReset, to: identity, now: now, on: connection)
        }
        guard isQueued else { throw Self.mailQueueFull }
    }

    static let mailQueueFull = ServiceError(
        .unavailable, reason: "mail-queue-full", "too many mails wait; try again later", retryAfterSeconds: 60)

    /// Takes mails that are due, for the time of a lease.
    func takeDueMails(now: Int64) async throws -> [QueuedMail] {
        let rows = try await pool.execute(
            """
            UPDATE mails SET attempts = attempts + 1, next_attempt_at = \(now + MailLimits.leaseNanoseconds)
            WHERE id IN (SELECT id FROM mails WHERE next_attempt_at <= \(now) ORDER BY next_attempt_at
                LIMIT \(MailLimits.batch) FOR UPDATE SKIP LOCKED)
            RETURNING id, kind, recipient, subject, created_at, attempts, refusals
            """)
        return try rows.compactMap { row in
            // Of a newer release: left to it.
            guard let kind = QueuedMail.Kind(rawValue: try row.decode(at: 1)) else { return nil }
            return QueuedMail(
                id: try row.decode(at: 0), kind: kind, recipient: try row.decode(at: 2), subject: try row.decode(at: 3),
                createdAt: try row.decode(at: 4), attempts: try row.decode(at: 5), refusals: try row.decode(at: 6))
        }
    }

    func deferMail(_ id: EventID, until: Int64, refusals: Int64, error: String) async throws {
        try await pool.execute(
            "UPDATE mails SET next_attempt_at = \(until), refusals = \(refusals), last_error = \(error) WHERE id = \(id)"
        )
    }

    func deleteMail(_ id: EventID) async throws {
        try await pool.execute("DELETE FROM mails WHERE id = \(id)")
    }

    func waitingMails() async throws -> Int64 {
        try await pool.execute("SELECT count(*) FROM mails").first.map { try $0.decode(at: 0) } ?? 0
    }

    /// Keeps the token of a mail. Announced here, not when the mail was asked for: only now it is known who is meant.
    func insertPasswordReset(hash: String, user: UserID, now: Int64, expiresAt: Int64) async throws {
        try await change { connection in
            try await connection.execute(
                """
                INSERT INTO password_resets (hash, user_id, created_at, expires_at)
                VALUES (\(hash), \(user), \(now), \(expiresAt))
                """)
            try await announce("user", "reset-requested", at: now, on: connection, user: user)
        }
    }

    /// Whether the token of this hash is good for a new password now.
    func isPasswordReset(hash: String, now: Int64) async throws -> Bool {
        try await !pool.execute("SELECT 1 FROM password_resets WHERE hash = \(hash) AND expires_at > \(now)").isEmpty
    }

    /// Spends a token for a new password: all sessions of its user and all other such tokens end, a lock is opened.
    /// - Returns: false when the token is not good any more.
    func resetPassword(
        tokenHash: String, passwordHash: String, from place: LoginPlace, now: Int64
    ) async throws -> Bool {
        try await change { connection in
            let rows = try await connection.execute(
                "DELETE FROM password_resets WHERE hash = \(tokenHash) AND expires_at > \(now) RETURNING user_id")
            guard let user: UserID = try rows.first?.decode(at: 0) else { return false }
            let changed = try await connection.execute(
                """
                UPDATE users SET password_hash = \(passwordHash), updated_at = \(now)
                WHERE id = \(user) AND status = 'enabled' RETURNING identity
                """)
            guard let identity: String = try changed.first?.decode(at: 0) else { return false }
            try await connection.execute("DELETE FROM password_resets WHERE user_id = \(user)")
            try await openLock(of: user, identity: identity, actor: user, now: now, on: connection)
            try await makeFamiliar(identity: identity, at: place, now: now, on: connection)
            try await announce("user", "secret-changed", at: now, on: connection, actor: user, user: user)
            try await revokeAll("user_id = \(user)", reason: "secret-reset", actor: user, now: now, on: connection)
            try await notify(.passwordChanged, of: identity, now: now, on: connection)
            return true
        }
    }

    func deleteOldPasswordResets(now: Int64) async throws {
        try await pool.execute("DELETE FROM password_resets WHERE expires_at < \(now)")
    }
}
