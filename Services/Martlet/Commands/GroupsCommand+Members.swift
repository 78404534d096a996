// SPDX-License-Identifier: Apache-2.0
import ArgumentParser

// What is in a group.
extension GroupsCommand {
    struct Things: ClientCommand {
        static let configuration = CommandConfiguration(commandName: "things", abstract: "The things in a group.")
        @Argument(help: groupHelp) var group: String
        @Flag(help: "Those in the groups below it too.") var deep = false
        @OptionGroup var list: ListOptions
        @OptionGroup var options: GlobalOptions

        func execute(_ context: CommandContext) async throws {
            let path = "/groups/\(try await context.group(group))/things"
            context.show(
                try await list.load(path, "things", filters: [("deep", deep ? "true" : nil)], context), "things",
                [.identifier, .name, .tags, .status])
        }
    }

    struct Channels: ClientCommand {
        static let configuration = CommandConfiguration(commandName: "channels", abstract: "The channels in a group.")
        @Argument(help: groupHelp) var group: String
        @Flag(help: "Those in the groups below it too.") var deep = false
        @OptionGroup var list: ListOptions
        @OptionGroup var options: GlobalOptions

        func execute(_ context: CommandContext) async throws {
            let path = "/groups/\(try await context.group(group))/channels"
            context.show(
                try await list.load(path, "channels", filters: [("deep", deep ? "true" : nil)], context), "channels",
                [.identifier, .name, .route, .status])
        }
    }

    struct Assign: ClientCommand {
        static let configuration = CommandConfiguration(
            commandName: "assign", abstract: "Put things and channels into a group, from wherever they are.")
        @OptionGroup var content: GroupContent
        @OptionGroup var options: GlobalOptions

        func execute(_ context: CommandContext) async throws { try await content.send(.post, "Assigned", context) }
    }

    struct Unassign: ClientCommand {
        static let configuration = CommandConfiguration(
            commandName: "unassign", abstract: "Take things and channels out of a group.")
        @OptionGroup var content: GroupContent
        @OptionGroup var options: GlobalOptions

        func execute(_ context: CommandContext) async throws { try await content.send(.delete, "Taken out", context) }
    }
}

/// A group, and things and channels that come or go.
struct GroupContent: ParsableArguments {
    @Argument(help: GroupsCommand.groupHelp) var group: String
    @Option(name: .customLong("thing"), help: "Identifier or name; may be repeated.") var things: [String] = []
    @Option(name: .customLong("channel"), help: "Identifier, route or name; may be repeated.")
    var channels: [String] = []

    func validate() throws {
        guard !things.isEmpty || !channels.isEmpty else { throw ValidationError("Say what: --thing, --channel.") }
    }

    func send(_ method: APIRequest.Method, _ what: String, _ context: CommandContext) async throws {
        let path = "/groups/\(try await context.group(group))/members"
        var members = (things: [String](), channels: [String]())
        for text in things { members.things.append(try await context.thing(text)) }
        for text in channels { members.channels.append(try await context.channel(text)) }
        let requests = [("things", members.things), ("channels", members.channels)].filter { !$0.1.isEmpty }
        try await context.send(
            inOrder: requests.map { type, members in
                APIRequest(method, path, json: .document([("type", .string(type)), ("members", .strings(members))]))
            })
        context.confirm(what, (things + channels).joined(separator: ", "))
    }
}
