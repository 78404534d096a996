// SPDX-License-Identifier: Apache-2.0
import ArgumentParser

/// `martlet members`
struct MembersCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "members", abstract: "Who belongs to a domain, and in which roles.",
        discussion: """
              martlet members assign bob@example.com --role editor
              martlet members assign bob@example.com --role night-shift
              martlet members take bob@example.com --role night-shift
              martlet members remove bob@example.com

            A member has one built-in role or none, and any of the domain's own (martlet roles) beside it. When a role is taken or exchanged, the member's \
            sessions in the domain end. Who is not a member yet is invited: martlet invitations send.
            """,
        subcommands: [List.self, Assign.self, Take.self, Remove.self], defaultSubcommand: List.self)

    struct List: ClientCommand {
        static let configuration = CommandConfiguration(commandName: "list", abstract: "The domain's members.")
        @Option(help: ArgumentHelp("Only those whose name or identity contains this.", valueName: "text"))
        var name: String?
        @Option(
            help: ArgumentHelp(
                "Only those with this built-in role of their own: none, viewer, editor, admin.", valueName: "role"))
        var role: String?
        @OptionGroup var domain: DomainOptions
        @OptionGroup var page: PageOptions
        @OptionGroup var options: GlobalOptions

        func execute(_ context: CommandContext) async throws {
            let domain = try await domain.identifier(context)
            let members = try await page.load(
                "/domains/\(domain)/users", "users", filters: [("name", name), ("role", role)], context)
            let roles = try await EntityColumn.roles(of: domain, in: members["users"], context)
            context.show(members, "users", [.identifier, .identity, .name, roles, .status])
        }
    }

    struct Assign: ClientCommand {
        static let configuration = CommandConfiguration(
            commandName: "assign",
            abstract: "Give people a role: a built-in one in place of theirs, one of the domain's own beside it.")
        @OptionGroup var people: PeopleOptions
        @Option(help: ArgumentHelp("viewer, editor, admin, or one of the domain's own.", valueName: "role"))
        var role: String
        @OptionGroup var options: GlobalOptions

        func execute(_ context: CommandContext) async throws {
            let domain = try await people.domain.identifier(context)
            let role = try await context.role(role, of: domain)
            var users: [String] = []
            for text in people.users { users.append(try await context.user(text, orMemberOf: domain)) }
            let body = JSONValue.document([("user_ids", .strings(users)), role.member])
            try await context.person(APIRequest(.post, "/domains/\(domain)/users/assign", json: body))
            people.confirm("Assigned", context)
        }
    }

    struct Take: ClientCommand {
        static let configuration = CommandConfiguration(
            commandName: "take", abstract: "Take one of the domain's own roles from members.",
            discussion: "A built-in role is exchanged for another one (assign), or goes with the membership (remove).")
        @OptionGroup var people: PeopleOptions
        @Option(help: ArgumentHelp("The role: identifier or name.", valueName: "role")) var role: String
        @OptionGroup var options: GlobalOptions

        func execute(_ context: CommandContext) async throws {
            let domain = try await people.domain.identifier(context)
            let role = try await context.customRole(role, of: domain)
            let body = try await people.body(context, domain)
            let path = "/domains/\(domain)/roles/\(role)/members/delete"
            try await context.person(APIRequest(.post, path, json: body))
            people.confirm("Taken from", context)
        }
    }

    struct Remove: ClientCommand {
        static let configuration = CommandConfiguration(
            commandName: "remove", abstract: "Take people out of the domain; all that they were given there ends.")
        @OptionGroup var people: PeopleOptions
        @OptionGroup var options: GlobalOptions

        func execute(_ context: CommandContext) async throws {
            let domain = try await people.domain.identifier(context)
            let body = try await people.body(context, domain)
            try await context.person(APIRequest(.post, "/domains/\(domain)/users/unassign", json: body))
            people.confirm("Removed", context)
        }
    }
}

/// Some of a domain's people.
struct PeopleOptions: ParsableArguments {
    @Argument(help: ArgumentHelp("What they log in with, their names or identifiers.", valueName: "user"))
    var users: [String]
    @OptionGroup var domain: DomainOptions

    /// `user_ids` of members.
    func body(_ context: CommandContext, _ domain: String) async throws -> JSONValue {
        .document([("user_ids", .strings(try await context.members(users, of: domain)))])
    }

    func confirm(_ what: String, _ context: CommandContext) { context.confirm(what, users.joined(separator: ", ")) }
}
