// SPDX-License-Identifier: Apache-2.0
import ArgumentParser

/// `martlet login`
struct LoginCommand: ClientCommand {
    static let configuration = CommandConfiguration(
        commandName: "login", abstract: "Log in, and stay logged in.",
        discussion: """
            The password is asked for without being shown, or read from the first line of standard input; it is never an argument, which every \
            process of the machine could see. What proves the login is kept in ~/.config/martlet, for you alone (mode 600), and renewed by itself.

              martlet login --identity ada@example.com
              martlet login --profile plant --url https://iot.example.com --identity ada
              martlet login --identity ada --password-stdin < password-file

            With --key the profile holds a key for programs (martlet keys) instead, which every command uses from then on. It is taken from MARTLET_TOKEN, \
            else from standard input, else asked for.

              martlet login --profile ci --key < key-file
            """)

    @OptionGroup var options: GlobalOptions
    @Option(help: "Your e-mail address or name. Asked for when it is not given and not known.")
    var identity: String?
    @Option(
        help: ArgumentHelp(
            "The domain to work in: identifier, route or name; the one that a key is for, by identifier.",
            valueName: "domain"))
    var domain: String?
    @Flag(help: "Log in by a key for programs instead of a password.")
    var key = false
    @Flag(help: "Read the password from standard input.")
    var passwordStdin = false

    func validate() throws {
        if key && identity != nil { throw ValidationError("A key says whose it is: --identity goes without --key.") }
    }

    func execute(_ context: CommandContext) async throws {
        if key {
            let given =
                try CommandContext.variable("MARTLET_TOKEN", context.environment)
                ?? context.secret("Key: ", passwordStdin || PasswordPrompt.isStandardInputGiven)
            return try await KeyLogin(context: context, key: given).run(domain: domain)
        }
        let known = try context.profile()
        guard let identity = identity ?? known?.identity else {
            throw CommandFailure.usage("who logs in?", advice: "martlet login --identity <e-mail address or name>")
        }
        let secret = try context.secret("Password of \(identity): ", passwordStdin)
        let login = Login(context: context, identity: identity, secret: secret)
        try await login.run(domain: domain)
    }
}
