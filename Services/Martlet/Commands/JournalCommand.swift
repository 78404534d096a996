// SPDX-License-Identifier: Apache-2.0
import ArgumentParser

/// `martlet journal`
struct JournalCommand: ClientCommand {
    static let configuration = CommandConfiguration(
        commandName: "journal", abstract: "Who did what, and what was refused: the newest first.",
        discussion: """
              martlet journal --result refused
              martlet journal --entity 0199f6d2-5a0c-7e11-9d3f-4b1c8a2e6f10
              martlet journal --operation thing.removed --json

            In the domain that you are logged in to, with its action journal:audit (administrators have it); `--mine` shows what you did yourself.
            """)

    @Option(help: ArgumentHelp("Only what touches this thing, channel, group or user.", valueName: "id"))
    var entity: String?
    @Option(help: ArgumentHelp("Only what this user did, or tried.", valueName: "id"))
    var user: String?
    @Option(help: ArgumentHelp("Only this operation: thing.updated, …", valueName: "operation"))
    var operation: String?
    @Option(help: ArgumentHelp("done, refused or failed.", valueName: "result"))
    var result: String?
    @Option(help: ArgumentHelp("Only what came from this address.", valueName: "address"))
    var address: String?
    @Flag(help: "Only what you did yourself, wherever.")
    var mine = false
    @OptionGroup var page: PageOptions
    @OptionGroup var options: GlobalOptions

    func validate() throws {
        if mine && user != nil { throw ValidationError("--mine and --user exclude each other.") }
    }

    func execute(_ context: CommandContext) async throws {
        let filters = [
            ("entity_id", entity), ("user", user), ("operation", operation), ("result", result), ("address", address),
        ]
        context.show(
            try await page.load(path(context), "journals", filters: filters, context), "journals", Self.columns)
    }

    private func path(_ context: CommandContext) async throws -> String {
        guard mine else { return "/journal" }
        let profile = try await context.person(APIRequest(.get, "/users/profile")).json()
        return "/journal/user/\(profile["id"]?.text ?? "")"
    }

    private static let columns = [
        EntityColumn("WHEN", "occurred_at"),
        EntityColumn("RESULT") { entry in
            let result = entry["result"]?.text
            return Table.Cell(result, result == "done" ? .good : .warning)
        },
        EntityColumn("TIMES", "count"),
        EntityColumn("WHAT", "operation", isFlexible: true),
        EntityColumn("REASON", "reason"),
        EntityColumn("WHO", "user_id"),
        EntityColumn("FROM", "address"),
    ]
}
