// SPDX-License-Identifier: Apache-2.0
import Core
import HTTPKit
import Identity

/// A new password for somebody who has lost the old one, by a mail to the identity's address.
struct PasswordResets: Sendable {
    let store: UsersStore
    let hasher: PasswordHasher
    let clock: WallClock
    private let identities: RateLimiter
    private let addresses: RateLimiter

    init(store: UsersStore, hasher: PasswordHasher, clock: WallClock) {
        self.store = store
        self.hasher = hasher
        self.clock = clock
        identities = RateLimiter(
            perSecond: Double(MailLimits.resetsPerIdentityPerHour) / 3_600, burst: MailLimits.resetsPerIdentityPerHour)
        addresses = RateLimiter(
            perSecond: Double(MailLimits.resetsPerAddressPerHour) / 3_600, burst: MailLimits.resetsPerAddressPerHour)
    }

    /// Asks for a mail. The answer and its cost are the same whether there is such a user or not.
    /// - Throws: `unprocessable` where no mail can be sent, `tooManyRequests`.
    func request(identity: String, address: String) async throws {
        guard store.mail != nil else { throw MailQueue.notConfigured }
        let identity = try Credentials.checkedIdentity(identity)
        try addresses.take(address)
        try identities.take(identity.lowercased())
        try await store.requestPasswordReset(identity: identity, now: clock.now())
        store.mail?.wake()
    }

    /// Sets a new password by the token of a mail, once; all sessions end.
    /// - Throws: `unauthenticated` when the token is not good (any more).
    func reset(token: String, to secret: String, address: String) async throws {
        guard store.mail != nil else { throw MailQueue.notConfigured }
        try Credentials.checkSecret(secret)
        let hash = SecretKey.hash(token)
        // Looked up first: a token that is made up must not cost a password's hash.
        guard try await store.isPasswordReset(hash: hash, now: clock.now()) else { throw Self.invalidToken }
        let passwordHash = try await hasher.hash(secret)
        guard
            try await store.resetPassword(
                tokenHash: hash, passwordHash: passwordHash, from: LoginPlace(address: address), now: clock.now())
        else {
            throw Self.invalidToken
        }
        store.mail?.wake()
    }

    private static let invalidToken = ServiceError(
        .unauthenticated, reason: "invalid-reset-token",
        "the token is not valid, was used, or is too old; ask for another mail")
}
