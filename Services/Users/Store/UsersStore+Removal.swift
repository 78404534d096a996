// SPDX-License-Identifier: Apache-2.0
import Core
import Identity
import Postgres

extension UsersStore {
    /// Removes a user for good, in one transaction with the events of all that goes: memberships with their roles and groups, keys, sessions,
    /// invitations, the user. What the user made in domains stays there.
    ///
    /// A domain without another member is switched off, because nobody is left who could use it; an administrator of the installation can
    /// make somebody its administrator.
    /// - Returns: false when there is no such user.
    /// - Throws: `conflict` when a domain that has other members, or the installation, would be left without an administrator.
    func remove(_ id: UserID, actor: UserID, now: Int64) async throws -> Bool {
        for _ in 0..<Self.removalAttempts {
            let isRemoved: Bool? = try await change { connection in
                guard let (identity, isAdmin) = try await lockForRemoval(id, on: connection) else { return false }
                let domains = try await domains(of: id, on: connection)
                for domain in domains { try await lockRights(in: domain, on: connection) }
                // Nobody refers to the user from now on; what did before is seen.
                try await connection.execute("SELECT 1 FROM users WHERE id = \(id) FOR UPDATE")
                guard try await self.domains(of: id, on: connection) == domains else { return nil }
                try await announceLockOuts("user_id = \(id)", on: connection)
                try await revokeAll(
                    "user_id = \(id)", reason: "user-removed", actor: actor, now: now, on: connection)
                try await revokeKeys(of: id, actor: actor, now: now, on: connection)
                for domain in domains { try await leave(domain, id, actor: actor, now: now, on: connection) }
                try await removeInvitations(of: id, actor: actor, now: now, on: connection)
                try await removeRow(id, identity: identity, on: connection)
                if isAdmin { try await requireAdministrator(.conflict, on: connection) }
                try await announce("user", "removed", at: now, on: connection, actor: actor, user: id)
                try await notify(.userRemoved, of: identity, now: now, on: connection)
                return true
            }
            if let isRemoved { return isRemoved }
        }
        throw ServiceError(
            .unavailable, reason: "rights-changing", "the user's rights are being changed; try again",
            retryAfterSeconds: 1)
    }

    /// Somebody made the user a member between the look at the domains and their locks: seldom once, never so often.
    private static let removalAttempts = 5

    /// Before the domains, as where a session begins; weaker than what removes the row, because whoever changes a domain has locked that first and
    /// refers to the user then.
    /// - Returns: nil when there is no such user.
    private func lockForRemoval(
        _ id: UserID, on connection: PostgresConnection
    ) async throws -> (identity: String, isAdmin: Bool)? {
        try await connection.execute("SELECT identity, is_admin FROM users WHERE id = \(id) FOR NO KEY UPDATE").first
            .map { try $0.decode((String, Bool).self) }
    }

    private func domains(of user: UserID, on connection: PostgresConnection) async throws -> [DomainID] {
        try await connection.execute("SELECT domain_id FROM memberships WHERE user_id = \(user) ORDER BY domain_id")
            .map { try $0.decode(at: 0) }
    }

    /// Takes the user out of a domain; roles and groups there go with the membership.
    private func leave(
        _ domain: DomainID, _ user: UserID, actor: UserID, now: Int64, on connection: PostgresConnection
    ) async throws {
        try await connection.execute("DELETE FROM memberships WHERE domain_id = \(domain) AND user_id = \(user)")
        try await announce("membership", "removed", at: now, on: connection, domain: domain, actor: actor, user: user)
        let left = try await connection.execute("SELECT 1 FROM memberships WHERE domain_id = \(domain) LIMIT 1")
        guard left.isEmpty else {
            return try await requireAdministrator(of: domain, .conflict, on: connection)
        }
        let rows = try await connection.execute(
            """
            UPDATE domains SET status = 'disabled', updated_at = \(now) WHERE id = \(domain) AND status = 'enabled'
            RETURNING id
            """)
        guard !rows.isEmpty else { return }
        try await announce("domain", "disabled", at: now, on: connection, domain: domain, actor: actor)
        try await revokeAll(
            "domain_id = \(domain)", reason: "domain-disabled", actor: actor, now: now, on: connection)
    }

    /// What the user was invited to as this user, and what the user invited others to. Who was invited by identity stays so: taken back, it would
    /// tell the inviter that somebody had the identity.
    private func removeInvitations(
        of user: UserID, actor: UserID, now: Int64, on connection: PostgresConnection
    ) async throws {
        try await connection.execute(
            "UPDATE invitations SET user_id = NULL WHERE user_id = \(user) AND identity IS NOT NULL")
        let condition: SQL = "(user_id = \(user) OR invited_by = \(user))"
        let rows = try await connection.execute("SELECT DISTINCT domain_id FROM invitations WHERE \(condition)")
        for row in rows {
            try await removeInvitations(
                condition, in: try row.decode(at: 0), actor: actor, now: now, on: connection)
        }
    }

    private func removeRow(_ id: UserID, identity: String, on connection: PostgresConnection) async throws {
        // Tokens live on until they expire: services that come later have to learn that they are good for nothing.
        try await connection.execute(
            """
            INSERT INTO removed_sessions (id, last_token_expires_at_seconds)
            SELECT id, last_token_expires_at_seconds FROM sessions WHERE user_id = \(id)
            """)
        // Whoever has the identity next begins anew.
        try await forgetLogins(of: identity, on: connection)
        try await connection.execute("DELETE FROM users WHERE id = \(id)")
    }
}
