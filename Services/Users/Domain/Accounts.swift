// SPDX-License-Identifier: Apache-2.0
import Core
import Foundation
import HTTPKit
import Identity
import Logging

/// What can be done with users.
struct Accounts: Sendable {
    let store: UsersStore
    let gate: PasswordGate
    let clock: WallClock

    struct Draft: Sendable {
        var name: String
        var identity: String
        var secret: String
        var tags: [String]
        var metadata: JSONValue
    }

    /// Adds a user with a personal domain, in which the user is administrator.
    /// - Parameter actor: who adds the user; nil: the user, or the system when it makes an administrator.
    /// - Throws: `malformed`, `conflict` when the identity is taken.
    func register(_ draft: Draft, actor: UserID?, isAdmin: Bool = false) async throws -> User {
        let identity = try Credentials.checkedIdentity(draft.identity)
        try Credentials.checkSecret(draft.secret)
        try EntityRules.checkName(draft.name)
        try EntityRules.checkTags(draft.tags)
        try EntityRules.checkMetadata(draft.metadata)
        let hash = try await gate.hasher.hash(draft.secret)
        let now = clock.now()
        let domain = Tenant(
            id: DomainID.new(), name: String(identity.prefix(200)), route: nil, tags: [], metadata: .object([:]),
            status: .enabled, createdBy: UserID.new(), createdAt: now, updatedAt: now)
        let user = User(
            id: domain.createdBy, name: draft.name, identity: identity, tags: draft.tags, metadata: draft.metadata,
            isAdmin: isAdmin, status: .enabled, defaultDomain: domain.id, createdAt: now, updatedAt: now)
        try await store.insert(
            user, passwordHash: hash, personalDomain: domain, actor: actor ?? (isAdmin ? nil : user.id))
        return user
    }

    /// The user, for the user itself and for administrators.
    /// - Throws: `notFound`, also when the caller may not see it: identifiers cannot be probed.
    func user(_ id: UserID, as principal: Principal) async throws -> User {
        guard principal.user == id || principal.isPlatformAdmin, let user = try await store.user(id) else {
            throw Self.notFound
        }
        return user
    }

    func update(_ id: UserID, _ changes: UserChanges, as principal: Principal) async throws -> User {
        guard principal.user == id || principal.isPlatformAdmin else { throw Self.notFound }
        if let name = changes.name { try EntityRules.checkName(name) }
        if let tags = changes.tags { try EntityRules.checkTags(tags) }
        if let metadata = changes.metadata { try EntityRules.checkMetadata(metadata) }
        guard let user = try await store.update(id, changes, actor: principal.user, now: clock.now()) else {
            throw Self.notFound
        }
        return user
    }

    func list(_ filter: UserFilter, page: PageRequest, as principal: Principal) async throws -> ListPage<User> {
        try Self.requirePlatformAdmin(principal)
        return try await store.users(filter, page: page)
    }

    /// Enables or disables a user; disabling ends all the user's sessions.
    func setStatus(_ id: UserID, _ status: User.Status, as principal: Principal) async throws -> User {
        try Self.requirePlatformAdmin(principal)
        guard principal.user != id || status == .enabled else {
            throw ServiceError(.unprocessable, reason: "own-account", "an administrator cannot disable the own account")
        }
        guard let user = try await store.setStatus(id, status, actor: principal.user, now: clock.now()) else {
            throw Self.notFound
        }
        return user
    }

    /// Creates the first administrator; a user of that identity who is there already is left alone.
    func ensureAdministrator(email: String?, password: String?, logger: Logger) async throws {
        guard let email, let password else { return }
        let identity = try Credentials.checkedIdentity(email)
        guard try await store.user(identity: identity) == nil else { return }
        let draft = Draft(
            name: "Administrator", identity: identity, secret: password, tags: [], metadata: .object([:]))
        do {
            let user = try await register(draft, actor: nil, isAdmin: true)
            logger.info("administrator created", metadata: ["user": "\(user.id)"])
        } catch let error as ServiceError where error.kind == .conflict {
            // Another instance that starts now was first.
        }
    }

    static func requirePlatformAdmin(_ principal: Principal) throws(ServiceError) {
        guard principal.isPlatformAdmin else {
            throw ServiceError(
                .forbidden, reason: "not-an-administrator", "only an administrator of the installation may do this")
        }
    }

    static let notFound = ServiceError(.notFound, reason: "unknown-user", "there is no such user")
}

/// Which users are asked for.
struct UserFilter: Sendable {
    var entity: EntityFilter
    /// Part of the identity, whatever the case.
    var identity: String?
    /// Administrators of the installation only, or everybody else only.
    var isAdmin: Bool?
}

/// A part of a list.
struct ListPage<Element: Sendable>: Sendable {
    var total: Int
    var elements: [Element]
    /// Identifier of the last element when there are more behind it.
    var next: String?
}
