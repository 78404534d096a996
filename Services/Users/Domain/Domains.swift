// SPDX-License-Identifier: Apache-2.0
import Core
import HTTPKit
import Identity

/// What can be done with domains and their members.
struct Domains: Sendable {
    let store: UsersStore
    let clock: WallClock

    struct Draft: Sendable {
        var name: String
        var route: String?
        var tags: [String]
        var metadata: JSONValue
    }

    /// Adds a domain; who creates it is its administrator.
    func create(_ draft: Draft, as principal: Principal) async throws -> Tenant {
        guard !draft.name.isEmpty else {
            throw ServiceError(.malformed, reason: "missing-field", "'name' must not be empty")
        }
        try check(TenantChanges(name: draft.name, route: draft.route, tags: draft.tags, metadata: draft.metadata))
        let now = clock.now()
        let domain = Tenant(
            id: DomainID.new(), name: draft.name, route: draft.route, tags: draft.tags, metadata: draft.metadata,
            status: .enabled, createdBy: principal.user, createdAt: now, updatedAt: now)
        try await store.insert(domain)
        return domain
    }

    func domain(_ id: DomainID, as principal: Principal) async throws -> Tenant {
        try await require(.viewer, in: id, as: principal)
        guard let domain = try await store.domain(id) else { throw Self.notFound }
        return domain
    }

    /// The domains that the caller is a member of; all for an administrator of the installation.
    func list(_ filter: EntityFilter, page: PageRequest, as principal: Principal) async throws -> ListPage<Tenant> {
        try await store.domains(filter, page: page, member: principal.isPlatformAdmin ? nil : principal.user)
    }

    func update(_ id: DomainID, _ changes: TenantChanges, as principal: Principal) async throws -> Tenant {
        try await require(.admin, in: id, as: principal)
        try check(changes)
        guard let domain = try await store.update(id, changes, actor: principal.user, now: clock.now()) else {
            throw Self.notFound
        }
        return domain
    }

    /// Switches a domain; leaving `enabled` ends all sessions that act in it.
    func setStatus(_ id: DomainID, _ status: Tenant.Status, as principal: Principal) async throws -> Tenant {
        try await require(.admin, in: id, as: principal)
        let current = try await store.domain(id)
        if status == .frozen || current?.status == .frozen { try Accounts.requirePlatformAdmin(principal) }
        guard let domain = try await store.setStatus(id, status, actor: principal.user, now: clock.now()) else {
            throw Self.notFound
        }
        return domain
    }

    /// Gives users a role; sessions in which they had another one end.
    func assign(_ users: [UserID], role: Role, in id: DomainID, as principal: Principal) async throws {
        try await require(.admin, in: id, as: principal)
        guard role != .none, !users.isEmpty, users.count <= HTTPLimits.pageSize else {
            throw ServiceError(
                .malformed, reason: "invalid-assignment",
                "1 to \(HTTPLimits.pageSize) user_ids and one of admin, editor, viewer are needed")
        }
        try await store.assign(users, role: role, in: id, actor: principal.user, now: clock.now())
    }

    /// Takes users out; their sessions in the domain end.
    func unassign(_ users: [UserID], in id: DomainID, as principal: Principal) async throws {
        try await require(.admin, in: id, as: principal)
        guard !users.isEmpty, users.count <= HTTPLimits.pageSize else {
            throw ServiceError(
                .malformed, reason: "invalid-assignment", "1 to \(HTTPLimits.pageSize) user_ids are needed")
        }
        try await store.unassign(users, in: id, actor: principal.user, now: clock.now())
    }

    /// The role is looked up, not taken from the token: a token acts in one domain, and this may be another.
    private func require(_ role: Role, in id: DomainID, as principal: Principal) async throws {
        if principal.isPlatformAdmin {
            guard try await store.domain(id) != nil else { throw Self.notFound }
            return
        }
        // Not a member: not told apart from no such domain, so that identifiers cannot be probed.
        guard let held = try await store.role(of: principal.user, in: id) else { throw Self.notFound }
        guard held >= role else {
            throw ServiceError(
                .forbidden, reason: "role-too-low",
                "this needs the role \(role.rawValue) in the domain, and you have \(held.rawValue)")
        }
    }

    private func check(_ changes: TenantChanges) throws(ServiceError) {
        if let name = changes.name { try EntityRules.checkName(name) }
        if let route = changes.route { try EntityRules.checkRoute(route) }
        if let tags = changes.tags { try EntityRules.checkTags(tags) }
        if let metadata = changes.metadata { try EntityRules.checkMetadata(metadata) }
    }

    static let notFound = ServiceError(.notFound, reason: "unknown-domain", "there is no such domain")
}
