// SPDX-License-Identifier: Apache-2.0
import Core
import Identity

/// The one place where passwords are checked: every check is limited and counted against guessing, whoever asks for it.
struct PasswordGate: Sendable {
    let store: UsersStore
    let hasher: PasswordHasher
    let limits: LoginLimits
    let lockOut: LockOutPolicy
    let clock: WallClock

    struct Proven: Sendable {
        var user: UserID
        var passwordHash: String
    }

    /// What a password is checked against.
    struct Credential: Sendable {
        /// nil: nobody has the identity, and the hash is the decoy.
        var user: UserID?
        var status: User.Status
        var passwordHash: String
    }

    /// Checks a password.
    ///
    /// A wrong password, an unknown and a disabled user take the same time: the same statements with as many rows, one computation of the
    /// hash, one entry of the failure. `bench login` measures it.
    /// - Returns: nil when the password is not that of an enabled user.
    /// - Throws: `tooManyRequests` when there were too many failures.
    func check(identity: String, secret: String, address: String) async throws -> Proven? {
        let identity = Credentials.canonical(identity)
        let place = LoginPlace(address: address)
        try limits.begin(identity: identity, address: address)
        let credential: Credential
        let isRight: Bool
        let isFamiliar: Bool
        do {
            isFamiliar = try await refuseLocked(identity, at: place)
            credential = try await store.credentials(identity: identity, decoy: hasher.decoy)
            isRight = try await hasher.verify(secret, against: credential.passwordHash)
        } catch {
            // Nothing was learnt about the password: a database that is away must not lock people out for longer.
            limits.giveBack(identity: identity, address: address)
            throw error
        }
        guard let user = credential.user, isRight, credential.status == .enabled else {
            try await store.noteLoginFailure(
                identity: identity, at: place, isFamiliar: isFamiliar, user: credential.user, policy: lockOut,
                now: clock.now())
            return nil
        }
        limits.giveBack(identity: identity, address: address)
        try await store.noteLogin(identity: identity, at: place, now: clock.now())
        return Proven(user: user, passwordHash: credential.passwordHash)
    }

    /// - Returns: whether somebody has logged in as the identity from there.
    private func refuseLocked(_ identity: String, at place: LoginPlace) async throws -> Bool {
        let now = clock.now()
        let (isFamiliar, until) = try await store.standing(of: identity, at: place, now: now)
        guard until > now else { return isFamiliar }
        throw ServiceError(
            .tooManyRequests, reason: "locked-out", "too many wrong passwords; wait before the next attempt",
            retryAfterSeconds: Int(clamping: (until - now) / 1_000_000_000 + 1))
    }
}
