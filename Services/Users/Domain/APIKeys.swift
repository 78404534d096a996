// SPDX-License-Identifier: Apache-2.0
import Core
import HTTPKit
import Identity

/// What can be done with keys for programs. They are their owner's: nobody else sees or makes them, and no key makes another.
struct APIKeys: Sendable {
    let store: UsersStore
    let clock: WallClock

    struct Draft: Sendable {
        var kind: KeyToken
        var name: String
        var note: String
        /// nil: the token's domain.
        var domain: DomainID?
        /// nil: everything that the user may do there.
        var scopes: Grants?
        /// nil: does not end by itself.
        var lifetimeSeconds: Int64?
    }

    /// A key together with the only sight of its secret.
    struct Issued: Sendable {
        var key: APIKey
        var secret: String
    }

    func create(_ draft: Draft, as principal: Principal) async throws -> Issued {
        try EntityRules.checkName(draft.name)
        try EntityRules.checkName(draft.note)
        if let scopes = draft.scopes { try Self.check(scopes) }
        let domain = try draft.domain ?? principal.requireDomain()
        guard try await store.rights(of: principal.user, in: domain) != nil else { throw Domains.notFound }
        let secret = draft.kind.generate()
        let now = clock.now()
        let key = APIKey(
            id: KeyID.new(), kind: draft.kind, user: principal.user, domain: domain, name: draft.name,
            note: draft.note, hint: Self.hint(secret), scopes: draft.scopes, createdAt: now, updatedAt: now,
            expiresAt: try Self.expiry(draft.lifetimeSeconds, now: now))
        try await store.insert(key, hash: SecretKey.hash(secret))
        return Issued(key: key, secret: secret)
    }

    func list(_ kind: KeyToken, page: PageRequest, as principal: Principal) async throws -> ListPage<APIKey> {
        try await store.keys(kind, of: principal.user, page: page)
    }

    func key(_ id: KeyID, _ kind: KeyToken, as principal: Principal) async throws -> APIKey {
        guard let key = try await store.key(id, kind, of: principal.user) else { throw Self.notFound }
        return key
    }

    func rename(
        _ id: KeyID, _ kind: KeyToken, name: String? = nil, note: String? = nil, as principal: Principal
    ) async throws -> APIKey {
        if let name { try EntityRules.checkName(name) }
        if let note { try EntityRules.checkName(note) }
        return try await change(id, kind, as: principal) { key in
            if let name { key.name = name }
            if let note { key.note = note }
        }
    }

    /// Makes a new secret for a key; the old one is good for nothing any more, a revoked key is good again.
    func resetSecret(
        _ id: KeyID, _ kind: KeyToken, lifetimeSeconds: Int64?, as principal: Principal
    ) async throws -> Issued {
        let secret = kind.generate()
        let expiresAt = try Self.expiry(lifetimeSeconds, now: clock.now())
        let key = try await change(id, kind, hash: SecretKey.hash(secret), as: principal) { key in
            key.hint = Self.hint(secret)
            key.expiresAt = expiresAt
            key.revokedAt = nil
        }
        return Issued(key: key, secret: secret)
    }

    /// Makes a key good for nothing; it stays in the list.
    func revoke(_ id: KeyID, _ kind: KeyToken, as principal: Principal) async throws -> APIKey {
        let now = clock.now()
        return try await change(id, kind, as: principal) { key in key.revokedAt = key.revokedAt ?? now }
    }

    func setScopes(
        _ id: KeyID, _ kind: KeyToken, as principal: Principal,
        revise: @Sendable ([Action: Set<String>]) throws -> [Action: Set<String>]
    ) async throws -> APIKey {
        try await change(id, kind, as: principal) { key in
            let scopes = Grants(scopes: try revise(key.scopes?.scopes ?? [:]))
            try Self.check(scopes)
            key.scopes = scopes
        }
    }

    func remove(_ id: KeyID, _ kind: KeyToken, as principal: Principal) async throws {
        guard try await store.removeKey(id, kind, of: principal.user, now: clock.now()) else { throw Self.notFound }
    }

    func removeAll(_ kind: KeyToken, as principal: Principal) async throws {
        try await store.removeKeys(kind, of: principal.user, now: clock.now())
    }

    private func change(
        _ id: KeyID, _ kind: KeyToken, hash: String? = nil, as principal: Principal,
        _ body: (inout APIKey) throws -> Void
    ) async throws -> APIKey {
        let key = try await store.update(id, kind, of: principal.user, hash: hash, now: clock.now(), revise: body)
        guard let key else { throw Self.notFound }
        return key
    }

    private static func hint(_ secret: String) -> String { String(secret.suffix(APIKey.hintCharacters)) }

    private static func expiry(_ seconds: Int64?, now: Int64) throws(ServiceError) -> Int64? {
        guard let seconds else { return nil }
        guard APIKey.lifetimeSeconds.contains(seconds) else {
            throw ServiceError(
                .malformed, reason: "invalid-duration",
                "a key lives a second to ten years, or without 'duration' for ever")
        }
        return now + seconds * 1_000_000_000
    }

    private static func check(_ scopes: Grants) throws(ServiceError) {
        for (action, entities) in scopes.scopes {
            guard Action.catalogue.contains(action) else {
                throw ServiceError(
                    .malformed, reason: "unknown-action",
                    "'\(action.rawValue.prefix(64))' is no action: GET /domains/roles/available-actions lists them")
            }
            guard entities.count <= APIKey.maximumEntities,
                entities.allSatisfy({ $0 == Grants.everything || EventID($0) != nil })
            else {
                throw ServiceError(
                    .malformed, reason: "invalid-scope",
                    "a scope names at most \(APIKey.maximumEntities) entities by their UUIDs, or \"*\" for all")
            }
        }
    }

    static let notFound = ServiceError(.notFound, reason: "unknown-key", "there is no such key of yours")
}
