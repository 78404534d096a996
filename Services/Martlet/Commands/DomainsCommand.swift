// SPDX-License-Identifier: Apache-2.0
import ArgumentParser

/// `martlet domains`
struct DomainsCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "domains", abstract: "Tenants: list, create, choose the one to work in.",
        subcommands: [List.self, Create.self, View.self, Use.self], defaultSubcommand: List.self)

    struct List: ClientCommand {
        static let configuration = CommandConfiguration(commandName: "list", abstract: "The domains you belong to.")
        @OptionGroup var list: ListOptions
        @OptionGroup var options: GlobalOptions

        func execute(_ context: CommandContext) async throws {
            context.show(
                try await list.load("/domains", "domains", context), "domains",
                [.identifier, .name, .route, .status])
        }
    }

    struct Create: ClientCommand {
        static let configuration = CommandConfiguration(
            commandName: "create", abstract: "Make a domain; you become its administrator.")
        @Argument var name: String
        @Option(help: ArgumentHelp("A word for it, unique on this server.", valueName: "route")) var route: String?
        @OptionGroup var attributes: AttributeOptions
        @OptionGroup var options: GlobalOptions

        func execute(_ context: CommandContext) async throws {
            let body = JSONValue.document(try attributes.members(name: name) + [("route", route.map(JSONValue.string))])
            context.show(try await context.person(APIRequest(.post, "/domains", json: body)).json())
        }
    }

    struct View: ClientCommand {
        static let configuration = CommandConfiguration(commandName: "view", abstract: "One domain.")
        @Argument(help: "Identifier, route or name.") var domain: String
        @OptionGroup var options: GlobalOptions

        func execute(_ context: CommandContext) async throws {
            let path = "/domains/\(try await context.domain(domain))"
            context.show(try await context.person(APIRequest(.get, path)).json())
        }
    }

    struct Use: ClientCommand {
        static let configuration = CommandConfiguration(
            commandName: "use", abstract: "Work in another domain from now on.",
            discussion: "A session keeps its domain, so this logs in anew and asks for the password.")
        @Argument(help: "Identifier, route or name.") var domain: String
        @Flag(help: "Read the password from standard input.") var passwordStdin = false
        @OptionGroup var options: GlobalOptions

        func execute(_ context: CommandContext) async throws {
            let profile = try context.profile()
            guard profile?.apiKey == nil else {
                throw CommandFailure(
                    .refused,
                    "profile '\(context.profileName)' is logged in by a key, which is good in one domain only",
                    advice: "martlet login --key with a key of the other, or martlet login --domain <domain>",
                    reason: "key-has-a-domain")
            }
            guard let identity = profile?.identity else { throw context.session.notLoggedIn }
            let identifier = try await context.domain(domain)
            let secret = try context.secret("Password of \(identity): ", passwordStdin)
            try await Login(context: context, identity: identity, secret: secret).run(domain: identifier)
        }
    }
}
