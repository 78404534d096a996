// SPDX-License-Identifier: Apache-2.0
import ArgumentParser

/// How much of a list is shown.
struct PageOptions: ParsableArguments {
    @Option(help: "How many at most.")
    var limit = 100
    @Option(help: "How many to pass over.")
    var offset = 0

    func validate() throws {
        guard (1...100_000).contains(limit) else { throw ValidationError("--limit must be from 1 to 100000.") }
        guard offset >= 0 else { throw ValidationError("--offset must not be negative.") }
    }

    /// Reads pages of a list until it has as many as asked for.
    ///
    /// - Parameters:
    ///   - member: what the list is called in the document.
    ///   - filters: what the server narrows it by; those without a value are left out.
    /// - Returns: `{total, offset, <member>: […]}`, one document however many pages it took.
    func load(
        _ path: String, _ member: String, filters: [(name: String, value: String?)] = [], _ context: CommandContext
    ) async throws -> JSONValue {
        let filters = filters.compactMap { name, value in value.map { (name: name, value: $0) } }
        let list = EntityList(path: path, member: member, filters: filters)
        return try await list.load(offset: offset, limit: limit) { try await context.person($0) }
    }
}
