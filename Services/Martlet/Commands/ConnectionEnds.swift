// SPDX-License-Identifier: Apache-2.0
import ArgumentParser

/// A thing, a channel, and the directions between them.
struct ConnectionEnds: ParsableArguments {
    @Argument(help: "Identifier or name of the thing.") var thing: String
    @Argument(help: "Identifier, route or name of the channel.") var channel: String
    @Flag(help: "Only publishing.") var publish = false
    @Flag(help: "Only subscribing, which reading is part of.") var subscribe = false

    private var types: [String] { (publish ? ["publish"] : []) + (subscribe ? ["subscribe"] : []) }

    func body(_ context: CommandContext) async throws -> JSONValue {
        // Without arrays the API answers in its second dialect.
        let ends = [
            ("thing_ids", JSONValue.strings([try await context.thing(thing)])),
            ("channel_ids", JSONValue.strings([try await context.channel(channel)])),
        ]
        return .document(ends + [("types", types.isEmpty ? nil : .strings(types))])
    }

    func confirm(_ what: String, _ context: CommandContext) {
        if context.console.isJSON {
            let types = types.isEmpty ? ["publish", "subscribe"] : types
            return context.console.print(
                .document([
                    ("thing", .string(thing)), ("channel", .string(channel)), ("types", .strings(types)),
                    ("done", .string(what)),
                ]))
        }
        let ways = types.isEmpty ? "both ways" : "to " + types.joined(separator: " and to ")
        context.console.print("\(thing) and \(channel) are \(what), \(ways).")
    }
}
