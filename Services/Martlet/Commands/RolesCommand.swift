// SPDX-License-Identifier: Apache-2.0
import ArgumentParser

/// `martlet roles`
struct RolesCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "roles", abstract: "A domain's own roles, made of named actions.",
        discussion: """
              martlet roles actions
              martlet roles create night-shift --action things:read --action messages:read
              martlet roles update night-shift --add channels:read
              martlet members assign bob@example.com --role night-shift

            They add to the built-in roles (viewer, editor, admin); a member may have only them. Nobody gives, takes or changes what is more than their own \
            rights. When a role is made less, the sessions of those who have it end; what it is given is in their next token.
            """,
        subcommands: [
            List.self, View.self, Create.self, Update.self, Delete.self, Members.self, Actions.self,
        ], defaultSubcommand: List.self)

    private static let actions = EntityColumn("ACTIONS", isFlexible: true) { role in
        Table.Cell((role["actions"]?.elements ?? []).compactMap(\.text).joined(separator: ", "))
    }

    struct List: ClientCommand {
        static let configuration = CommandConfiguration(commandName: "list", abstract: "The domain's own roles.")
        @OptionGroup var domain: DomainOptions
        @OptionGroup var page: PageOptions
        @OptionGroup var options: GlobalOptions

        func execute(_ context: CommandContext) async throws {
            let path = "/domains/\(try await domain.identifier(context))/roles"
            context.show(try await page.load(path, "roles", context), "roles", [.identifier, .name, actions])
        }
    }

    struct View: ClientCommand {
        static let configuration = CommandConfiguration(commandName: "view", abstract: "One role.")
        @OptionGroup var named: RoleOptions
        @OptionGroup var options: GlobalOptions

        func execute(_ context: CommandContext) async throws {
            try await context.show(answerTo: APIRequest(.get, named.path(context)))
        }
    }

    struct Create: ClientCommand {
        static let configuration = CommandConfiguration(
            commandName: "create", abstract: "Make a role of named actions.")
        @Argument var name: String
        @Option(
            name: .customLong("action"),
            help: ArgumentHelp("What it may do (martlet roles actions); may be repeated.", valueName: "action"))
        var actions: [String] = []
        @OptionGroup var domain: DomainOptions
        @OptionGroup var options: GlobalOptions

        func validate() throws {
            guard !actions.isEmpty else { throw ValidationError("Say what it may do: --action.") }
        }

        func execute(_ context: CommandContext) async throws {
            let path = "/domains/\(try await domain.identifier(context))/roles"
            let body = JSONValue.document([("name", .string(name)), ("actions", .strings(actions))])
            try await context.show(answerTo: APIRequest(.post, path, json: body))
        }
    }

    struct Update: ClientCommand {
        static let configuration = CommandConfiguration(
            commandName: "update", abstract: "Rename a role, let it do more or less.")
        @OptionGroup var named: RoleOptions
        @Option(help: ArgumentHelp("The new name.", valueName: "name")) var name: String?
        @Option(help: ArgumentHelp("An action more; may be repeated.", valueName: "action")) var add: [String] = []
        @Option(help: ArgumentHelp("An action less; may be repeated.", valueName: "action")) var remove: [String] = []
        @OptionGroup var options: GlobalOptions

        func validate() throws {
            guard name != nil || !add.isEmpty || !remove.isEmpty else {
                throw ValidationError("Say what to change: --name, --add, --remove.")
            }
        }

        func execute(_ context: CommandContext) async throws {
            let path = try await named.path(context)
            let changes: [APIRequest?] = [
                name.map { APIRequest(.put, path, json: .document([("name", .string($0))])) },
                Self.request("\(path)/actions", add), Self.request("\(path)/actions/delete", remove),
            ]
            try await context.send(inOrder: changes.compactMap { $0 })
            try await context.show(answerTo: APIRequest(.get, path))
        }

        private static func request(_ path: String, _ actions: [String]) -> APIRequest? {
            actions.isEmpty ? nil : APIRequest(.post, path, json: .document([("actions", .strings(actions))]))
        }
    }

    struct Delete: ClientCommand {
        static let configuration = CommandConfiguration(
            commandName: "delete", abstract: "Remove a role; the sessions of those who have it end.")
        @OptionGroup var named: RoleOptions
        @OptionGroup var options: GlobalOptions

        func execute(_ context: CommandContext) async throws {
            try await context.person(APIRequest(.delete, named.path(context)))
            context.confirm("Removed", named.role)
        }
    }

    struct Members: ClientCommand {
        static let configuration = CommandConfiguration(
            commandName: "members", abstract: "Who was given a role, not counting by a group.")
        @OptionGroup var named: RoleOptions
        @OptionGroup var page: PageOptions
        @OptionGroup var options: GlobalOptions

        func execute(_ context: CommandContext) async throws {
            context.show(
                try await page.load("\(named.path(context))/members", "members", context), "members",
                [.identifier, .identity, .name, .status])
        }
    }

    struct Actions: ClientCommand {
        static let configuration = CommandConfiguration(
            commandName: "actions", abstract: "What roles and keys are made of, and which built-in roles have it.")
        @OptionGroup var options: GlobalOptions

        func execute(_ context: CommandContext) async throws {
            let answer = try await context.person(APIRequest(.get, "/domains/roles/available-actions")).json()
            if context.console.isJSON { return context.console.print(answer) }
            var table = Table([Table.Column("ACTION"), Table.Column("BUILT INTO", isFlexible: true)])
            for action in (answer["available_actions"]?.elements ?? []).compactMap(\.text) {
                let roles = (answer["built_in"]?.elements ?? []).filter { role in
                    role["actions"]?.elements?.contains(.string(action)) == true
                }
                let names = roles.compactMap { $0["role"]?.text }.joined(separator: ", ")
                table.append([Table.Cell(action), Table.Cell(names)])
            }
            context.console.print(table)
        }
    }
}

/// One of a domain's own roles.
struct RoleOptions: ParsableArguments {
    @Argument(help: "Identifier or name.") var role: String
    @OptionGroup var domain: DomainOptions

    func path(_ context: CommandContext) async throws -> String {
        let domain = try await domain.identifier(context)
        return "/domains/\(domain)/roles/\(try await context.customRole(role, of: domain))"
    }
}
