// SPDX-License-Identifier: Apache-2.0
import Core
import HTTPKit
import Identity

/// What can be done with invitations.
struct Invitations: Sendable {
    let store: UsersStore
    let access: DomainAccess
    let clock: WallClock
    private let inviters: RateLimiter
    private let invitees: RateLimiter

    struct Draft: Sendable {
        var invitee: Invitation.Invitee
        var role: RoleReference
        /// nil: a week.
        var lifetimeSeconds: Int64?
    }

    init(store: UsersStore, access: DomainAccess, clock: WallClock) {
        self.store = store
        self.access = access
        self.clock = clock
        inviters = RateLimiter(
            perSecond: Double(Invitation.perInviterPerHour) / 3_600, burst: Invitation.perInviterPerHour)
        invitees = RateLimiter(
            perSecond: Double(Invitation.perInviteePerHour) / 3_600, burst: Invitation.perInviteePerHour)
    }

    /// Invites somebody, by mail when that is configured and the identity is an address.
    /// - Throws: `forbidden` when the role is more than the own rights, `conflict` when the person is a member or invited already,
    ///   `unprocessable` when there is no such user and no mail either.
    func create(_ draft: Draft, in domain: DomainID, as principal: Principal) async throws -> Invitation {
        let own = try await access.require(.usersManage, in: domain, as: principal)
        let lifetime = draft.lifetimeSeconds ?? Invitation.standardLifetimeSeconds
        guard Invitation.lifetimeSeconds.contains(lifetime) else {
            throw ServiceError(
                .malformed, reason: "invalid-duration", "an invitation is good for a minute to 90 days")
        }
        var invitee = draft.invitee
        if case .identity(let identity) = invitee { invitee = .identity(try Credentials.checkedIdentity(identity)) }
        switch draft.role {
        case .builtIn(let role): try DomainAccess.requireCovers(own, role.actions)
        case .custom(let id):
            guard let role = try await store.role(id, in: domain) else { throw Roles.notFound }
            try DomainAccess.requireCovers(own, role.actions)
        }
        try inviters.take(principal.user.description)
        if case .identity(let identity) = invitee { try invitees.take(identity.lowercased()) }
        let now = clock.now()
        let invitation = try await store.insert(
            Invitation(
                id: InvitationID.new(), domain: domain, domainName: "", invitee: invitee, role: draft.role,
                invitedBy: principal.user, createdAt: now, expiresAt: now + lifetime * 1_000_000_000))
        store.mail?.wake()
        return invitation
    }

    func list(in domain: DomainID, page: PageRequest, as principal: Principal) async throws -> ListPage<Invitation> {
        try await access.require(.usersRead, in: domain, as: principal)
        return try await store.invitations(in: domain, page: page)
    }

    /// Those for the caller that are still good.
    func list(page: PageRequest, as principal: Principal) async throws -> ListPage<Invitation> {
        try await store.invitations(for: principal.user, page: page, now: clock.now())
    }

    func remove(_ id: InvitationID, in domain: DomainID, as principal: Principal) async throws {
        try await access.require(.usersManage, in: domain, as: principal)
        guard try await store.removeInvitation(id, in: domain, actor: principal.user, now: clock.now()) else {
            throw Self.notFound
        }
    }

    /// Takes back the invitation of somebody.
    func remove(_ invitee: Invitation.Invitee, in domain: DomainID, as principal: Principal) async throws {
        try await access.require(.usersManage, in: domain, as: principal)
        guard try await store.removeInvitation(of: invitee, in: domain, actor: principal.user, now: clock.now()) else {
            throw Self.notFound
        }
    }

    /// Makes the caller a member with the invitation's role, as far as who invited may still give it.
    func accept(_ reference: InvitationReference, as principal: Principal) async throws -> Invitation {
        try await store.accept(reference, user: principal.user, now: clock.now())
    }

    func reject(_ reference: InvitationReference, as principal: Principal) async throws {
        try await store.reject(reference, user: principal.user, now: clock.now())
    }

    static let notFound = ServiceError(
        .notFound, reason: "unknown-invitation", "there is no such invitation, or it is too old")
}
