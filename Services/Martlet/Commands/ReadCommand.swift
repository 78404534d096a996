// SPDX-License-Identifier: Apache-2.0
import ArgumentParser

/// `martlet read`
struct ReadCommand: ClientCommand {
    static let configuration = CommandConfiguration(
        commandName: "read", abstract: "What is stored of a channel: as a table, as a plot, or following.",
        discussion: """
              martlet read hall-2 --from 24h --name boiler-7:temperature
              martlet read hall-2 --value '>70' --limit 50
              martlet read hall-2 --from 7d --plot
              martlet read hall-2 --follow
              martlet read hall-2 --json --limit 100000 > messages.ndjson

            As the person who is logged in, or with --thing, --key or MARTLET_KEY as a thing that may subscribe. --json prints a line a message.
            """)

    @Argument(help: "Identifier, route or name.")
    var channel: String
    @OptionGroup var filter: MessageFilter
    @Option(help: "How many at most, the newest of them.")
    var limit: Int?
    @Flag(help: "Begin with the oldest.")
    var oldestFirst = false
    @Flag(help: "Draw the values over time, a plot for each name.")
    var plot = false
    @Option(help: ArgumentHelp("Lines of a plot.", valueName: "lines"))
    var height = 12
    @Flag(help: "Go on with what is stored from now on, until Ctrl-C.")
    var follow = false
    @OptionGroup var identity: ThingOptions
    @OptionGroup var options: GlobalOptions

    func validate() throws {
        if let limit, limit < 1 { throw ValidationError("--limit must be at least 1.") }
        if plot && follow { throw ValidationError("--plot and --follow exclude each other.") }
        guard (2...200).contains(height) else { throw ValidationError("--height must be from 2 to 200.") }
    }

    func execute(_ context: CommandContext) async throws {
        let reader = try await MessageReader(context, channel: channel, identity)
        var query = try filter.query()
        if follow { return try await Follower(reader: reader, console: context.console).run(query, last: limit ?? 10) }
        query.append(("dir", oldestFirst ? "asc" : "desc"))
        let wanted = limit ?? (plot ? 10_000 : 20)
        if context.console.isJSON {
            for try await page in reader.pages(query, limit: wanted) {
                for message in page { context.console.printLine(message) }
            }
            return
        }
        var messages: [JSONValue] = []
        for try await page in reader.pages(query, limit: wanted) { messages += page }
        guard !messages.isEmpty else { return context.console.note("Nothing is stored that matches.") }
        if plot { return try draw(messages, context.console) }
        // As one reads: time goes down the page.
        if !oldestFirst { messages.reverse() }
        context.console.print(MessageTable(messages).table(messages))
        if messages.count == wanted {
            context.console.note("The \(wanted) \(oldestFirst ? "oldest" : "newest"); --limit shows more.", .faint)
        }
    }

    private func draw(_ messages: [JSONValue], _ console: Console) throws {
        let series = Dictionary(grouping: messages.filter { $0["value"] != nil }) { $0["name"]?.text ?? "" }
        guard !series.isEmpty else { throw CommandFailure(.refused, "no numbers among the \(messages.count) messages") }
        for (name, messages) in series.sorted(by: { $0.key < $1.key }) {
            let points = messages.compactMap { message in
                message["time"]?.double.flatMap { time in
                    message["value"]?.double.map { BraillePlot.Point(time: time, value: $0) }
                }
            }.sorted { $0.time < $1.time }
            let unit = messages.lazy.compactMap { $0["unit"]?.text }.first
            let title = TextWidth.visible(name) + (unit.map { " [\(TextWidth.visible($0))]" } ?? "")
            console.print(Style.bold.apply(title, isColored: console.output.isColored) + "  \(points.count) values")
            let lines = BraillePlot.lines(
                points, width: console.output.width ?? 80, height: height, time: TimeArgument.short)
            for line in lines { console.print(line) }
        }
    }
}
