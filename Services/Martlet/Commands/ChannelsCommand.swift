// SPDX-License-Identifier: Apache-2.0
import ArgumentParser

/// `martlet channels`
struct ChannelsCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "channels", abstract: "Where messages go: list, create, view, change, switch, remove.",
        discussion: """
              martlet channels create hall-2 --route hall-2
              martlet channels things hall-2
            """,
        subcommands: [
            List.self, Create.self, View.self, Update.self, Delete.self, Enable.self, Disable.self, Connected.self,
            Share<SharedChannel>.self, Unshare<SharedChannel>.self, Shares<SharedChannel>.self,
        ], defaultSubcommand: List.self)

    struct List: ClientCommand {
        static let configuration = CommandConfiguration(commandName: "list", abstract: "The domain's channels.")
        @OptionGroup var list: ListOptions
        @OptionGroup var options: GlobalOptions

        func execute(_ context: CommandContext) async throws {
            context.show(
                try await list.load("/channels", "channels", context), "channels",
                [
                    .identifier, .name, .route, .tags,
                    .status,
                ])
        }
    }

    struct Create: ClientCommand {
        static let configuration = CommandConfiguration(commandName: "create", abstract: "Make a channel.")
        @Argument var name: String
        @Option(
            help: ArgumentHelp(
                "A word for it in paths and topics: A-Z a-z 0-9 - _, unique in the domain.", valueName: "route"))
        var route: String?
        @OptionGroup var attributes: AttributeOptions
        @OptionGroup var options: GlobalOptions

        func execute(_ context: CommandContext) async throws {
            let body = JSONValue.document(try attributes.members(name: name) + [("route", route.map(JSONValue.string))])
            context.show(try await context.person(APIRequest(.post, "/channels", json: body)).json())
        }
    }

    struct View: ClientCommand {
        static let configuration = CommandConfiguration(commandName: "view", abstract: "One channel.")
        @Argument(help: "Identifier, route or name.") var channel: String
        @OptionGroup var options: GlobalOptions

        func execute(_ context: CommandContext) async throws {
            let path = "/channels/\(try await context.channel(channel))"
            context.show(try await context.person(APIRequest(.get, path)).json())
        }
    }

    struct Update: ClientCommand {
        static let configuration = CommandConfiguration(
            commandName: "update", abstract: "Change what is named, leave the rest.")
        @Argument(help: "Identifier, route or name.") var channel: String
        @Option(help: ArgumentHelp("The new name.", valueName: "name")) var name: String?
        @Option(help: ArgumentHelp("The new route; empty takes it away.", valueName: "route")) var route: String?
        @OptionGroup var attributes: AttributeOptions
        @Flag(help: "Take all tags away.") var noTags = false
        @OptionGroup var options: GlobalOptions

        func execute(_ context: CommandContext) async throws {
            let path = "/channels/\(try await context.channel(channel))"
            var members = try attributes.members(name: name) + [("route", route.map(JSONValue.string))]
            if noTags { members = members.filter { $0.0 != "tags" } + [("tags", .array([]))] }
            context.show(try await context.person(APIRequest(.patch, path, json: .document(members))).json())
        }
    }

    struct Delete: ClientCommand {
        static let configuration = CommandConfiguration(
            commandName: "delete", abstract: "Remove a channel and its connections.")
        @Argument(help: "Identifier, route or name.") var channel: String
        @OptionGroup var options: GlobalOptions

        func execute(_ context: CommandContext) async throws {
            let identifier = try await context.channel(channel)
            try await context.person(APIRequest(.delete, "/channels/\(identifier)"))
            context.confirm("Removed", identifier)
        }
    }

    struct Enable: ClientCommand {
        static let configuration = CommandConfiguration(commandName: "enable", abstract: "Open a channel again.")
        @Argument(help: "Identifier, route or name.") var channel: String
        @OptionGroup var options: GlobalOptions

        func execute(_ context: CommandContext) async throws {
            let path = "/channels/\(try await context.channel(channel))/enable"
            context.show(try await context.person(APIRequest(.post, path)).json())
        }
    }

    struct Disable: ClientCommand {
        static let configuration = CommandConfiguration(
            commandName: "disable", abstract: "Close a channel to every thing.")
        @Argument(help: "Identifier, route or name.") var channel: String
        @OptionGroup var options: GlobalOptions

        func execute(_ context: CommandContext) async throws {
            let path = "/channels/\(try await context.channel(channel))/disable"
            context.show(try await context.person(APIRequest(.post, path)).json())
        }
    }

    struct Connected: ClientCommand {
        static let configuration = CommandConfiguration(
            commandName: "things", abstract: "The things that are connected to a channel.")
        @Argument(help: "Identifier, route or name.") var channel: String
        @OptionGroup var list: ListOptions
        @OptionGroup var options: GlobalOptions

        func execute(_ context: CommandContext) async throws {
            let path = "/channels/\(try await context.channel(channel))/things"
            context.show(
                try await list.load(path, "things", context), "things",
                [.identifier, .name, .tags, .status])
        }
    }
}
