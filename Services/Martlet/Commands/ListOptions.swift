// SPDX-License-Identifier: Apache-2.0
import ArgumentParser

/// Which part of a list of entities is shown.
struct ListOptions: ParsableArguments {
    @Option(help: ArgumentHelp("Only those whose name contains this.", valueName: "text"))
    var name: String?
    @Option(help: ArgumentHelp("Only those with this tag.", valueName: "tag"))
    var tag: String?
    @Option(help: ArgumentHelp("Only those whose metadata contain this JSON object.", valueName: "json"))
    var metadata: String?
    @Option(help: ArgumentHelp("enabled, disabled or all.", valueName: "status"))
    var status: String?
    @OptionGroup var page: PageOptions

    /// As ``PageOptions/load(_:_:filters:_:)``, with these filters and perhaps further ones.
    func load(
        _ path: String, _ member: String, filters: [(name: String, value: String?)] = [], _ context: CommandContext
    ) async throws -> JSONValue {
        let own = [("name", name), ("tag", tag), ("metadata", metadata), ("status", status)]
        return try await page.load(path, member, filters: own + filters, context)
    }
}
