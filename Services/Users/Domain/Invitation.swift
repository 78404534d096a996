// SPDX-License-Identifier: Apache-2.0
import Core
import Identity

/// An offer to become a member of a domain with a role. It is gone once it was accepted.
struct Invitation: Sendable, Equatable {
    /// Whom it is for.
    enum Invitee: Sendable, Equatable {
        case user(UserID)
        /// By what the person logs in with, or a mail address. Who that is, and whether there is such a user, the inviter does not learn.
        case identity(String)

        /// Whom an event may name: who reads a domain's events must not learn more than who invited.
        var announcedUser: UserID? {
            guard case .user(let user) = self else { return nil }
            return user
        }
    }

    var id: InvitationID
    var domain: DomainID
    var domainName: String
    var invitee: Invitee
    var role: RoleReference
    var invitedBy: UserID
    /// Nanoseconds since 1970.
    var createdAt: Int64
    var expiresAt: Int64
    var rejectedAt: Int64?

    static let maximumPerDomain: Int64 = 1_000
    static let standardLifetimeSeconds: Int64 = 7 * 86_400
    static let lifetimeSeconds: ClosedRange<Int64> = 60...(90 * 86_400)
    /// By one user, and to one identity: an invitation may be a mail to anybody.
    static let perInviterPerHour = 30
    static let perInviteePerHour = 5
}

typealias InvitationID = Identifier<Invitation>

/// Which of the invitations that a user has is meant.
enum InvitationReference: Sendable, Equatable {
    case id(InvitationID)
    case domain(DomainID)
    /// The token of a mail: good for whoever has it and logs in, when nobody of the identity was there at the time.
    case token(String)
}
