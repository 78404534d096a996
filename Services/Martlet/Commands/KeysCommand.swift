// SPDX-License-Identifier: Apache-2.0
import ArgumentParser

/// `martlet keys`
struct KeysCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "keys", abstract: "Your keys for programs: create, list, revoke.",
        discussion: """
            A key stands where a login stands (MARTLET_TOKEN), and is shown once, when it is made:

              martlet keys create ci --scope things:read --expires 720h
              martlet keys create ci --scope channels:read=<channel>,<channel>

            `martlet keys create <name> --all-rights` makes one that may do whatever you may in this domain.
            """,
        subcommands: [Create.self, List.self, Revoke.self], defaultSubcommand: List.self)

    struct Create: ClientCommand {
        static let configuration = CommandConfiguration(
            commandName: "create", abstract: "Make a key; it is shown this once.")
        @Argument var name: String
        @Option(
            name: .customLong("scope"),
            help: ArgumentHelp("What it may do, perhaps with what only; may be repeated.", valueName: "action[=id,id]"))
        var scopes: [String] = []
        @Flag(help: "All that you may do in this domain, instead of scopes.") var allRights = false
        @Option(help: ArgumentHelp("How long it is good, like 720h; for ever unless given.", valueName: "duration"))
        var expires: String?
        @OptionGroup var options: GlobalOptions

        func validate() throws {
            guard allRights == scopes.isEmpty else { throw ValidationError("Say --scope, or --all-rights.") }
        }

        func execute(_ context: CommandContext) async throws {
            let draft: [(String, JSONValue?)] = [
                ("name", .string(name)), ("duration", expires.map(JSONValue.string)),
                ("scopes", allRights ? nil : .array(scopes.map(Self.scope))),
            ]
            let path = allRights ? "/keys" : "/pats"
            context.show(try await context.person(APIRequest(.post, path, json: .document(draft))).json())
        }

        /// `things:read=<id>,<id>`; without identifiers it is for all.
        static func scope(_ text: String) -> JSONValue {
            let parts = text.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
            let entities = parts.count == 2 ? parts[1].split(separator: ",").map(String.init) : nil
            return .document([("action", .string(parts[0])), ("entity_ids", entities.map(JSONValue.strings))])
        }
    }

    struct List: ClientCommand {
        static let configuration = CommandConfiguration(
            commandName: "list", abstract: "Your keys, never their secrets.")
        @Flag(help: "Those with all your rights, instead of those with scopes.") var allRights = false
        @OptionGroup var options: GlobalOptions

        func execute(_ context: CommandContext) async throws {
            let scopes = EntityColumn("SCOPES", isFlexible: true) { key in
                Table.Cell((key["scopes"]?.elements ?? []).compactMap { $0["action"]?.text }.joined(separator: ", "))
            }
            let member = allRights ? "keys" : "pats"
            let list = EntityList(path: "/\(member)", member: member, filters: [])
            context.show(
                try await list.load(limit: 10_000) { try await context.person($0) }, member,
                [
                    .identifier, .name, EntityColumn("HINT", "hint"), scopes, EntityColumn("EXPIRES", "expires_at"),
                    EntityColumn("LAST USED", "last_used_at"),
                ])
        }
    }

    struct Revoke: ClientCommand {
        static let configuration = CommandConfiguration(
            commandName: "revoke", abstract: "End a key: it is refused from now on.")
        @Argument(help: "Identifier.") var key: String
        @OptionGroup var options: GlobalOptions

        func execute(_ context: CommandContext) async throws {
            let identifier = PercentEncoding.encode(key)
            do {
                try await context.person(APIRequest(.delete, "/pats/\(identifier)"))
            } catch let failure as CommandFailure where failure.httpStatus == 404 {
                try await context.person(APIRequest(.delete, "/keys/\(identifier)"))
            }
            context.confirm("Revoked", key)
        }
    }
}
