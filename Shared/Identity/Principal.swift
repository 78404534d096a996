// SPDX-License-Identifier: Apache-2.0
import Core

/// A person, as an access token proved: who, in which session, acting in which domain, with which role there.
public struct Principal: Sendable, Equatable {
    public let user: UserID
    public let session: SessionID
    /// nil: a token that is good for no domain (the user has none any more).
    public let domain: DomainID?
    public let role: Role
    /// May administrate the whole installation, not one domain only.
    public let isPlatformAdmin: Bool

    public init(user: UserID, session: SessionID, domain: DomainID?, role: Role, isPlatformAdmin: Bool = false) {
        self.user = user
        self.session = session
        self.domain = domain
        self.role = role
        self.isPlatformAdmin = isPlatformAdmin
    }

    /// The domain that the token acts in.
    /// - Throws: `forbidden` when it acts in none.
    public func requireDomain() throws(ServiceError) -> DomainID {
        guard let domain else {
            throw ServiceError(
                .forbidden, reason: "no-domain", "this token acts in no domain: ask for one with a domain_id")
        }
        return domain
    }

    /// - Throws: `forbidden` when the role in the domain is less than `least`.
    public func require(_ least: Role) throws(ServiceError) {
        guard role >= least else {
            throw ServiceError(
                .forbidden, reason: "role-too-low",
                "this needs the role \(least.rawValue) in the domain, and the token has \(role.rawValue)")
        }
    }
}

/// What a person may do in a domain; each role includes those before it.
public enum Role: String, Codable, Sendable, CaseIterable, Comparable {
    /// Not a member: nothing.
    case none
    /// Reads.
    case viewer
    /// Creates and changes things and channels.
    case editor
    /// Also changes the domain and its members. The owner of a domain has this role.
    case admin

    private var rank: Int {
        switch self {
        case .none: 0
        case .viewer: 1
        case .editor: 2
        case .admin: 3
        }
    }

    public static func < (left: Role, right: Role) -> Bool { left.rank < right.rank }
}

/// Turns an access token into the person that it proves.
public protocol AccessTokenVerifier: Sendable {
    /// - Throws: `unauthenticated` when the token is not good (any more), `unavailable` when that cannot be decided now.
    func verify(_ token: String) async throws(ServiceError) -> Principal
}
