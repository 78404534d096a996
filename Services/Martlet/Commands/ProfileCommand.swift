// SPDX-License-Identifier: Apache-2.0
import ArgumentParser

/// `martlet profile`
struct ProfileCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "profile", abstract: "Servers and logins that you keep beside each other.",
        discussion: """
              martlet login --profile plant --url https://iot.example.com --identity ada
              martlet profile use plant
            """,
        subcommands: [List.self, Use.self, Remove.self], defaultSubcommand: List.self)

    struct List: ClientCommand {
        static let configuration = CommandConfiguration(commandName: "list", abstract: "All profiles.")
        @OptionGroup var options: GlobalOptions

        func execute(_ context: CommandContext) async throws {
            let current = try context.store.currentName()
            let profiles = try context.store.names().compactMap { name in
                try context.store.load(name).map { (name, $0) }
            }
            if context.console.isJSON {
                return context.console.print(
                    .document([
                        ("current", .string(current)),
                        (
                            "profiles",
                            .array(
                                profiles.map { name, profile in
                                    .document([
                                        ("name", .string(name)), ("url", .string(profile.url)),
                                        ("identity", profile.identity.map(JSONValue.string)),
                                        ("logged_in", .bool(profile.isLoggedIn)),
                                        ("by_key", .bool(profile.apiKey != nil)),
                                        ("keys", .integer(profile.keys.count)),
                                    ])
                                })
                        ),
                    ]))
            }
            guard !profiles.isEmpty else { return context.console.note("No profiles yet: martlet login makes one.") }
            var table = Table([
                Table.Column(""), Table.Column("PROFILE"), Table.Column("SERVER", isFlexible: true),
                Table.Column("IDENTITY", isFlexible: true), Table.Column("LOGIN"), Table.Column("KEYS", .right),
            ])
            for (name, profile) in profiles {
                table.append([
                    Table.Cell(name == current ? "*" : ""), Table.Cell(name), Table.Cell(profile.url),
                    Table.Cell(profile.identity), Self.login(profile),
                    Table.Cell(String(profile.keys.count)),
                ])
            }
            context.console.print(table)
        }

        private static func login(_ profile: Profile) -> Table.Cell {
            guard profile.isLoggedIn else { return Table.Cell("no", .faint) }
            return profile.apiKey == nil ? "yes" : "by key"
        }
    }

    struct Use: ClientCommand {
        static let configuration = CommandConfiguration(
            commandName: "use", abstract: "Choose the profile to work with.")
        @Argument var name: String
        @OptionGroup var options: GlobalOptions

        func execute(_ context: CommandContext) async throws {
            guard try context.store.load(name) != nil else {
                throw CommandFailure.usage(
                    "there is no profile '\(name)'", advice: "martlet login --profile \(name) makes it")
            }
            try context.store.use(name)
            context.confirm("Using", name)
        }
    }

    struct Remove: ClientCommand {
        static let configuration = CommandConfiguration(
            commandName: "remove", abstract: "Forget a profile and its keys; its session on the server ends.")
        @Argument var name: String
        @OptionGroup var options: GlobalOptions

        func execute(_ context: CommandContext) async throws {
            let lock = try await context.store.lock(name)
            defer { withExtendedLifetime(lock) {} }
            guard let profile = try context.store.load(name) else {
                throw CommandFailure.usage("there is no profile '\(name)'")
            }
            if let refresh = profile.refreshToken {
                let client = try APIClient(
                    address: ServerAddress(profile.url), authorities: context.authorities)
                // The server may be gone for good, which must not keep the profile here.
                try? await TokenPair.revoke(refresh: refresh, client)
                await client.shutdown()
            }
            try context.store.remove(name)
            context.confirm("Removed", name)
        }
    }
}
