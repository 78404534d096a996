// SPDX-License-Identifier: Apache-2.0
import Core
import Identity
import Logging
import Synchronization

/// Holds the signing keys that all instances of the service share through the database: signs with the newest, publishes all that live tokens may carry.
final class TokenSigner: Sendable {
    /// How often other instances' new keys are looked for.
    static let reloadSeconds: Int64 = 30

    private struct State {
        var issuer: AccessTokenIssuer?
        var keys = PublicKeySet(keys: [])
        var validator: AccessTokenValidator?
        var newestAt: Int64 = 0
    }

    private let store: UsersStore
    private let clock: WallClock
    private let lifetimeSeconds: Int64
    private let rotationNanoseconds: Int64
    private let logger: Logger
    private let state = Mutex(State())

    init(store: UsersStore, clock: WallClock, lifetimeSeconds: Int64, rotationDays: Int64, logger: Logger) {
        self.store = store
        self.clock = clock
        self.lifetimeSeconds = lifetimeSeconds
        rotationNanoseconds = rotationDays * 86_400 * 1_000_000_000
        self.logger = logger
    }

    /// Loads the keys, making the first one, or the next one when the newest is too old.
    func prepare() async throws {
        let now = clock.now()
        // A key whose last token has expired is of no use any more.
        let retention = (AccessTokenClaims.maximumLifetimeSeconds + 60) * 1_000_000_000
        let records = try await store.signingKeys(
            createdAfter: now - rotationNanoseconds, orMakeNew: { SigningKey() }, now: now, keepingRetiredFor: retention
        )
        guard let newest = records.max(by: { $0.createdAt < $1.createdAt }) else {
            throw ServiceError(
                .internalFailure, reason: "no-signing-key", "something went wrong on our side",
                detail: "no signing key in the database")
        }
        let set = PublicKeySet(keys: records.map(\.key.publicKey))
        let issuer = try await AccessTokenIssuer(key: newest.key, lifetimeSeconds: lifetimeSeconds)
        let validator = await AccessTokenValidator(set)
        let isNew = state.withLock { state in
            let isNew = state.newestAt != newest.createdAt
            state = State(issuer: issuer, keys: set, validator: validator, newestAt: newest.createdAt)
            return isNew
        }
        if isNew { logger.info("signing key in use", metadata: ["key_id": "\(newest.key.id)"]) }
    }

    func sign(_ principal: Principal, now: Int64) async throws -> AccessTokenIssuer.Issued {
        guard let issuer = state.withLock({ $0.issuer }) else { throw Self.notReady }
        return try await issuer.issue(principal, now: now)
    }

    /// For verifiers: all keys that a live token may be signed with.
    var publicKeys: PublicKeySet { state.withLock { $0.keys } }

    func validate(_ token: String) async throws -> AccessTokenClaims {
        guard let validator = state.withLock({ $0.validator }) else { throw Self.notReady }
        return try await validator.validate(token, now: clock.now())
    }

    private static let notReady = ServiceError(
        .unavailable, reason: "starting", "the service is starting", retryAfterSeconds: 1)
}

/// A signing key as it is stored.
struct SigningKeyRecord: Sendable {
    var key: SigningKey
    var createdAt: Int64
}
