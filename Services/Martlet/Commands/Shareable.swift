// SPDX-License-Identifier: Apache-2.0
import ArgumentParser

/// What people can be given a role on, beside the domain.
protocol Shareable: Sendable {
    static var noun: String { get }
    static var argumentHelp: String { get }
    /// The last words of the paths that give a role and take it.
    static var verbs: (give: String, take: String) { get }

    /// The entity's own path.
    static func path(_ text: String, _ context: CommandContext) async throws -> String
}

enum SharedGroup: Shareable {
    static let noun = "group"
    static let argumentHelp = "Identifier, name, or names down to it."
    static let verbs = (give: "users/assign", take: "users/unassign")

    static func path(_ text: String, _ context: CommandContext) async throws -> String {
        "/groups/\(try await context.group(text))"
    }
}

enum SharedThing: Shareable {
    static let noun = "thing"
    static let argumentHelp = "Identifier or name."
    static let verbs = (give: "share", take: "unshare")

    static func path(_ text: String, _ context: CommandContext) async throws -> String {
        "/things/\(try await context.thing(text))"
    }
}

enum SharedChannel: Shareable {
    static let noun = "channel"
    static let argumentHelp = "Identifier, route or name."
    static let verbs = (give: "users/assign", take: "users/unassign")

    static func path(_ text: String, _ context: CommandContext) async throws -> String {
        "/channels/\(try await context.channel(text))"
    }
}

/// What a role on a group, a thing or a channel allows: seeing it, changing it, giving such roles.
enum SharedRole: String, ExpressibleByArgument, CaseIterable, Sendable {
    case viewer
    case editor
    case administrator
}

/// An entity, and the people whose role on it is given or taken.
struct SharingOptions<Subject: Shareable>: ParsableArguments {
    @Argument(help: ArgumentHelp("\(Subject.argumentHelp)", valueName: Subject.noun)) var subject: String
    @Argument(help: ArgumentHelp("What they log in with, their names or identifiers.", valueName: "user"))
    var users: [String]

    func send(_ verb: String, _ role: SharedRole?, _ what: String, _ context: CommandContext) async throws {
        let path = try await Subject.path(subject, context)
        let members = try await context.members(users, of: context.currentDomain())
        let body = JSONValue.document([
            ("user_ids", .strings(members)), ("relation", role.map { .string($0.rawValue) }),
        ])
        try await context.person(APIRequest(.post, "\(path)/\(verb)", json: body))
        context.confirm(what, users.joined(separator: ", "))
    }
}

/// `share` of groups, things and channels.
struct Share<Subject: Shareable>: ClientCommand {
    static var configuration: CommandConfiguration {
        CommandConfiguration(
            commandName: "share",
            abstract: "Give members a role on a \(Subject.noun), in place of the one they have there.")
    }
    @OptionGroup var sharing: SharingOptions<Subject>
    @Option(help: "What they may: see it, change it, or give such roles.") var role: SharedRole
    @OptionGroup var options: GlobalOptions

    func execute(_ context: CommandContext) async throws {
        try await sharing.send(Subject.verbs.give, role, "Shared with", context)
    }
}

/// `unshare` of groups, things and channels.
struct Unshare<Subject: Shareable>: ClientCommand {
    static var configuration: CommandConfiguration {
        CommandConfiguration(commandName: "unshare", abstract: "Take members' roles on a \(Subject.noun).")
    }
    @OptionGroup var sharing: SharingOptions<Subject>
    @OptionGroup var options: GlobalOptions

    func execute(_ context: CommandContext) async throws {
        try await sharing.send(Subject.verbs.take, nil, "No longer shared with", context)
    }
}

/// `shares` of groups, things and channels.
struct Shares<Subject: Shareable>: ClientCommand {
    static var configuration: CommandConfiguration {
        CommandConfiguration(
            commandName: "shares", abstract: "Who was given which role on a \(Subject.noun) itself, not above it.")
    }
    @Argument(help: ArgumentHelp("\(Subject.argumentHelp)", valueName: Subject.noun)) var subject: String
    @OptionGroup var options: GlobalOptions

    func execute(_ context: CommandContext) async throws {
        let shares = try await context.person(APIRequest(.get, "\(Subject.path(subject, context))/users")).json()
        let isShown = !context.console.isJSON && shares["users"]?.elements?.isEmpty == false
        let identities = isShown ? try await context.memberIdentities(of: context.currentDomain()) : [:]
        let identity = EntityColumn("IDENTITY", isFlexible: true) { share in
            Table.Cell(share["user_id"]?.text.flatMap { identities[$0] })
        }
        context.show(
            shares, "users",
            [
                EntityColumn("USER", "user_id"), identity, EntityColumn("ROLE", "relation"),
                EntityColumn("SINCE", "created_at"),
            ])
    }
}
