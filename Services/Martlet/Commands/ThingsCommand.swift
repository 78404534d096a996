// SPDX-License-Identifier: Apache-2.0
import ArgumentParser

/// `martlet things`
struct ThingsCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "things", abstract: "Devices: list, create, view, change, switch, remove.",
        discussion: """
            A thing's key is shown once, when it is made, and kept in your profile, so that 'martlet publish' can speak as the thing.

              martlet things create boiler-7 --tag hall-2 --metadata '{"floor": 2}'
              martlet things list --tag hall-2
              martlet things update boiler-7 --name 'boiler 7b'
              martlet things rotate-key boiler-7
            """,
        subcommands: [
            List.self, Create.self, View.self, Update.self, Delete.self, Enable.self, Disable.self, RotateKey.self,
            PreSharedKeys.self, Connected.self, Share<SharedThing>.self,
            Unshare<SharedThing>.self, Shares<SharedThing>.self,
        ], defaultSubcommand: List.self)

    struct List: ClientCommand {
        static let configuration = CommandConfiguration(commandName: "list", abstract: "The domain's things.")
        @OptionGroup var list: ListOptions
        @OptionGroup var options: GlobalOptions

        func execute(_ context: CommandContext) async throws {
            context.show(
                try await list.load("/things", "things", context), "things",
                [.identifier, .name, .tags, .status])
        }
    }

    struct Create: ClientCommand {
        static let configuration = CommandConfiguration(
            commandName: "create", abstract: "Make a thing; its key is shown this once.")
        @Argument var name: String
        @OptionGroup var attributes: AttributeOptions
        @Option(
            help: ArgumentHelp("A key of your own, 16 to 256 characters, instead of a random one.", valueName: "key"))
        var key: String?
        @Flag(help: "Do not keep the key in the profile.")
        var forgetKey = false
        @OptionGroup var options: GlobalOptions

        func execute(_ context: CommandContext) async throws {
            let body = JSONValue.document(try attributes.members(name: name) + [("key", key.map(JSONValue.string))])
            let thing = try await context.person(APIRequest(.post, "/things", json: body)).json()
            if !forgetKey { try await StoredKeys.keep(thing, context) }
            context.show(thing)
        }
    }

    struct View: ClientCommand {
        static let configuration = CommandConfiguration(commandName: "view", abstract: "One thing.")
        @Argument(help: "Identifier or name.") var thing: String
        @OptionGroup var options: GlobalOptions

        func execute(_ context: CommandContext) async throws {
            let path = "/things/\(try await context.thing(thing))"
            context.show(try await context.person(APIRequest(.get, path)).json())
        }
    }

    struct Update: ClientCommand {
        static let configuration = CommandConfiguration(
            commandName: "update", abstract: "Change what is named, leave the rest.")
        @Argument(help: "Identifier or name.") var thing: String
        @Option(help: ArgumentHelp("The new name.", valueName: "name")) var name: String?
        @OptionGroup var attributes: AttributeOptions
        @Flag(help: "Take all tags away.") var noTags = false
        @OptionGroup var options: GlobalOptions

        func execute(_ context: CommandContext) async throws {
            let path = "/things/\(try await context.thing(thing))"
            var members = try attributes.members(name: name)
            if noTags { members = members.filter { $0.0 != "tags" } + [("tags", .array([]))] }
            context.show(try await context.person(APIRequest(.patch, path, json: .document(members))).json())
        }
    }

    struct Delete: ClientCommand {
        static let configuration = CommandConfiguration(
            commandName: "delete", abstract: "Remove a thing and its connections.")
        @Argument(help: "Identifier or name.") var thing: String
        @OptionGroup var options: GlobalOptions

        func execute(_ context: CommandContext) async throws {
            let identifier = try await context.thing(thing)
            try await context.person(APIRequest(.delete, "/things/\(identifier)"))
            try await StoredKeys.forget(identifier, context)
            context.confirm("Removed", identifier)
        }
    }

    struct Enable: ClientCommand {
        static let configuration = CommandConfiguration(commandName: "enable", abstract: "Let a thing in again.")
        @Argument(help: "Identifier or name.") var thing: String
        @OptionGroup var options: GlobalOptions

        func execute(_ context: CommandContext) async throws {
            let path = "/things/\(try await context.thing(thing))/enable"
            context.show(try await context.person(APIRequest(.post, path)).json())
        }
    }

    struct Disable: ClientCommand {
        static let configuration = CommandConfiguration(
            commandName: "disable", abstract: "Refuse a thing from now on.")
        @Argument(help: "Identifier or name.") var thing: String
        @OptionGroup var options: GlobalOptions

        func execute(_ context: CommandContext) async throws {
            let path = "/things/\(try await context.thing(thing))/disable"
            context.show(try await context.person(APIRequest(.post, path)).json())
        }
    }

    struct RotateKey: ClientCommand {
        static let configuration = CommandConfiguration(
            commandName: "rotate-key", abstract: "Give a thing a new key; the old one ends at once.")
        @Argument(help: "Identifier or name.") var thing: String
        @Option(help: ArgumentHelp("A key of your own instead of a random one.", valueName: "key")) var key: String?
        @OptionGroup var options: GlobalOptions

        func execute(_ context: CommandContext) async throws {
            let path = "/things/\(try await context.thing(thing))/secret"
            let body = JSONValue.document([("secret", key.map(JSONValue.string))])
            let changed = try await context.person(APIRequest(.patch, path, json: body)).json()
            try await StoredKeys.keep(changed, context)
            context.show(changed)
        }
    }

    struct Connected: ClientCommand {
        static let configuration = CommandConfiguration(
            commandName: "channels", abstract: "The channels that a thing is connected to.")
        @Argument(help: "Identifier or name.") var thing: String
        @OptionGroup var list: ListOptions
        @OptionGroup var options: GlobalOptions

        func execute(_ context: CommandContext) async throws {
            let path = "/things/\(try await context.thing(thing))/channels"
            context.show(
                try await list.load(path, "channels", context), "channels",
                [.identifier, .name, .route, .status])
        }
    }
}
