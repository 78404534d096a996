// SPDX-License-Identifier: Apache-2.0
import ArgumentParser

/// `martlet logout`
struct LogoutCommand: ClientCommand {
    static let configuration = CommandConfiguration(
        commandName: "logout", abstract: "End the session, here and on the server.",
        discussion:
            "Things' keys stay in the profile, because the server cannot show them again; --keys forgets them too.")

    @OptionGroup var options: GlobalOptions
    @Flag(help: "Forget the stored keys of things.")
    var keys = false

    func execute(_ context: CommandContext) async throws {
        // Before the session is gone here, it is gone there: a copy of the tokens must not outlive the logout.
        guard let refresh = try context.profile()?.refreshToken else { throw context.session.notLoggedIn }
        try await TokenPair.revoke(refresh: refresh, context.client)
        try await context.store.update(context.profileName) { profile in
            profile?.accessToken = nil
            profile?.refreshToken = nil
            if keys { profile?.keys = [] }
        }
        if context.console.isJSON {
            context.console.print(.document([("profile", .string(context.profileName)), ("logged_in", .bool(false))]))
        } else {
            context.console.print("Logged out.")
        }
    }
}
