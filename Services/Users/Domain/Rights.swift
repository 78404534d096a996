// SPDX-License-Identifier: Apache-2.0
import Core
import HTTPKit
import Identity

/// What a member may do in a domain: a built-in role, own or by a group, and the actions of custom roles, own or by a group.
struct Rights: Sendable, Equatable {
    /// The highest built-in role.
    var role: Role
    /// All actions, those of the built-in role among them.
    var actions: Set<Action>

    /// - Parameter custom: what custom roles add.
    init(role: Role, custom: Set<Action> = []) {
        let actions = role.actions.union(custom)
        self.actions = actions
        self.role = max(role, Role.implied(by: actions))
    }

    func allows(_ action: Action) -> Bool { role.allows(action) || actions.contains(action) }

    /// nil where the role says it all.
    var grants: Grants? { actions == role.actions ? nil : Grants(actions) }

    /// Whether nothing that the other may do is missing: nobody gives away, or takes away, what the giver has not.
    func covers(_ other: Set<Action>) -> Bool { other.isSubset(of: actions) }
}

/// A member's rights with what they hang on.
struct MemberRights: Sendable {
    var rights: Rights
    var status: Tenant.Status
    /// Counts the changes of rights in the domain.
    var version: Int64
}

/// A role of a domain's own.
struct CustomRole: Sendable, Equatable {
    var id: RoleID
    var domain: DomainID
    var name: String
    var actions: Set<Action>
    var createdBy: UserID
    /// Nanoseconds since 1970.
    var createdAt: Int64
    var updatedAt: Int64

    /// A domain's custom roles: more are a mistake.
    static let maximumPerDomain: Int64 = 100
}

typealias RoleID = Identifier<CustomRole>

/// A group of a domain's members. What roles it has its members have.
struct UserGroup: Sendable, Equatable {
    var id: GroupID
    var domain: DomainID
    var name: String
    var metadata: JSONValue
    /// Built-in; ``Role/none`` for none.
    var role: Role
    /// Custom roles.
    var roles: [RoleID]
    var createdBy: UserID
    /// Nanoseconds since 1970.
    var createdAt: Int64
    var updatedAt: Int64

    static let maximumPerDomain: Int64 = 1_000
}

typealias GroupID = Identifier<UserGroup>

/// What is given to a member: a built-in role, or a custom one.
enum RoleReference: Sendable, Equatable {
    case builtIn(Role)
    case custom(RoleID)

    /// v0.14 says administrator and member.
    init?(_ text: String) {
        switch text {
        case "admin", "administrator", "owner": self = .builtIn(.admin)
        case "editor": self = .builtIn(.editor)
        case "viewer", "member": self = .builtIn(.viewer)
        default:
            guard let id = RoleID(text) else { return nil }
            self = .custom(id)
        }
    }
}

/// A member of a domain, a role or a group, as lists show it.
struct Member: Sendable, Equatable {
    var user: UserID
    var name: String
    var identity: String
    var status: User.Status
    /// The member's own built-in role, without groups.
    var role: Role
    /// The member's own custom roles.
    var roles: [RoleID]
}
