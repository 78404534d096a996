// SPDX-License-Identifier: Apache-2.0
import ArgumentParser

/// `martlet groups`
struct GroupsCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "groups",
        abstract: "Groups of things and channels, as a tree: who has a role on one has it below.",
        discussion: """
              martlet groups create plant
              martlet groups create 'hall 4' --parent plant
              martlet groups assign 'hall 4' --thing press-1 --channel hall-4
              martlet groups tree --members
              martlet groups share 'hall 4' bob@example.com --role editor

            A group goes by identifier, name, or the names down to it where several are called the same: 'plant/hall 4', or '/plant' for one beside all others. A thing or channel is in one group at \
            most. (Groups of people are martlet user-groups.)
            """,
        subcommands: [
            Tree.self, List.self, View.self, Create.self, Update.self, Move.self, Delete.self, Things.self,
            Channels.self, Assign.self, Unassign.self, Share<SharedGroup>.self, Unshare<SharedGroup>.self,
            Shares<SharedGroup>.self,
        ], defaultSubcommand: Tree.self)

    static let groupHelp: ArgumentHelp = "Identifier, name, or names down to it."

    struct Tree: ClientCommand {
        static let configuration = CommandConfiguration(
            commandName: "tree", abstract: "All groups that you see, or those below one.")
        @Argument(help: groupHelp) var group: String?
        @Option(help: ArgumentHelp("So many levels at most.", valueName: "levels")) var levels: Int?
        @Flag(help: "Also the things and channels that are in them.") var members = false
        @OptionGroup var options: GlobalOptions

        func execute(_ context: CommandContext) async throws {
            let root = try await context.groupIfNamed(group)
            let tree = try await GroupTree.load(below: root, levels: levels, hasMembers: members, context)
            tree.show(context.console)
        }
    }

    struct List: ClientCommand {
        static let configuration = CommandConfiguration(commandName: "list", abstract: "Groups without their places.")
        @Option(help: ArgumentHelp("Only those whose name contains this.", valueName: "text")) var name: String?
        @Option(help: ArgumentHelp("Only those whose metadata contain this JSON object.", valueName: "json"))
        var metadata: String?
        @OptionGroup var page: PageOptions
        @OptionGroup var options: GlobalOptions

        func execute(_ context: CommandContext) async throws {
            let filters = [("name", name), ("metadata", metadata)]
            context.show(
                try await page.load("/groups", "groups", filters: filters, context), "groups",
                [.identifier, .name, EntityColumn("LEVEL", "level"), EntityColumn("PARENT", "parent_id")])
        }
    }

    struct View: ClientCommand {
        static let configuration = CommandConfiguration(commandName: "view", abstract: "One group.")
        @Argument(help: groupHelp) var group: String
        @OptionGroup var options: GlobalOptions

        func execute(_ context: CommandContext) async throws {
            try await context.show(answerTo: APIRequest(.get, "/groups/\(context.group(group))"))
        }
    }

    struct Create: ClientCommand {
        static let configuration = CommandConfiguration(commandName: "create", abstract: "Make a group.")
        @Argument var name: String
        @Option(help: ArgumentHelp("The group to put it into; none: beside all.", valueName: "group"))
        var parent: String?
        @OptionGroup var attributes: GroupAttributes
        @OptionGroup var options: GlobalOptions

        func execute(_ context: CommandContext) async throws {
            let parent = try await context.groupIfNamed(parent)
            let body = JSONValue.document(
                try attributes.members(name: name) + [("parent_id", parent.map(JSONValue.string))])
            try await context.show(answerTo: APIRequest(.post, "/groups", json: body))
        }
    }

    struct Update: ClientCommand {
        static let configuration = CommandConfiguration(
            commandName: "update", abstract: "Change what is named, leave the rest.")
        @Argument(help: groupHelp) var group: String
        @Option(help: ArgumentHelp("The new name.", valueName: "name")) var name: String?
        @OptionGroup var attributes: GroupAttributes
        @OptionGroup var options: GlobalOptions

        func execute(_ context: CommandContext) async throws {
            let path = "/groups/\(try await context.group(group))"
            let body = JSONValue.document(try attributes.members(name: name))
            try await context.show(answerTo: APIRequest(.patch, path, json: body))
        }
    }

    struct Move: ClientCommand {
        static let configuration = CommandConfiguration(
            commandName: "move", abstract: "Put a group, with everything below it, somewhere else.")
        @Argument(help: groupHelp) var group: String
        @Option(help: ArgumentHelp("Into this group.", valueName: "group")) var to: String?
        @Flag(help: "Beside all other groups.") var top = false
        @OptionGroup var options: GlobalOptions

        func validate() throws {
            guard top == (to == nil) else { throw ValidationError("Say where to: --to <group>, or --top.") }
        }

        func execute(_ context: CommandContext) async throws {
            let path = "/groups/\(try await context.group(group))"
            if let parent = try await context.groupIfNamed(to) {
                let body = JSONValue.document([("parent_id", .string(parent))])
                return try await context.show(answerTo: APIRequest(.post, "\(path)/parent", json: body))
            }
            try await context.person(APIRequest(.delete, "\(path)/parent"))
            try await context.show(answerTo: APIRequest(.get, path))
        }
    }

    struct Delete: ClientCommand {
        static let configuration = CommandConfiguration(
            commandName: "delete", abstract: "Remove a group; what is in it goes one level up.")
        @Argument(help: groupHelp) var group: String
        @OptionGroup var options: GlobalOptions

        func execute(_ context: CommandContext) async throws {
            let identifier = try await context.group(group)
            try await context.person(APIRequest(.delete, "/groups/\(identifier)"))
            context.confirm("Removed", identifier)
        }
    }
}

/// What one may say of a group beside its name.
struct GroupAttributes: ParsableArguments {
    @Option(help: ArgumentHelp("What it is for.", valueName: "text")) var description: String?
    @OptionGroup var metadata: MetadataOption

    func members(name: String?) throws -> [(String, JSONValue?)] {
        [
            ("name", name.map(JSONValue.string)), ("description", description.map(JSONValue.string)),
            try metadata.member(),
        ]
    }
}

extension CommandContext {
    func groupIfNamed(_ text: String?) async throws -> String? {
        guard let text else { return nil }
        return try await group(text)
    }
}
