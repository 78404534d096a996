// SPDX-License-Identifier: Apache-2.0
import ArgumentParser

/// `martlet user-groups`
struct UserGroupsCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "user-groups", abstract: "Groups of a domain's members, and the roles that these have by them.",
        discussion: """
              martlet user-groups create fitters
              martlet user-groups add fitters bob@example.com eve@example.com
              martlet user-groups set-roles fitters viewer night-shift

            (Groups of things are martlet groups.)
            """,
        subcommands: [
            List.self, View.self, Create.self, Update.self, Delete.self, Members.self, Add.self, Remove.self,
            SetRoles.self,
        ], defaultSubcommand: List.self)

    struct List: ClientCommand {
        static let configuration = CommandConfiguration(
            commandName: "list", abstract: "The domain's groups of members.")
        @Option(help: ArgumentHelp("Only those whose name contains this.", valueName: "text")) var name: String?
        @OptionGroup var domain: DomainOptions
        @OptionGroup var page: PageOptions
        @OptionGroup var options: GlobalOptions

        func execute(_ context: CommandContext) async throws {
            let domain = try await domain.identifier(context)
            let groups = try await page.load(
                "/domains/\(domain)/groups", "groups", filters: [("name", name)], context)
            let roles = try await EntityColumn.roles(of: domain, in: groups["groups"], context)
            context.show(groups, "groups", [.identifier, .name, roles])
        }
    }

    struct View: ClientCommand {
        static let configuration = CommandConfiguration(commandName: "view", abstract: "One group.")
        @OptionGroup var named: UserGroupOptions
        @OptionGroup var options: GlobalOptions

        func execute(_ context: CommandContext) async throws {
            try await context.show(answerTo: APIRequest(.get, named.place(context).path))
        }
    }

    struct Create: ClientCommand {
        static let configuration = CommandConfiguration(commandName: "create", abstract: "Make a group.")
        @Argument var name: String
        @OptionGroup var metadata: MetadataOption
        @OptionGroup var domain: DomainOptions
        @OptionGroup var options: GlobalOptions

        func execute(_ context: CommandContext) async throws {
            let body = JSONValue.document([("name", .string(name)), try metadata.member()])
            let path = "/domains/\(try await domain.identifier(context))/groups"
            try await context.show(answerTo: APIRequest(.post, path, json: body))
        }
    }

    struct Update: ClientCommand {
        static let configuration = CommandConfiguration(
            commandName: "update", abstract: "Change what is named, leave the rest.")
        @OptionGroup var named: UserGroupOptions
        @Option(help: ArgumentHelp("The new name.", valueName: "name")) var name: String?
        @OptionGroup var metadata: MetadataOption
        @OptionGroup var options: GlobalOptions

        func execute(_ context: CommandContext) async throws {
            let body = JSONValue.document([("name", name.map(JSONValue.string)), try metadata.member()])
            try await context.show(answerTo: APIRequest(.patch, named.place(context).path, json: body))
        }
    }

    struct Delete: ClientCommand {
        static let configuration = CommandConfiguration(
            commandName: "delete", abstract: "Remove a group; its members stay, without the roles that they had by it.")
        @OptionGroup var named: UserGroupOptions
        @OptionGroup var options: GlobalOptions

        func execute(_ context: CommandContext) async throws {
            try await context.person(APIRequest(.delete, named.place(context).path))
            context.confirm("Removed", named.group)
        }
    }

    struct Members: ClientCommand {
        static let configuration = CommandConfiguration(commandName: "members", abstract: "Who is in a group.")
        @OptionGroup var named: UserGroupOptions
        @OptionGroup var page: PageOptions
        @OptionGroup var options: GlobalOptions

        func execute(_ context: CommandContext) async throws {
            context.show(
                try await page.load("\(named.place(context).path)/users", "users", context), "users",
                [.identifier, .identity, .name, .status])
        }
    }

    struct Add: ClientCommand {
        static let configuration = CommandConfiguration(
            commandName: "add", abstract: "Put members of the domain into a group.")
        @OptionGroup var change: UserGroupChange
        @OptionGroup var options: GlobalOptions

        func execute(_ context: CommandContext) async throws { try await change.send("assign", "Added", context) }
    }

    struct Remove: ClientCommand {
        static let configuration = CommandConfiguration(
            commandName: "remove", abstract: "Take members out of a group; the roles that they had by it end.")
        @OptionGroup var change: UserGroupChange
        @OptionGroup var options: GlobalOptions

        func execute(_ context: CommandContext) async throws { try await change.send("unassign", "Removed", context) }
    }

    struct SetRoles: ClientCommand {
        static let configuration = CommandConfiguration(
            commandName: "set-roles", abstract: "Say which roles a group's members have by it; those not named end.")
        @OptionGroup var named: UserGroupOptions
        @Argument(
            help: ArgumentHelp(
                "viewer, editor or admin, and any of the domain's own by identifier or name.", valueName: "role"))
        var roles: [String] = []
        @Flag(help: "No role at all.") var none = false
        @OptionGroup var options: GlobalOptions

        func validate() throws {
            guard none == roles.isEmpty else { throw ValidationError("Name roles, or say --none.") }
            guard roles.count(where: DomainRole.builtInNames.contains) <= 1 else {
                throw ValidationError("One built-in role at most: each holds all that is below it.")
            }
        }

        func execute(_ context: CommandContext) async throws {
            let (path, domain) = try await named.place(context)
            var builtIn: String?
            var own: [String] = []
            for role in roles {
                switch try await context.role(role, of: domain) {
                case .builtIn(let name): builtIn = name
                case .custom(let identifier): own.append(identifier)
                }
            }
            let body = JSONValue.document([("role", builtIn.map(JSONValue.string)), ("role_ids", .strings(own))])
            try await context.show(answerTo: APIRequest(.put, "\(path)/roles", json: body))
        }
    }
}

/// A group of users.
struct UserGroupOptions: ParsableArguments {
    @Argument(help: "Identifier or name of the group.") var group: String
    @OptionGroup var domain: DomainOptions

    func place(_ context: CommandContext) async throws -> (path: String, domain: String) {
        let domain = try await domain.identifier(context)
        return ("/domains/\(domain)/groups/\(try await context.userGroup(group, of: domain))", domain)
    }
}

/// A group of users, and members that come or go.
struct UserGroupChange: ParsableArguments {
    @OptionGroup var named: UserGroupOptions
    @Argument(help: ArgumentHelp("What they log in with, their names or identifiers.", valueName: "user"))
    var users: [String]

    func send(_ verb: String, _ what: String, _ context: CommandContext) async throws {
        let (path, domain) = try await named.place(context)
        let body = JSONValue.document([("user_ids", .strings(try await context.members(users, of: domain)))])
        try await context.person(APIRequest(.post, "\(path)/users/\(verb)", json: body))
        context.confirm(what, users.joined(separator: ", "))
    }
}
