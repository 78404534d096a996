// SPDX-License-Identifier: Apache-2.0
import ArgumentParser

/// `martlet disconnect`
struct DisconnectCommand: ClientCommand {
    static let configuration = CommandConfiguration(
        commandName: "disconnect", abstract: "Take a connection, or one of its ways, back.",
        discussion: "It ends within a second, for what is connected now too.")

    @OptionGroup var ends: ConnectionEnds
    @OptionGroup var options: GlobalOptions

    func execute(_ context: CommandContext) async throws {
        try await context.person(APIRequest(.post, "/disconnect", json: ends.body(context)))
        ends.confirm("disconnected", context)
    }
}
