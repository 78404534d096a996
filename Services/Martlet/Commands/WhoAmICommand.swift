// SPDX-License-Identifier: Apache-2.0
import ArgumentParser

/// `martlet whoami`
struct WhoAmICommand: ClientCommand {
    static let configuration = CommandConfiguration(
        commandName: "whoami", abstract: "Who is logged in, where, and in which role.")

    @OptionGroup var options: GlobalOptions

    func execute(_ context: CommandContext) async throws { try await WhoAmI(context: context).show() }
}
