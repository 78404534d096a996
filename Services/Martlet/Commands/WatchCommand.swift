// SPDX-License-Identifier: Apache-2.0
import ArgumentParser

/// `martlet watch`
struct WatchCommand: ClientCommand {
    static let configuration = CommandConfiguration(
        commandName: "watch", abstract: "Messages as they come, live.",
        discussion: """
              martlet watch hall-2
              martlet watch hall-2 'boiler-7/#'
              martlet watch hall-2 --json | jq .payload
              martlet watch hall-2 --after 4711

            A connection that breaks is made anew and goes on where it was: nothing is missed, as long as the server keeps it. --json prints a line a \
            message. Ctrl-C ends it.
            """)

    @Argument(help: "Identifier, route or name.")
    var channel: String
    @Argument(
        help: ArgumentHelp("Only these subtopics: + stands for one level, # for all that follow.", valueName: "filter"))
    var filter: String?
    @Option(help: ArgumentHelp("Begin behind the message with this number.", valueName: "number"))
    var after: String?
    @Option(help: ArgumentHelp("End after so many messages.", valueName: "messages"))
    var count: Int?
    @OptionGroup var identity: ThingOptions
    @OptionGroup var options: GlobalOptions

    func validate() throws {
        if let count, count < 1 { throw ValidationError("--count must be at least 1.") }
        if let after, UInt64(after) == nil { throw ValidationError("--after must be a message's number.") }
    }

    func execute(_ context: CommandContext) async throws {
        let reader = try await MessageReader(context, channel: channel, identity)
        var path = reader.path
        if let filter { path += "/" + PercentEncoding.encode(path: filter) }
        let key = reader.key
        let stream = LiveStream(client: context.client, path: path) {
            if let key { return "Thing \(key)" }
            return try await context.personAuthorization()
        }
        var printer = MessagePrinter(console: context.console)
        var rest = count
        try await stream.run(after: after) { item in
            switch item {
            case .message(let message, _):
                printer.print(context.console.isJSON ? [message] : LiveMessage.rows(message))
                if let left = rest { rest = left - 1 }
            case .gap(let gap):
                let (after, next) = (gap["after"]?.cell ?? "?", gap["next"]?.cell ?? "?")
                context.console.note("Messages between \(after) and \(next) are not kept any more.", .warning)
                if context.console.isJSON { context.console.printLine(gap) }
            case .interrupted(let failure):
                context.console.note("\(failure.message); connecting again", .warning)
            }
            return rest != 0
        }
    }
}
