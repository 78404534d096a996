// SPDX-License-Identifier: Apache-2.0
import ArgumentParser

/// `martlet password`
struct PasswordCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "password", abstract: "Change the password, or replace a lost one.",
        discussion: "Passwords and tokens are asked for, or read from standard input, a line each; never arguments.",
        subcommands: [Change.self, RequestReset.self, Reset.self])

    struct Change: ClientCommand {
        static let configuration = CommandConfiguration(
            commandName: "change", abstract: "Set a new password; all other sessions end.")
        @Flag(help: "Read the old and the new password from standard input, a line each.") var passwordStdin = false
        @Flag(help: "End all your keys for programs, too.") var revokeKeys = false
        @OptionGroup var options: GlobalOptions

        func execute(_ context: CommandContext) async throws {
            let old = try context.secret("Old password: ", passwordStdin)
            let new = try context.secret("New password: ", passwordStdin)
            let body = JSONValue.document([
                ("old_secret", .string(old)), ("new_secret", .string(new)),
                ("revoke_keys", revokeKeys ? .bool(true) : nil),
            ])
            let user = try await context.person(APIRequest(.patch, "/users/secret", json: body)).json()
            context.confirm("Changed the password of", user["id"]?.text ?? "")
        }
    }

    struct RequestReset: ClientCommand {
        static let configuration = CommandConfiguration(
            commandName: "request-reset", abstract: "Have a token for a new password mailed.")
        @Argument(help: "What the person logs in with.") var identity: String
        @OptionGroup var options: GlobalOptions

        func execute(_ context: CommandContext) async throws {
            let body = JSONValue.document([("email", .string(identity))])
            let request = APIRequest(.post, "/password/reset-request", json: body)
            let answer = try await context.client.send(request).success().json()
            context.show(answer)
        }
    }

    struct Reset: ClientCommand {
        static let configuration = CommandConfiguration(
            commandName: "reset", abstract: "Set a new password by the token of a mail; all sessions end.")
        @Flag(help: "Read the token and the new password from standard input, a line each.") var passwordStdin = false
        @OptionGroup var options: GlobalOptions

        func execute(_ context: CommandContext) async throws {
            let token = try context.secret("Token of the mail: ", passwordStdin)
            let new = try context.secret("New password: ", passwordStdin)
            let body = JSONValue.document([("token", .string(token)), ("password", .string(new))])
            let answer = try await context.client.send(APIRequest(.put, "/password/reset", json: body)).success().json()
            context.show(answer)
        }
    }
}
