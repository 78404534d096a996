// SPDX-License-Identifier: Apache-2.0
import Core
import HTTPKit
import Identity

/// What can be done with domains and their members.
struct Domains: Sendable {
    let store: UsersStore
    let access: DomainAccess
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
        try await access.require(.domainRead, in: id, as: principal)
        guard let domain = try await store.domain(id) else { throw Self.notFound }
        return domain
    }

    /// The domains that the caller is a member of; all for an administrator of the installation.
    func list(_ filter: EntityFilter, page: PageRequest, as principal: Principal) async throws -> ListPage<Tenant> {
        try await store.domains(filter, page: page, member: principal.isPlatformAdmin ? nil : principal.user)
    }

    func update(_ id: DomainID, _ changes: TenantChanges, as principal: Principal) async throws -> Tenant {
        try await access.require(.domainManage, in: id, as: principal)
        try check(changes)
        guard let domain = try await store.update(id, changes, actor: principal.user, now: clock.now()) else {
            throw Self.notFound
        }
        return domain
    }

    /// Switches a domain; leaving `enabled` ends all sessions that act in it.
    func setStatus(_ id: DomainID, _ status: Tenant.Status, as principal: Principal) async throws -> Tenant {
        try await access.require(.domainManage, in: id, as: principal)
        if status == .frozen { try Accounts.requirePlatformAdmin(principal) }
        guard
            let domain = try await store.setStatus(
                id, status, mayThaw: principal.isPlatformAdmin, actor: principal.user, now: clock.now())
        else { throw Self.notFound }
        return domain
    }

    func members(
        _ id: DomainID, _ filter: MemberFilter, page: PageRequest, as principal: Principal
    ) async throws -> ListPage<Member> {
        try await access.require(.usersRead, in: id, as: principal)
        return try await store.members(of: id, filter, page: page)
    }

    /// Gives users a role; sessions in which they had another one end.
    func assign(_ users: [UserID], role: RoleReference, in id: DomainID, as principal: Principal) async throws {
        let own = try await access.require(.usersManage, in: id, as: principal)
        try Self.checkCount(users)
        try await store.assign(users, role: role, in: id, by: own, actor: principal.user, now: clock.now())
    }

    /// Takes users out; their sessions in the domain end.
    func unassign(_ users: [UserID], in id: DomainID, as principal: Principal) async throws {
        let own = try await access.require(.usersManage, in: id, as: principal)
        try Self.checkCount(users)
        try await store.unassign(users, in: id, by: own, actor: principal.user, now: clock.now())
    }

    static func checkCount(_ users: [UserID]) throws(ServiceError) {
        guard (1...HTTPLimits.pageSize).contains(users.count) else {
            throw ServiceError(
                .malformed, reason: "invalid-assignment", "1 to \(HTTPLimits.pageSize) users are needed")
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

/// Which members are asked for.
struct MemberFilter: Sendable {
    /// Part of the name or the identity, whatever the case.
    var name: String?
    var role: Role?
    var group: GroupID?
    var customRole: RoleID?
}
