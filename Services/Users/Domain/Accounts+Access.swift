// SPDX-License-Identifier: Apache-2.0
import Core
import Identity

/// What decides who gets in: passwords, identities, administration of the installation.
extension Accounts {
    /// Changes the own password; all sessions but the current one end.
    /// - Parameter revokingKeys: whether the user's keys end as well; programs go on with them otherwise.
    /// - Throws: `forbidden` when the old one is wrong.
    func changeSecret(
        old: String, new: String, revokingKeys: Bool, address: String, as principal: Principal
    ) async throws -> User {
        try Credentials.checkSecret(new)
        try await requireSecret(old, address: address, of: principal)
        let hash = try await gate.hasher.hash(new)
        guard
            let user = try await store.setPassword(
                of: principal.user, hash: hash, keeping: principal.session, revokingKeys: revokingKeys,
                now: clock.now())
        else { throw Self.notFound }
        return user
    }

    /// Changes what a user logs in with.
    ///
    /// Whoever does it to the own account shows the password again: a stolen access token must not become the account, which it would once
    /// a new password can be mailed to a new address.
    /// - Throws: `forbidden` when the password is wrong, `conflict` when the identity is taken.
    func changeIdentity(
        _ id: UserID, to identity: String, secret: String?, address: String, as principal: Principal
    ) async throws -> User {
        guard principal.user == id || principal.isPlatformAdmin else { throw Self.notFound }
        let identity = try Credentials.checkedIdentity(identity)
        if principal.user == id { try await requireSecret(secret, address: address, of: principal) }
        guard let user = try await store.setIdentity(of: id, to: identity, actor: principal.user, now: clock.now())
        else { throw Self.notFound }
        return user
    }

    /// Removes a user for good; the identity is free again, the identifier is never used again.
    ///
    /// Whoever removes the own account shows the password again: a stolen access token must not be enough.
    /// - Throws: `forbidden` when the password is wrong, `conflict` when something would be left without an administrator.
    func remove(_ id: UserID, secret: String?, address: String, as principal: Principal) async throws {
        guard principal.user == id || principal.isPlatformAdmin else { throw Self.notFound }
        if principal.user == id { try await requireSecret(secret, address: address, of: principal) }
        guard try await store.remove(id, actor: principal.user, now: clock.now()) else { throw Self.notFound }
    }

    /// Makes a user an administrator of the installation, or no longer; the user's sessions end, because their tokens say the old.
    func setAdmin(_ id: UserID, _ isAdmin: Bool, as principal: Principal) async throws -> User {
        try Self.requirePlatformAdmin(principal)
        guard principal.user != id else {
            throw ServiceError(.unprocessable, reason: "own-account", "an administrator cannot change the own role")
        }
        guard let user = try await store.setAdmin(id, isAdmin, actor: principal.user, now: clock.now()) else {
            throw Self.notFound
        }
        return user
    }

    /// Lets a user who was locked out by failed logins try again at once.
    func unlock(_ id: UserID, as principal: Principal) async throws -> User {
        try Self.requirePlatformAdmin(principal)
        guard let user = try await store.user(id) else { throw Self.notFound }
        try await store.unlock(user, actor: principal.user, now: clock.now())
        return user
    }

    private func requireSecret(_ secret: String?, address: String, of principal: Principal) async throws {
        guard let secret else {
            throw ServiceError(
                .malformed, reason: "missing-field", "'secret' is missing: the own password has to be given again")
        }
        guard let user = try await store.user(principal.user) else { throw Self.notFound }
        guard secret.utf8.count <= Credentials.maximumSecretBytes,
            try await gate.check(identity: user.identity, secret: secret, address: address) != nil
        else {
            throw ServiceError(.forbidden, reason: "wrong-secret", "the password is wrong")
        }
    }
}
