// SPDX-License-Identifier: Apache-2.0
import ArgumentParser

/// A command that talks to the server.
protocol ClientCommand: AsyncParsableCommand {
    var options: GlobalOptions { get }
    /// How many connections it can use.
    var connections: Int { get }

    func execute(_ context: CommandContext) async throws
}

extension ClientCommand {
    var connections: Int { 8 }

    mutating func run() async throws {
        let context = try CommandContext(options, connections: connections)
        let result: Result<Void, any Error>
        do { result = .success(try await execute(context)) } catch { result = .failure(error) }
        await context.client.shutdown()
        try result.get()
    }
}
