// SPDX-License-Identifier: Apache-2.0
import Core
import HTTPKit
import Identity

/// What can be done with a domain's groups of users. Whoever manages members manages them, as far as the groups' roles are the own ones.
struct UserGroups: Sendable {
    let store: UsersStore
    let access: DomainAccess
    let clock: WallClock

    struct Changes: Sendable {
        var name: String?
        var metadata: JSONValue?
    }

    func create(
        _ name: String, metadata: JSONValue, in domain: DomainID, as principal: Principal
    ) async throws -> UserGroup {
        try await access.require(.usersManage, in: domain, as: principal)
        try Self.check(Changes(name: name, metadata: metadata))
        let now = clock.now()
        let group = UserGroup(
            id: GroupID.new(), domain: domain, name: name, metadata: metadata, role: .none, roles: [],
            createdBy: principal.user, createdAt: now, updatedAt: now)
        try await store.insert(group)
        return group
    }

    func list(
        in domain: DomainID, _ filter: EntityFilter, page: PageRequest, as principal: Principal
    ) async throws -> ListPage<UserGroup> {
        try await access.require(.usersRead, in: domain, as: principal)
        return try await store.groups(in: domain, filter, page: page)
    }

    func group(_ id: GroupID, in domain: DomainID, as principal: Principal) async throws -> UserGroup {
        try await access.require(.usersRead, in: domain, as: principal)
        return try await existing(id, domain)
    }

    func update(
        _ id: GroupID, _ changes: Changes, in domain: DomainID, as principal: Principal
    ) async throws -> UserGroup {
        try await access.require(.usersManage, in: domain, as: principal)
        try Self.check(changes)
        guard
            let group = try await store.update(id, changes, in: domain, actor: principal.user, now: clock.now())
        else { throw Self.notFound }
        return group
    }

    /// Removes a group; when it has a role its members' sessions in the domain end.
    func remove(_ id: GroupID, in domain: DomainID, as principal: Principal) async throws {
        try await requireManaging(id, in: domain, as: principal)
        guard try await store.remove(id, in: domain, actor: principal.user, now: clock.now()) else {
            throw Self.notFound
        }
    }

    /// Sets the roles that a group's members have by it; when one is taken away their sessions in the domain end.
    func setRoles(
        _ id: GroupID, role: Role, roles: [RoleID], in domain: DomainID, as principal: Principal
    ) async throws -> UserGroup {
        let own = try await requireManaging(id, in: domain, as: principal)
        guard roles.count <= HTTPLimits.pageSize else {
            throw ServiceError(
                .malformed, reason: "invalid-assignment", "at most \(HTTPLimits.pageSize) roles are possible")
        }
        var actions = role.actions
        for id in roles {
            guard let custom = try await store.role(id, in: domain) else { throw Roles.notFound }
            actions.formUnion(custom.actions)
        }
        try DomainAccess.requireCovers(own, actions)
        guard
            let group = try await store.setRoles(
                of: id, role: role, roles: roles, in: domain, actor: principal.user, now: clock.now())
        else { throw Self.notFound }
        return group
    }

    func members(
        of id: GroupID, in domain: DomainID, page: PageRequest, as principal: Principal
    ) async throws -> ListPage<Member> {
        try await access.require(.usersRead, in: domain, as: principal)
        _ = try await existing(id, domain)
        return try await store.members(of: domain, MemberFilter(group: id), page: page)
    }

    /// Puts members of the domain into a group.
    func add(_ users: [UserID], to id: GroupID, in domain: DomainID, as principal: Principal) async throws {
        try await requireManaging(id, in: domain, as: principal)
        try Domains.checkCount(users)
        try await store.add(users, to: id, in: domain, actor: principal.user, now: clock.now())
    }

    /// Takes users out of a group; when it has a role their sessions in the domain end.
    func take(_ users: [UserID], from id: GroupID, in domain: DomainID, as principal: Principal) async throws {
        try await requireManaging(id, in: domain, as: principal)
        try Domains.checkCount(users)
        try await store.take(users, from: id, in: domain, actor: principal.user, now: clock.now())
    }

    @discardableResult
    private func requireManaging(_ id: GroupID, in domain: DomainID, as principal: Principal) async throws -> Rights {
        let own = try await access.require(.usersManage, in: domain, as: principal)
        let group = try await existing(id, domain)
        var actions = group.role.actions
        for id in group.roles { actions.formUnion(try await store.role(id, in: domain)?.actions ?? []) }
        try DomainAccess.requireCovers(own, actions)
        return own
    }

    private func existing(_ id: GroupID, _ domain: DomainID) async throws -> UserGroup {
        guard let group = try await store.group(id, in: domain) else { throw Self.notFound }
        return group
    }

    private static func check(_ changes: Changes) throws(ServiceError) {
        if let name = changes.name {
            guard !name.isEmpty else {
                throw ServiceError(.malformed, reason: "missing-field", "'name' must not be empty")
            }
            try EntityRules.checkName(name)
        }
        if let metadata = changes.metadata { try EntityRules.checkMetadata(metadata) }
    }

    static let notFound = ServiceError(.notFound, reason: "unknown-group", "there is no such group in the domain")
}
