// SPDX-License-Identifier: Apache-2.0
import Core

/// A key for programs, which stands where an access token stands: `Authorization: Bearer martlet_pat_…`.
///
/// Its beginning says what it is, so that whoever finds one in a log or a repository knows what to revoke.
public enum KeyToken: String, Sendable, CaseIterable {
    /// With all rights of its user in one domain, as Mainflux's API keys.
    case key = "martlet_key_"
    /// With the scopes that it was given.
    case personal = "martlet_pat_"

    private static let secretCharacters = 43

    /// A new key of this kind.
    public func generate() -> String { rawValue + SecretKey.generate() }

    /// Whether a bearer's token is a key and no access token, by its form.
    public static func isKey(_ token: String) -> Bool { token.hasPrefix("martlet_") }

    /// Whether it can be one that was ever given out.
    public static func isWellFormed(_ token: String) -> Bool {
        guard let kind = allCases.first(where: { token.hasPrefix($0.rawValue) }) else { return false }
        return token.utf8.count == kind.rawValue.utf8.count + secretCharacters
    }
}

/// What `users` answers when it is asked whose key this is (`rpc.users.identify-key`).
public enum KeyIdentification {
    /// The key itself never travels: its SHA-256 does.
    public struct Request: Codable, Sendable, Equatable {
        /// ``SecretKey/hash(_:)`` of the whole key.
        public var keyHash: String

        public init(keyHash: String) { self.keyHash = keyHash }
    }

    public struct Response: Codable, Sendable, Equatable {
        /// nil: there is no such key (any more), or its user or domain is switched off.
        public var key: Key?

        public init(key: Key?) { self.key = key }
    }

    /// A key that is good, with the rights that it has now.
    public struct Key: Codable, Sendable, Equatable {
        public var id: SessionID
        public var user: UserID
        public var domain: DomainID
        public var role: Role
        public var grants: Grants?
        /// Nanoseconds since 1970; nil: it does not end by itself.
        public var expiresAt: Int64?

        public init(
            id: SessionID, user: UserID, domain: DomainID, role: Role, grants: Grants?, expiresAt: Int64?
        ) {
            self.id = id
            self.user = user
            self.domain = domain
            self.role = role
            self.grants = grants
            self.expiresAt = expiresAt
        }

        public var principal: Principal {
            Principal(user: user, session: id, domain: domain, role: role, grants: grants, credential: .key)
        }
    }
}

extension ServiceError {
    /// A key that is good for nothing: made up, revoked, too old.
    public static let invalidKey = ServiceError(
        .unauthenticated, reason: "invalid-key", "the key is not valid: it was revoked, has expired, or never was one")
}
