// SPDX-License-Identifier: Apache-2.0
import Core
import Identity

/// A key for programs, as it is kept: what it is good for, and the hash of its secret.
struct APIKey: Sendable, Equatable {
    var id: KeyID
    var kind: KeyToken
    var user: UserID
    var domain: DomainID
    var name: String
    var note: String
    /// The last characters of the secret, by which its owner tells keys apart.
    var hint: String
    /// nil: everything that its user may do in the domain.
    var scopes: Grants?
    /// Nanoseconds since 1970.
    var createdAt: Int64
    var updatedAt: Int64
    /// nil: does not end by itself.
    var expiresAt: Int64?
    /// To the minute.
    var lastUsedAt: Int64?
    var revokedAt: Int64?

    /// Keys that one user has, revoked ones included until they are removed.
    static let maximumPerUser: Int64 = 200
    /// Identifiers in one scope: all scopes of a key together stay below 50 KiB.
    static let maximumEntities = 50
    static let hintCharacters = 4
    static let lifetimeSeconds: ClosedRange<Int64> = 1...315_360_000
}

typealias KeyID = Identifier<APIKey>
