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
            """)

    @OptionGroup var options: GlobalOptions
    @Option(help: "Your e-mail address or name. Asked for when it is not given and not known.")
    var identity: String?
    @Option(help: ArgumentHelp("The domain to work in: identifier, route or name.", valueName: "domain"))
    var domain: String?
    @Flag(help: "Read the password from standard input.")
    var passwordStdin = false

    func execute(_ context: CommandContext) async throws {
        let known = try context.profile()
        guard let identity = identity ?? known?.identity else {
            throw CommandFailure.usage("who logs in?", advice: "martlet login --identity <e-mail address or name>")
        }
        let secret = try PasswordPrompt.read("Password of \(identity): ", fromStandardInput: passwordStdin)
        let login = Login(context: context, identity: identity, secret: secret)
        try await login.run(domain: domain)
    }
}
