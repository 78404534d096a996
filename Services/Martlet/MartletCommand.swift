// SPDX-License-Identifier: Apache-2.0
import ArgumentParser

/// `martlet`
struct MartletCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "martlet",
        abstract: "Talks to a Martlet IoT platform: its people, things, channels and messages.",
        discussion: """
            A first minute, with a Martlet on this machine (make run):

              martlet login --identity admin@example.com
              martlet things create boiler-7
              martlet channels create hall-2
              martlet connect boiler-7 hall-2
              martlet publish hall-2 'temperature=71.5[Cel]' 'pressure=182000[Pa]'
              martlet read hall-2
              martlet watch hall-2

            Things and channels go by identifier or name. Every command takes --json and --help.

            Environment: MARTLET_URL (the front door, \(ServerAddress.local) unless the profile says otherwise), MARTLET_PROFILE, \
            MARTLET_KEY (a thing's key), MARTLET_TOKEN (an access token or a key, instead of a login), NO_COLOR.

            Exit codes:

            \(exitCodes)
            """,
        version: Program.version,
        groupedSubcommands: [
            CommandGroup(
                name: "Who you are",
                subcommands: [
                    LoginCommand.self, LogoutCommand.self, WhoAmICommand.self, ProfileCommand.self, KeysCommand.self,
                    PasswordCommand.self,
                ]),
            CommandGroup(
                name: "What there is",
                subcommands: [
                    ThingsCommand.self, ChannelsCommand.self, ConnectCommand.self, DisconnectCommand.self,
                    GroupsCommand.self,
                ]),
            CommandGroup(
                name: "Who may do what",
                subcommands: [
                    DomainsCommand.self, MembersCommand.self, RolesCommand.self, UserGroupsCommand.self,
                    InvitationsCommand.self, UsersCommand.self,
                ]),
            CommandGroup(
                name: "Messages",
                subcommands: [PublishCommand.self, ReadCommand.self, WatchCommand.self, TraceCommand.self]),
            CommandGroup(
                name: "How it is",
                subcommands: [
                    StatusCommand.self, ClientsCommand.self, JournalCommand.self, SimulateCommand.self,
                    CompletionsCommand.self,
                ]),
        ])

    private static let exitCodes = ExitStatus.allCases.map { status in
        "  \(TextWidth.padded(String(status.rawValue), to: 4))\(status.meaning)"
    }.joined(separator: "\n")
}
