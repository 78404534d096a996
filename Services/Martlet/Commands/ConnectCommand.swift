// SPDX-License-Identifier: Apache-2.0
import ArgumentParser

/// `martlet connect`
struct ConnectCommand: ClientCommand {
    static let configuration = CommandConfiguration(
        commandName: "connect", abstract: "Let a thing use a channel, both ways or one.",
        discussion: """
              martlet connect boiler-7 hall-2
              martlet connect boiler-7 hall-2 --publish
            """)

    @OptionGroup var ends: ConnectionEnds
    @OptionGroup var options: GlobalOptions

    func execute(_ context: CommandContext) async throws {
        try await context.person(APIRequest(.post, "/connect", json: ends.body(context)))
        ends.confirm("connected", context)
    }
}
