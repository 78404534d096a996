// SPDX-License-Identifier: Apache-2.0
import Core
import HTTPKit
import Identity

/// What can be done with a domain's own roles.
struct Roles: Sendable {
    let store: UsersStore
    let access: DomainAccess
    let clock: WallClock

    func create(
        _ name: String, actions: Set<Action>, members: [UserID], in domain: DomainID, as principal: Principal
    ) async throws -> CustomRole {
        let own = try await access.require(.domainManage, in: domain, as: principal)
        try Self.check(name)
        try Self.check(actions)
        try DomainAccess.requireCovers(own, actions)
        if !members.isEmpty { try Domains.checkCount(members) }
        let now = clock.now()
        let role = CustomRole(
            id: RoleID.new(), domain: domain, name: name, actions: actions, createdBy: principal.user, createdAt: now,
            updatedAt: now)
        try await store.insert(role, members: members)
        return role
    }

    func list(in domain: DomainID, page: PageRequest, as principal: Principal) async throws -> ListPage<CustomRole> {
        try await access.require(.domainRead, in: domain, as: principal)
        return try await store.roles(in: domain, page: page)
    }

    func role(_ id: RoleID, in domain: DomainID, as principal: Principal) async throws -> CustomRole {
        try await access.require(.domainRead, in: domain, as: principal)
        guard let role = try await store.role(id, in: domain) else { throw Self.notFound }
        return role
    }

    func rename(_ id: RoleID, to name: String, in domain: DomainID, as principal: Principal) async throws -> CustomRole
    {
        try await access.require(.domainManage, in: domain, as: principal)
        try Self.check(name)
        guard let role = try await store.rename(id, to: name, in: domain, actor: principal.user, now: clock.now())
        else { throw Self.notFound }
        return role
    }

    /// Changes a role's actions; when one is taken away the sessions of those who have the role end.
    func setActions(
        _ id: RoleID, in domain: DomainID, as principal: Principal,
        change: @escaping @Sendable (Set<Action>) -> Set<Action>
    ) async throws -> CustomRole {
        let own = try await access.require(.domainManage, in: domain, as: principal)
        let role = try await store.setActions(of: id, in: domain, actor: principal.user, now: clock.now()) { old in
            let new = change(old)
            try Self.check(new)
            try DomainAccess.requireCovers(own, old.symmetricDifference(new))
            return new
        }
        guard let role else { throw Self.notFound }
        return role
    }

    /// Removes a role; the sessions of those who have it end.
    func remove(_ id: RoleID, in domain: DomainID, as principal: Principal) async throws {
        let own = try await access.require(.domainManage, in: domain, as: principal)
        guard let role = try await store.role(id, in: domain) else { throw Self.notFound }
        try DomainAccess.requireCovers(own, role.actions)
        guard try await store.remove(id, in: domain, actor: principal.user, now: clock.now()) else {
            throw Self.notFound
        }
    }

    func members(
        of id: RoleID, in domain: DomainID, page: PageRequest, as principal: Principal
    ) async throws -> ListPage<Member> {
        try await access.require(.usersRead, in: domain, as: principal)
        guard try await store.role(id, in: domain) != nil else { throw Self.notFound }
        return try await store.members(of: domain, MemberFilter(customRole: id), page: page)
    }

    /// Gives members of the domain the role.
    func add(_ users: [UserID], to id: RoleID, in domain: DomainID, as principal: Principal) async throws {
        let own = try await access.require(.usersManage, in: domain, as: principal)
        try Domains.checkCount(users)
        guard let role = try await store.role(id, in: domain) else { throw Self.notFound }
        try DomainAccess.requireCovers(own, role.actions)
        try await store.add(users, to: id, in: domain, actor: principal.user, now: clock.now())
    }

    /// Takes the role from members, all when none are named; their sessions in the domain end.
    func take(_ users: [UserID]?, from id: RoleID, in domain: DomainID, as principal: Principal) async throws {
        let own = try await access.require(.usersManage, in: domain, as: principal)
        if let users { try Domains.checkCount(users) }
        guard let role = try await store.role(id, in: domain) else { throw Self.notFound }
        try DomainAccess.requireCovers(own, role.actions)
        try await store.take(users, from: id, in: domain, actor: principal.user, now: clock.now())
    }

    private static func check(_ name: String) throws(ServiceError) {
        try EntityRules.checkName(name)
        let isReserved = RoleReference(name.lowercased()) != nil || name.lowercased() == Role.none.rawValue
        guard !name.isEmpty, !isReserved else {
            throw ServiceError(
                .malformed, reason: "invalid-name",
                "a role's name must be neither empty, nor a UUID, nor a built-in role's")
        }
    }

    private static func check(_ actions: Set<Action>) throws(ServiceError) {
        guard let unknown = actions.subtracting(Action.catalogue).min() else { return }
        throw ServiceError(
            .malformed, reason: "unknown-action",
            "'\(unknown.rawValue.prefix(64))' is no action: GET /domains/roles/available-actions lists them")
    }

    static let notFound = ServiceError(.notFound, reason: "unknown-role", "there is no such role in the domain")
}
