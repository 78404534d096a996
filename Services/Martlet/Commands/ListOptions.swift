// SPDX-License-Identifier: Apache-2.0
import ArgumentParser

/// Which part of a list is shown.
struct ListOptions: ParsableArguments {
    @Option(help: ArgumentHelp("Only those whose name contains this.", valueName: "text"))
    var name: String?
    @Option(help: ArgumentHelp("Only those with this tag.", valueName: "tag"))
    var tag: String?
    @Option(help: ArgumentHelp("Only those whose metadata contain this JSON object.", valueName: "json"))
    var metadata: String?
    @Option(help: ArgumentHelp("enabled, disabled or all.", valueName: "status"))
    var status: String?
    @Option(help: "How many at most.")
    var limit = 100
    @Option(help: "How many to pass over.")
    var offset = 0

    func validate() throws {
        guard (1...100_000).contains(limit) else { throw ValidationError("--limit must be from 1 to 100000.") }
        guard offset >= 0 else { throw ValidationError("--offset must not be negative.") }
    }

    private var filters: [(name: String, value: String)] {
        [("name", name), ("tag", tag), ("metadata", metadata), ("status", status)]
            .compactMap { name, value in value.map { (name, $0) } }
    }

    /// Reads pages of a list until it has as many as asked for.
    ///
    /// - Parameter member: what the list is called in the document.
    /// - Returns: `{total, offset, <member>: […]}`, one document however many pages it took.
    func load(_ path: String, _ member: String, _ context: CommandContext) async throws -> JSONValue {
        let list = EntityList(path: path, member: member, filters: filters)
        return try await list.load(offset: offset, limit: limit) { try await context.person($0) }
    }
}
