// SPDX-License-Identifier: Apache-2.0
import Core
import Identity
import Observability

/// Logging in, staying logged in, and out.
struct Sessions: Sendable {
    private let store: UsersStore
    private let gate: PasswordGate
    private let signer: TokenSigner
    private let clock: WallClock
    private let refreshLifetimeSeconds: Int64
    private let logins: LabelledMetric<Counter>

    /// A pair of tokens as it goes to the client.
    struct Tokens: Sendable {
        var access: String
        var refresh: String
    }

    init(
        store: UsersStore, gate: PasswordGate, signer: TokenSigner, clock: WallClock, refreshLifetimeSeconds: Int64,
        metrics: MetricsRegistry
    ) {
        self.store = store
        self.gate = gate
        self.signer = signer
        self.clock = clock
        self.refreshLifetimeSeconds = refreshLifetimeSeconds
        logins = metrics.counter("martlet_users_logins_total", help: "Logins by outcome.", labels: ["outcome"])
    }

    /// Begins a session.
    ///
    /// A wrong password and an unknown user take the same time and get the same answer.
    /// - Parameter domain: what the tokens shall act in; nil: the user's default domain.
    /// - Throws: `unauthenticated`, `forbidden` when the user is no member of the domain, `tooManyRequests`.
    func logIn(identity: String, secret: String, domain: DomainID?, address: String) async throws -> Tokens {
        let proven: PasswordGate.Proven?
        do {
            proven = try await gate.check(identity: identity, secret: secret, address: address)
        } catch let refusal as ServiceError where refusal.kind == .tooManyRequests {
            logins.with(refusal.reason == "locked-out" ? "locked" : "limited").increment()
            throw refusal
        }
        guard let proven else {
            logins.with("refused").increment()
            throw ServiceError(.unauthenticated, reason: "wrong-credentials", "the identity or the secret is wrong")
        }
        if gate.hasher.needsRehash(proven.passwordHash) {
            try await store.rehash(proven.user, from: proven.passwordHash, to: try await gate.hasher.hash(secret))
        }
        // Again when the rights change between being looked up and being a session's: rare enough for a few times to be enough.
        for _ in 0..<Self.attempts {
            guard let tokens = try await begin(for: proven.user, in: domain) else { continue }
            logins.with("succeeded").increment()
            return tokens
        }
        throw ServiceError(
            .unavailable, reason: "rights-changing", "your rights are being changed; try again", retryAfterSeconds: 1)
    }

    /// - Returns: nil when the user's rights changed meanwhile.
    private func begin(for proven: UserID, in domain: DomainID?) async throws -> Tokens? {
        guard let user = try await store.user(proven) else { return nil }
        let refresh = SecretKey.generate()
        let session = SessionID.new()
        let now = clock.now()
        let place = try await place(of: user, wanted: domain)
        let access = try await signer.sign(Self.principal(user, session, place), now: now)
        let record = SessionRecord(
            id: session, user: user.id, domain: place?.domain, createdAt: now,
            expiresAt: now + refreshLifetimeSeconds * 1_000_000_000, lastTokenExpiresAt: access.expiresAt)
        let hasBegun = try await store.begin(
            record, refreshHash: SecretKey.hash(refresh), isAdmin: user.isAdmin, rightsVersion: place?.version)
        return hasBegun ? Tokens(access: access.token, refresh: refresh) : nil
    }

    private static func principal(_ user: User, _ session: SessionID, _ place: Place?) -> Principal {
        Principal(
            user: user.id, session: session, domain: place?.domain, role: place?.rights.role ?? .none,
            isPlatformAdmin: user.isAdmin, grants: place?.rights.grants)
    }

    /// Exchanges a refresh token for a new pair. The old one is spent; when it comes again, somebody copied it, and the whole session ends
    /// (RFC 9700 section 4.14.2).
    /// - Throws: `unauthenticated`; `forbidden` when the session's domain is not enabled, or the user no member of it any more.
    func refresh(_ token: String) async throws -> Tokens {
        let replacement = SecretKey.generate()
        let now = clock.now()
        let hash = SecretKey.hash(token)
        guard let session = try await store.session(refreshHash: hash), let user = try await store.user(session.user)
        else {
            throw Self.unknownRefreshToken
        }
        // Signed before the exchange is committed: a token that nobody gets does no harm, a spent refresh token without successor would.
        let place = try await session.domain.flatMapAsync { try await self.place(of: user, wanted: $0) }
        let access = try await signer.sign(Self.principal(user, session.id, place), now: now)
        let outcome = try await store.rotate(
            refreshHash: hash, to: SecretKey.hash(replacement), now: now,
            expiresAt: now + refreshLifetimeSeconds * 1_000_000_000, lastTokenExpiresAt: access.expiresAt)
        switch outcome {
        case .rotated: return Tokens(access: access.token, refresh: replacement)
        case .unknown: throw Self.unknownRefreshToken
        case .ended:
            throw ServiceError(.unauthenticated, reason: "session-ended", "the session has ended; log in again")
        case .reused:
            throw ServiceError(
                .unauthenticated, reason: "refresh-token-reused",
                "this refresh token was used before, so the session was ended; log in again")
        }
    }

    /// Who an access token proves, for logging out.
    func principal(of token: String) async throws -> Principal {
        try await LocalTokenVerifier(store: store, signer: signer, clock: clock).verify(token)
    }

    /// Ends the session of an access token.
    func revoke(_ session: SessionID, actor: UserID) async throws {
        try await store.revoke(session, reason: "logged-out", actor: actor, now: clock.now())
    }

    /// Ends the session of a refresh token; one that is not known is no error (RFC 7009 section 2.2).
    func revoke(refreshToken: String) async throws {
        guard let session = try await store.session(refreshHash: SecretKey.hash(refreshToken)) else { return }
        try await store.revoke(session.id, reason: "logged-out", actor: session.user, now: clock.now())
    }

    /// The domain that a token acts in, with the user's rights there.
    private struct Place {
        var domain: DomainID
        var rights: Rights
        /// nil: the rights do not hang on the domain.
        var version: Int64?
    }

    private func place(of user: User, wanted: DomainID?) async throws -> Place? {
        guard let id = wanted ?? user.defaultDomain, let (place, status) = try await standing(of: user, in: id) else {
            guard wanted == nil else {
                throw ServiceError(
                    .forbidden, reason: "not-a-member", "you are not a member of this domain, or there is none")
            }
            return nil
        }
        guard status == .enabled else {
            guard wanted == nil else {
                throw ServiceError(.forbidden, reason: "domain-not-enabled", "the domain is \(status.rawValue)")
            }
            return nil
        }
        return place
    }

    /// - Returns: nil when there is no such domain or the user is no member of it.
    private func standing(of user: User, in domain: DomainID) async throws -> (Place, Tenant.Status)? {
        if user.isAdmin {
            guard let tenant = try await store.domain(domain) else { return nil }
            return (Place(domain: domain, rights: Rights(role: .admin)), tenant.status)
        }
        guard let held = try await store.rights(of: user.id, in: domain) else { return nil }
        return (Place(domain: domain, rights: held.rights, version: held.version), held.status)
    }

    private static let attempts = 5

    static let unknownRefreshToken = ServiceError(
        .unauthenticated, reason: "invalid-refresh-token", "the refresh token is not valid")
}

extension Optional {
    fileprivate func flatMapAsync<Value>(_ transform: (Wrapped) async throws -> Value?) async throws -> Value? {
        guard let self else { return nil }
        return try await transform(self)
    }
}

/// A session as it is stored. Times in nanoseconds, except the last token's expiry in Unix seconds.
struct SessionRecord: Sendable {
    var id: SessionID
    var user: UserID
    var domain: DomainID?
    var createdAt: Int64
    var expiresAt: Int64
    var lastTokenExpiresAt: Int64
}
