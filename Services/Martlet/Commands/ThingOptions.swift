// SPDX-License-Identifier: Apache-2.0
import ArgumentParser

/// Who speaks, where a thing does.
struct ThingOptions: ParsableArguments {
    @Option(help: ArgumentHelp("The thing whose stored key is used: identifier or name.", valueName: "thing"))
    var thing: String?
    @Option(help: ArgumentHelp("A thing's key. MARTLET_KEY keeps it from other users' eyes.", valueName: "key"))
    var key: String?
}
