// SPDX-License-Identifier: Apache-2.0
import ArgumentParser

// What a device that speaks CoAP over DTLS proves itself by.
extension ThingsCommand {
    struct PreSharedKeys: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "psk", abstract: "A thing's pre-shared key for DTLS: set, show, remove.",
            discussion: """
                The secret is shown once, in hexadecimal, when it is made. One that the device has from its factory is asked for, or read from standard
                input; it is never an argument.

                  martlet things psk set boiler-7
                  martlet things psk set boiler-7 --identity SN-0042 --secret-stdin <secret.hex
                """, subcommands: [Set.self, Show.self, Remove.self])

        struct Set: ClientCommand {
            static let configuration = CommandConfiguration(
                commandName: "set", abstract: "Make a pre-shared key; the one before ends at once.")
            @Argument(help: "Identifier or name.") var thing: String
            @Option(
                help: ArgumentHelp(
                    "What the device names in its handshake; as before, or else the thing's identifier, where it is not given.",
                    valueName: "text"))
            var identity: String?
            @Flag(help: "Ask for a secret of your own, 16 to 64 bytes in hexadecimal or base64.") var ownSecret = false
            @Flag(help: "Read it from standard input.") var secretStdin = false
            @OptionGroup var options: GlobalOptions

            func execute(_ context: CommandContext) async throws {
                let path = "/things/\(try await context.thing(thing))/psk"
                let secret = ownSecret || secretStdin ? try context.secret("Pre-shared key: ", secretStdin) : nil
                let body = JSONValue.document([
                    ("identity", identity.map(JSONValue.string)), ("secret", secret.map(JSONValue.string)),
                ])
                try await context.show(answerTo: APIRequest(.put, path, json: body))
            }
        }

        struct Show: ClientCommand {
            static let configuration = CommandConfiguration(
                commandName: "show", abstract: "Its identity and when it was made; never the secret.")
            @Argument(help: "Identifier or name.") var thing: String
            @OptionGroup var options: GlobalOptions

            func execute(_ context: CommandContext) async throws {
                try await context.show(answerTo: APIRequest(.get, "/things/\(context.thing(thing))/psk"))
            }
        }

        struct Remove: ClientCommand {
            static let configuration = CommandConfiguration(
                commandName: "remove", abstract: "Refuse it from now on; live sessions end.")
            @Argument(help: "Identifier or name.") var thing: String
            @OptionGroup var options: GlobalOptions

            func execute(_ context: CommandContext) async throws {
                let identifier = try await context.thing(thing)
                try await context.person(APIRequest(.delete, "/things/\(identifier)/psk"))
                context.confirm("Removed the pre-shared key of", identifier)
            }
        }
    }
}
