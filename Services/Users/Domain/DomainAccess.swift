// SPDX-License-Identifier: Apache-2.0
import Core
import Identity

/// Decides what a principal may do in a domain: the one place for it, whatever is changed there.
struct DomainAccess: Sendable {
    let store: UsersStore

    /// The rights are looked up, not taken from the token: a token acts in one domain, and this may be another. A key stays in its own.
    ///
    /// - Returns: the rights that the caller has there, for rules about what may be given away.
    /// - Throws: `notFound` when there is no such domain or the caller is no member of it (not told apart, so that identifiers cannot be
    ///   probed), `forbidden` when the action is not allowed.
    @discardableResult
    func require(_ action: Action, in domain: DomainID, as principal: Principal) async throws -> Rights {
        if principal.isPlatformAdmin, principal.credential == .session {
            guard try await store.domain(domain) != nil else { throw Domains.notFound }
            return Rights(role: .admin)
        }
        guard principal.credential == .session || principal.domain == domain,
            let held = try await store.rights(of: principal.user, in: domain)
        else { throw Domains.notFound }
        guard held.rights.allows(action) else {
            throw ServiceError(
                .forbidden, reason: "role-too-low",
                "this needs \(action) in the domain, and you have the role \(held.rights.role.rawValue)")
        }
        if principal.credential == .key { try principal.require(action) }
        guard held.status != .frozen || action.leastRole == .viewer else {
            throw ServiceError(
                .forbidden, reason: "domain-frozen", "the installation's administrator has frozen the domain")
        }
        guard principal.credential == .key, let grants = principal.grants else { return held.rights }
        return Rights(role: .none, custom: grants.actions.intersection(held.rights.actions))
    }

    /// Nobody gives, changes or takes what is more than the own rights.
    static func requireCovers(_ own: Rights, _ other: Set<Action>) throws(ServiceError) {
        guard own.covers(other) else {
            let missing = other.subtracting(own.actions).sorted().map(\.rawValue).joined(separator: ", ")
            throw ServiceError(
                .forbidden, reason: "more-than-own-rights", "you do not have yourself what this is about: \(missing)")
        }
    }
}
