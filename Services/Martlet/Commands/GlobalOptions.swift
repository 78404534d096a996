// SPDX-License-Identifier: Apache-2.0
import ArgumentParser

/// What every command takes.
struct GlobalOptions: ParsableArguments {
    @Option(help: ArgumentHelp("The profile: a server and a login there.", valueName: "name"))
    var profile: String?

    @Option(help: ArgumentHelp("The front door, instead of MARTLET_URL or the profile's.", valueName: "url"))
    var url: String?

    @Option(
        help: ArgumentHelp("The certificates to believe a https server by, instead of the system's.", valueName: "pem"))
    var caFile: String?

    @Flag(help: "Print JSON instead of tables.")
    var json = false
}
