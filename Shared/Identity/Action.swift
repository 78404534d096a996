// SPDX-License-Identifier: Apache-2.0

/// A named action, `<resource>:<verb>`: what roles are made of and what keys are limited to.
///
/// The verb says which built-in role has it: `read` a viewer, `write` an editor, any other an administrator. So an action that is not in
/// ``catalogue`` yet has a meaning, too, and a service may name its own.
public struct Action: RawRepresentable, Hashable, Sendable, Comparable, CustomStringConvertible {
    public let rawValue: String

    public init(rawValue: String) { self.rawValue = rawValue }

    /// What reading or changing a resource is called.
    public init(_ resource: String, isRead: Bool) { rawValue = isRead ? "\(resource):read" : "\(resource):write" }

    public var description: String { rawValue }

    public static func < (left: Action, right: Action) -> Bool { left.rawValue < right.rawValue }

    /// The least built-in role that has it.
    public var leastRole: Role {
        if rawValue.hasSuffix(":read") { return .viewer }
        return rawValue.hasSuffix(":write") ? .editor : .admin
    }

    public static let thingsRead = Action(rawValue: "things:read")
    public static let thingsWrite = Action(rawValue: "things:write")
    public static let channelsRead = Action(rawValue: "channels:read")
    public static let channelsWrite = Action(rawValue: "channels:write")
    public static let connectionsRead = Action(rawValue: "connections:read")
    public static let connectionsWrite = Action(rawValue: "connections:write")
    /// Groups of things.
    public static let groupsRead = Action(rawValue: "groups:read")
    public static let groupsWrite = Action(rawValue: "groups:write")
    public static let messagesRead = Action(rawValue: "messages:read")
    public static let messagesWrite = Action(rawValue: "messages:write")
    public static let twinsRead = Action(rawValue: "twins:read")
    public static let twinsWrite = Action(rawValue: "twins:write")
    public static let bootstrapRead = Action(rawValue: "bootstrap:read")
    public static let bootstrapWrite = Action(rawValue: "bootstrap:write")
    public static let certsRead = Action(rawValue: "certs:read")
    public static let certsWrite = Action(rawValue: "certs:write")
    /// The domain itself, its roles and its groups of users.
    public static let domainRead = Action(rawValue: "domain:read")
    /// Changing the domain and its roles.
    public static let domainManage = Action(rawValue: "domain:manage")
    /// Who the members are.
    public static let usersRead = Action(rawValue: "users:read")
    /// Members, invitations and groups of users.
    public static let usersManage = Action(rawValue: "users:manage")

    /// Reading who did what in the domain.
    public static let journalAudit = Action(rawValue: "journal:audit")

    /// Every action that a custom role or a key can be made of.
    public static let catalogue: [Action] = [
        thingsRead, thingsWrite, channelsRead, channelsWrite, connectionsRead, connectionsWrite, groupsRead,
        groupsWrite,
        messagesRead, messagesWrite, twinsRead, twinsWrite, bootstrapRead, bootstrapWrite, certsRead, certsWrite,
        domainRead, domainManage, usersRead, usersManage, journalAudit,
    ]
}

extension Action: Codable {
    public init(from decoder: any Decoder) throws {
        rawValue = try decoder.singleValueContainer().decode(String.self)
    }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(rawValue)
    }
}

extension Role {
    /// Whether the role has the action.
    public func allows(_ action: Action) -> Bool { self >= action.leastRole }

    /// All of the catalogue that the role has.
    public var actions: Set<Action> { Set(Action.catalogue.filter(allows)) }

    /// The highest role of whose actions none is missing: what services that only know roles may take for granted.
    public static func implied(by actions: Set<Action>) -> Role {
        Role.allCases.reversed().first { $0 != .none && $0.actions.isSubset(of: actions) } ?? .none
    }
}
