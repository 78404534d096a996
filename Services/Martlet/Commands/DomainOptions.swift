// SPDX-License-Identifier: Apache-2.0
import ArgumentParser

/// The domain that a command about people is for.
struct DomainOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "The domain, instead of the one that you are logged in to: identifier, route or name.", valueName: "domain")
    )
    var domain: String?

    func identifier(_ context: CommandContext) async throws -> String {
        if let domain { return try await context.domain(domain) }
        return try await context.currentDomain()
    }
}
