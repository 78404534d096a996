// SPDX-License-Identifier: Apache-2.0
import ArgumentParser

/// `martlet users`
struct UsersCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "users", abstract: "People: list, create, view, switch, remove.",
        discussion: """
            The new user's password is asked for, or read from standard input; it is never an argument.

              martlet users create ada@example.com --name Ada
            """,
        subcommands: [List.self, Create.self, View.self, Delete.self, Enable.self, Disable.self],
        defaultSubcommand: List.self)

    struct List: ClientCommand {
        static let configuration = CommandConfiguration(
            commandName: "list", abstract: "All users (administrators of the platform).")
        @OptionGroup var list: ListOptions
        @OptionGroup var options: GlobalOptions

        func execute(_ context: CommandContext) async throws {
            context.show(
                try await list.load("/users", "users", context), "users",
                [
                    .identifier, .identity, .name, EntityColumn("ROLE", "role"),
                    .status,
                ])
        }
    }

    struct Create: ClientCommand {
        static let configuration = CommandConfiguration(commandName: "create", abstract: "Register a user.")
        @Argument(help: "An e-mail address or a name.") var identity: String
        @Option(help: ArgumentHelp("How the person is called.", valueName: "name")) var name: String?
        @Flag(help: "Read the password from standard input.") var passwordStdin = false
        @OptionGroup var attributes: AttributeOptions
        @OptionGroup var options: GlobalOptions

        func execute(_ context: CommandContext) async throws {
            let secret = try context.secret("Password for \(identity): ", passwordStdin)
            let credentials = JSONValue.document([("identity", .string(identity)), ("secret", .string(secret))])
            let body = JSONValue.document(
                try attributes.members(name: name ?? identity) + [("credentials", credentials)])
            let request = APIRequest(.post, "/users", json: body)
            // Where anybody may register, nobody needs to be logged in.
            let answer =
                context.hasLogin
                ? try await context.person(request) : try await context.client.send(request).success()
            context.show(try answer.json())
        }
    }

    struct View: ClientCommand {
        static let configuration = CommandConfiguration(commandName: "view", abstract: "One user.")
        @Argument(help: "Identifier.") var user: String
        @OptionGroup var options: GlobalOptions

        func execute(_ context: CommandContext) async throws {
            let path = "/users/\(PercentEncoding.encode(user))"
            context.show(try await context.person(APIRequest(.get, path)).json())
        }
    }

    struct Delete: ClientCommand {
        static let configuration = CommandConfiguration(
            commandName: "delete", abstract: "Remove a user for good, with sessions, keys and roles.",
            discussion: "Oneself with the password, which is asked for; others as an administrator of the platform.")
        @Argument(help: "Identifier.") var user: String
        @Flag(help: "Read your password from standard input, where it is you.") var passwordStdin = false
        @OptionGroup var options: GlobalOptions

        func execute(_ context: CommandContext) async throws {
            let token = try await context.personAuthorization().dropFirst("Bearer ".count)
            // What the token says is enough to know whether to ask: the server decides.
            let isOneself = AccessToken(String(token))?.claims["sub"]?.text == user.lowercased()
            let secret = isOneself ? try context.secret("Password: ", passwordStdin) : nil
            let path = "/users/\(PercentEncoding.encode(user))"
            let body = secret.map { JSONValue.document([("secret", .string($0))]) }
            try await context.person(body.map { APIRequest(.delete, path, json: $0) } ?? APIRequest(.delete, path))
            context.confirm("Removed", user)
        }
    }

    struct Enable: ClientCommand {
        static let configuration = CommandConfiguration(commandName: "enable", abstract: "Let a user in again.")
        @Argument(help: "Identifier.") var user: String
        @OptionGroup var options: GlobalOptions

        func execute(_ context: CommandContext) async throws {
            let path = "/users/\(PercentEncoding.encode(user))/enable"
            context.show(try await context.person(APIRequest(.post, path)).json())
        }
    }

    struct Disable: ClientCommand {
        static let configuration = CommandConfiguration(
            commandName: "disable", abstract: "Refuse a user from now on; all sessions end.")
        @Argument(help: "Identifier.") var user: String
        @OptionGroup var options: GlobalOptions

        func execute(_ context: CommandContext) async throws {
            let path = "/users/\(PercentEncoding.encode(user))/disable"
            context.show(try await context.person(APIRequest(.post, path)).json())
        }
    }
}
