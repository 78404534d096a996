// SPDX-License-Identifier: Apache-2.0
import ArgumentParser

/// `martlet logout`
struct LogoutCommand: ClientCommand {
    static let configuration = CommandConfiguration(
        commandName: "logout", abstract: "End the session, here and on the server.",
        discussion:
            "Things' keys stay in the profile, because the server cannot show them again; --keys forgets them too. Where you are logged in by a key, it is forgotten here and stays good: martlet keys revoke ends it."
    )

    @OptionGroup var options: GlobalOptions
    @Flag(help: "Forget the stored keys of things.")
    var keys = false

    func execute(_ context: CommandContext) async throws {
        // Before the session is gone here, it is gone there: a copy of the tokens must not outlive the logout.
        guard let profile = try context.profile(), profile.isLoggedIn else { throw context.session.notLoggedIn }
        if let refresh = profile.refreshToken { try await TokenPair.revoke(refresh: refresh, context.client) }
        try await context.store.update(context.profileName) { profile in
            profile?.forgetLogin()
            if keys { profile?.keys = [] }
        }
        if context.console.isJSON {
            context.console.print(.document([("profile", .string(context.profileName)), ("logged_in", .bool(false))]))
        } else {
            context.console.print("Logged out.")
            if profile.apiKey != nil { context.console.note("The key itself is still good.", .faint) }
        }
    }
}
