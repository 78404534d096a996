// SPDX-License-Identifier: Apache-2.0
import Core
import HTTPKit
import Identity
import Mail
import Postgres

extension UsersStore {
    private static let columns: SQL =
        """
        SELECT id, domain_id, (SELECT d.name FROM domains d WHERE d.id = domain_id), user_id, identity, role, role_id, invited_by,
            created_at, expires_at, rejected_at
        """

    private static func decode(_ row: PostgresRow) throws -> Invitation {
        let user: UserID? = try row.decode(at: 3)
        let identity: String? = try row.decode(at: 4)
        let role: String? = try row.decode(at: 5)
        let custom: RoleID? = try row.decode(at: 6)
        let reference = custom.map(RoleReference.custom) ?? role.flatMap(Role.init).map(RoleReference.builtIn)
        guard let reference,
            let invitee = identity.map(Invitation.Invitee.identity) ?? user.map(Invitation.Invitee.user)
        else { throw PostgresError(.decoding, "an invitation of nobody, or to nothing") }
        return Invitation(
            id: try row.decode(at: 0), domain: try row.decode(at: 1), domainName: try row.decode(at: 2),
            invitee: invitee, role: reference, invitedBy: try row.decode(at: 7), createdAt: try row.decode(at: 8),
            expiresAt: try row.decode(at: 9), rejectedAt: try row.decode(at: 10))
    }

    /// Stores an invitation and queues its mail; one that was rejected or is too old makes room for it.
    func insert(_ invitation: Invitation) async throws -> Invitation {
        let alreadyInvited = ServiceError(
            .conflict, reason: "already-invited", "the person has an invitation to this domain already")
        return try await conflicting(alreadyInvited) {
            try await referring(Self.unknownInvitee) {
                try await change { connection in try await insert(invitation, on: connection) }
            }
        }
    }

    private func insert(_ invitation: Invitation, on connection: PostgresConnection) async throws -> Invitation {
        let now = invitation.createdAt
        try await lockRights(in: invitation.domain, on: connection)
        let (user, identity) = try await invitee(of: invitation, on: connection)
        try await connection.execute(
            """
            DELETE FROM invitations WHERE domain_id = \(invitation.domain) AND (rejected_at IS NOT NULL OR expires_at <= \(now))
                AND (user_id = \(user as UserID?) OR lower(identity) = lower(\(identity as String?)))
            """)
        let count: Int64 =
            try await connection.execute("SELECT count(*) FROM invitations WHERE domain_id = \(invitation.domain)")
            .first.map { try $0.decode(at: 0) } ?? 0
        guard count < Invitation.maximumPerDomain else {
            throw ServiceError(
                .unprocessable, reason: "too-many-invitations",
                "a domain has at most \(Invitation.maximumPerDomain) invitations at a time")
        }
        var (role, custom): (Role?, RoleID?) = (nil, nil)
        switch invitation.role {
        case .builtIn(let builtIn): role = builtIn
        case .custom(let id): custom = id
        }
        try await connection.execute(
            """
            INSERT INTO invitations (id, domain_id, user_id, identity, role, role_id, invited_by, created_at, expires_at)
            VALUES (\(invitation.id), \(invitation.domain), \(user as UserID?), \(identity as String?),
                \(role?.rawValue as String?), \(custom as RoleID?), \(invitation.invitedBy), \(now), \(invitation.expiresAt))
            """)
        if mail != nil, let identity, MailAddress(identity) != nil {
            let subject = EventID(high: invitation.id.high, low: invitation.id.low)
            guard try await enqueue(.invitation, to: identity, subject: subject, now: now, on: connection) else {
                throw Self.mailQueueFull
            }
        }
        try await announce(
            "invitation", "created", at: now, on: connection, domain: invitation.domain, actor: invitation.invitedBy,
            user: invitation.invitee.announcedUser)
        let rows = try await connection.execute(Self.columns + " FROM invitations WHERE id = \(invitation.id)")
        guard let stored = try rows.first.map(Self.decode) else { throw Invitations.notFound }
        return stored
    }

    /// The user that is meant, as far as there is one, and what the inviter called him.
    private func invitee(
        of invitation: Invitation, on connection: PostgresConnection
    ) async throws -> (UserID?, String?) {
        let user: UserID?
        var identity: String?
        switch invitation.invitee {
        case .user(let id): user = id
        case .identity(let text):
            identity = text
            user = try await connection.execute("SELECT id FROM users WHERE lower(identity) = lower(\(text))").first
                .map { try $0.decode(at: 0) }
            guard user != nil || mail != nil && MailAddress(text) != nil else { throw Self.unknownInvitee }
        }
        if let user {
            let members = try await connection.execute(
                "SELECT 1 FROM memberships WHERE domain_id = \(invitation.domain) AND user_id = \(user)")
            guard members.isEmpty else {
                throw ServiceError(
                    .conflict, reason: "already-a-member", "the person is a member of the domain already")
            }
        }
        return (user, identity)
    }

    func invitations(in domain: DomainID, page: PageRequest) async throws -> ListPage<Invitation> {
        try await Self.page(
            Self.columns, from: "invitations", ["domain_id = \(domain)"], page, on: pool,
            identifier: { $0.id.description }, decode: Self.decode)
    }

    func invitations(for user: UserID, page: PageRequest, now: Int64) async throws -> ListPage<Invitation> {
        try await Self.page(
            Self.columns, from: "invitations",
            ["user_id = \(user)", "rejected_at IS NULL", "expires_at > \(now)"], page, on: pool,
            identifier: { $0.id.description }, decode: Self.decode)
    }

    /// - Returns: false when there is no such invitation.
    func removeInvitation(_ id: InvitationID, in domain: DomainID, actor: UserID, now: Int64) async throws -> Bool {
        try await removeInvitations("id = \(id)", in: domain, actor: actor, now: now)
    }

    /// - Returns: false when there is no such invitation.
    func removeInvitation(
        of invitee: Invitation.Invitee, in domain: DomainID, actor: UserID, now: Int64
    ) async throws -> Bool {
        switch invitee {
        case .user(let user):
            try await removeInvitations("user_id = \(user) AND identity IS NULL", in: domain, actor: actor, now: now)
        case .identity(let text):
            try await removeInvitations(
                "lower(identity) = lower(\(Credentials.canonical(text)))", in: domain, actor: actor, now: now)
        }
    }

    private func removeInvitations(
        _ condition: SQL, in domain: DomainID, actor: UserID, now: Int64
    ) async throws -> Bool {
        try await change { connection in
            try await removeInvitations(condition, in: domain, actor: actor, now: now, on: connection)
        }
    }

    /// Takes back all that match in the open transaction, each with its event.
    /// - Returns: false when there is none.
    @discardableResult
    func removeInvitations(
        _ condition: SQL, in domain: DomainID, actor: UserID, now: Int64, on connection: PostgresConnection
    ) async throws -> Bool {
        let rows = try await connection.execute(
            """
            DELETE FROM invitations WHERE domain_id = \(domain) AND \(condition)
            RETURNING CASE WHEN identity IS NULL THEN user_id END
            """)
        for row in rows {
            try await announce(
                "invitation", "removed", at: now, on: connection, domain: domain, actor: actor,
                user: try row.decode(at: 0))
        }
        return !rows.isEmpty
    }

    /// The invitation of the open transaction's user: by itself, or by the token when nobody of the identity was there at the time.
    private func invitation(
        _ reference: InvitationReference, for user: UserID, now: Int64, on connection: PostgresConnection
    ) async throws -> Invitation {
        let condition: SQL =
            switch reference {
            case .id(let id): "id = \(id) AND user_id = \(user)"
            case .domain(let domain): "domain_id = \(domain) AND user_id = \(user)"
            case .token(let token):
                "token_hash = \(SecretKey.hash(token)) AND (user_id IS NULL OR user_id = \(user))"
            }
        let rows = try await connection.execute(
            Self.columns + " FROM invitations WHERE \(condition) AND expires_at > \(now) AND rejected_at IS NULL")
        guard let invitation = try rows.first.map(Self.decode) else { throw Invitations.notFound }
        return invitation
    }

    /// Makes a user a member by an invitation, with the rights that who invited has now.
    func accept(_ reference: InvitationReference, user: UserID, now: Int64) async throws -> Invitation {
        try await change { connection in
            let found = try await invitation(reference, for: user, now: now, on: connection)
            try await lockRights(in: found.domain, on: connection)
            // Again under the lock: of two that accept, or one that takes it back meanwhile, the second finds nothing.
            let invitation = try await invitation(reference, for: user, now: now, on: connection)
            let domain = try await connection.execute("SELECT status FROM domains WHERE id = \(invitation.domain)")
            guard try domain.first?.decode(at: 0) == Tenant.Status.enabled.rawValue else {
                throw ServiceError(.forbidden, reason: "domain-not-enabled", "the domain is not enabled")
            }
            let members = try await connection.execute(
                "SELECT 1 FROM memberships WHERE domain_id = \(invitation.domain) AND user_id = \(user)")
            guard members.isEmpty else {
                throw ServiceError(.conflict, reason: "already-a-member", "you are a member of the domain already")
            }
            let inviter = try await inviterRights(invitation, on: connection)
            try await give(
                invitation.role, to: user, in: invitation.domain, by: inviter, actor: user, now: now, on: connection)
            try await connection.execute("DELETE FROM invitations WHERE id = \(invitation.id)")
            try await announce(
                "invitation", "accepted", at: now, on: connection, domain: invitation.domain, actor: user, user: user)
            return invitation
        }
    }

    /// Who was shown the door meanwhile has not left any open.
    private func inviterRights(_ invitation: Invitation, on connection: PostgresConnection) async throws -> Rights {
        let administrators = try await connection.execute(
            "SELECT 1 FROM users WHERE id = \(invitation.invitedBy) AND is_admin AND status = 'enabled'")
        if !administrators.isEmpty { return Rights(role: .admin) }
        let rights = try await rights(of: invitation.invitedBy, in: invitation.domain, on: connection)
        guard let rights, rights.allows(.usersManage) else {
            throw ServiceError(
                .unprocessable, reason: "invitation-void", "who invited you may not do so any more; ask for another one"
            )
        }
        return rights
    }

    func reject(_ reference: InvitationReference, user: UserID, now: Int64) async throws {
        try await change { connection in
            let invitation = try await invitation(reference, for: user, now: now, on: connection)
            try await connection.execute(
                "UPDATE invitations SET rejected_at = \(now) WHERE id = \(invitation.id)")
            try await announce(
                "invitation", "rejected", at: now, on: connection, domain: invitation.domain, actor: user, user: user)
        }
    }

    /// For the mail: the invitation, as long as it is good.
    func invitation(_ id: InvitationID, now: Int64) async throws -> Invitation? {
        try await pool.execute(
            Self.columns + " FROM invitations WHERE id = \(id) AND expires_at > \(now) AND rejected_at IS NULL"
        ).first.map(Self.decode)
    }

    func setInvitationToken(_ id: InvitationID, hash: String) async throws {
        try await pool.execute("UPDATE invitations SET token_hash = \(hash) WHERE id = \(id)")
    }

    /// A week longer than it is good, so that who invited sees what became of it.
    func deleteOldInvitations(now: Int64) async throws {
        try await pool.execute("DELETE FROM invitations WHERE expires_at < \(now - 7 * 86_400 * 1_000_000_000)")
    }

    private static let unknownInvitee = ServiceError(
        .unprocessable, reason: "unknown-user", "there is no such user, and no mail can be sent there")
}
