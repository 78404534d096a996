// SPDX-License-Identifier: Apache-2.0
import Core

/// A person, as an access token or a key proved: who, in which session, acting in which domain, with which rights there.
public struct Principal: Sendable, Equatable {
    public enum Credential: Sendable, Equatable {
        /// An access token of somebody who logged in.
        case session
        /// A key for programs: never good for what decides who gets in.
        case key
    }

    public let user: UserID
    /// For a key: the key's identifier.
    public let session: SessionID
    /// nil: a token that is good for no domain (the user has none any more).
    public let domain: DomainID?
    /// With ``grants``: the highest role that they include, so that who only asks for roles never grants too much.
    public let role: Role
    /// May administrate the whole installation, not one domain only.
    public let isPlatformAdmin: Bool
    /// What the person may do in the domain; nil: what the role may.
    public let grants: Grants?
    public let credential: Credential

    public init(
        user: UserID, session: SessionID, domain: DomainID?, role: Role, isPlatformAdmin: Bool = false,
        grants: Grants? = nil, credential: Credential = .session
    ) {
        self.user = user
        self.session = session
        self.domain = domain
        self.role = role
        self.isPlatformAdmin = isPlatformAdmin
        self.grants = grants
        self.credential = credential
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

    /// Whether an action is allowed in the token's domain.
    /// - Parameter entity: the identifier of what it is about; nil: something that is no single entity (a list, a creation).
    public func allows(_ action: Action, on entity: String? = nil) -> Bool {
        grants?.allow(action, on: entity) ?? role.allows(action)
    }

    /// - Throws: `forbidden` when the action is not allowed in the token's domain.
    public func require(_ action: Action, on entity: String? = nil) throws(ServiceError) {
        guard allows(action, on: entity) else {
            throw ServiceError(
                .forbidden, reason: "action-not-granted",
                "this needs \(action) in the domain, which the token does not have here")
        }
    }

    /// - Throws: `forbidden` for a key: some things are for who has logged in.
    public func requireSession() throws(ServiceError) {
        guard credential == .session else {
            throw ServiceError(
                .forbidden, reason: "login-needed", "a key is not good for this: log in and use the access token")
        }
    }

    /// The same person with the role that `action` needs, once the action was allowed: for handlers that ask for roles.
    public func admitted(to action: Action) -> Principal {
        Principal(
            user: user, session: session, domain: domain, role: max(role, action.leastRole),
            isPlatformAdmin: isPlatformAdmin, grants: grants, credential: credential)
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
