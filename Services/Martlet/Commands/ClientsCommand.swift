// SPDX-License-Identifier: Apache-2.0
import ArgumentParser

/// `martlet clients`
struct ClientsCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "clients", abstract: "Who is connected by MQTT, and whose sessions are kept.",
        discussion: """
              martlet clients --thing boiler-7
              martlet clients list --state kept --limit 20
              martlet clients show boiler-7 sensor-1
              martlet clients disconnect boiler-7 sensor-1 --session

            Those of the domain that you are logged in to; an administrator of the installation sees all. A client goes by its thing and by the client \
            identifier that it connects with.
            """,
        subcommands: [List.self, Show.self, Disconnect.self], defaultSubcommand: List.self)

    struct List: ClientCommand {
        static let configuration = CommandConfiguration(commandName: "list", abstract: "Clients, by thing.")
        @Option(help: ArgumentHelp("Only those of this thing.", valueName: "thing"))
        var thing: String?
        @Option(help: ArgumentHelp("Only those of this domain's things.", valueName: "domain"))
        var domain: String?
        @Option(help: ArgumentHelp("tcp, tls, websocket or websocket-tls.", valueName: "listener"))
        var listener: String?
        @Option(help: ArgumentHelp("connected or kept.", valueName: "state"))
        var state: String?
        @OptionGroup var page: PageOptions
        @OptionGroup var options: GlobalOptions

        func execute(_ context: CommandContext) async throws {
            var identifiers: (thing: String?, domain: String?)
            if let thing { identifiers.thing = try await context.thing(thing) }
            if let domain { identifiers.domain = try await context.domain(domain) }
            let filters = [
                ("thing", identifiers.thing), ("domain_id", identifiers.domain), ("listener", listener),
                ("state", state),
            ]
            context.show(
                try await page.load("/clients", "clients", filters: filters, context), "clients", ClientsCommand.columns
            )
        }
    }

    struct Show: ClientCommand {
        static let configuration = CommandConfiguration(commandName: "show", abstract: "One client.")
        @OptionGroup var client: ClientName
        @OptionGroup var options: GlobalOptions

        func execute(_ context: CommandContext) async throws {
            try await context.show(answerTo: APIRequest(.get, client.path(context)))
        }
    }

    struct Disconnect: ClientCommand {
        static let configuration = CommandConfiguration(
            commandName: "disconnect", abstract: "End a client's connection.",
            discussion: "It may come back. To keep it away, disable its thing.")
        @OptionGroup var client: ClientName
        @Flag(help: "End the session as well: its subscriptions, and what waits for it.") var session = false
        @OptionGroup var options: GlobalOptions

        func execute(_ context: CommandContext) async throws {
            let query = session ? [(name: "session", value: "true")] : []
            try await context.person(APIRequest(.delete, client.path(context), query: query))
            context.confirm("Disconnected", client.client)
        }
    }

    private static let columns = [
        EntityColumn("THING", "thing_id"),
        EntityColumn("CLIENT", "client", isFlexible: true),
        EntityColumn("STATE") { client in
            let state = client["state"]?.text
            return Table.Cell(state, state == "connected" ? .good : .faint)
        },
        EntityColumn("MQTT", "version"),
        EntityColumn("LISTENER", "listener"),
        EntityColumn("ADDRESS", "address"),
        EntityColumn("SINCE") { Table.Cell($0["connected_at"]?.cell ?? $0["disconnected_at"]?.cell) },
        EntityColumn("SUBSCRIPTIONS", "subscription_count"),
        EntityColumn("WAITS") { client in
            let counts = ["queue", "store"].map { client[$0]?["messages"]?.integer ?? 0 }
            return Table.Cell(String(counts.reduce(0, +)))
        },
    ]
}

/// A client, by its thing and its client identifier.
struct ClientName: ParsableArguments {
    @Argument(help: "Its thing, by identifier or name.") var thing: String
    @Argument(help: "The client identifier that it connects with.") var client: String

    func path(_ context: CommandContext) async throws -> String {
        "/clients/\(try await context.thing(thing))/\(PercentEncoding.encode(client))"
    }
}
