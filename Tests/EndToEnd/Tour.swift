// SPDX-License-Identifier: Apache-2.0
import Foundation
import TestKit

/// The READMEs' tours: every line of their `sh` blocks, pasted into one shell, one page behind the other.
enum Tour {
    private static let pages = ["README.md", "Services/Martlet/README.md"]

    static func script() throws -> String { try pages.map(script).joined(separator: "\n") }

    private static func script(_ page: String) throws -> String {
        let readme = try String(contentsOfFile: Repository.file(page), encoding: .utf8)
        var lines: [Substring] = []
        var isInside = false
        for line in readme.split(separator: "\n", omittingEmptySubsequences: false) {
            if line == "```sh" {
                isInside = true
            } else if line == "```" {
                isInside = false
            } else if isInside {
                lines.append(line)
            }
        }
        return lines.joined(separator: "\n")
    }

    /// Pastes it, and returns all that it printed.
    /// - Throws: when a line fails.
    static func paste(environment: [String: String], directory: TemporaryDirectory) async throws -> String {
        let log = directory.file("tour.log")
        // The client keeps its login where the tests keep their data, and is the one that was built with them.
        let client = ["XDG_CONFIG_HOME": directory.file("config"), "MARTLET_BIN": Executables.directory]
        let shell = try ServiceProcess(
            program: Executables.system("bash"), arguments: ["-euo", "pipefail", "-c", script()],
            environment: environment.merging(client) { _, new in new }, workingDirectory: Repository.root, log: log)
        let status = try await shell.waitForExit(deadline: .seconds(300))
        guard status == .exited(0) else { throw ServiceProcess.Ended(description: "tour: \(status)\n\(shell.log)") }
        return shell.log
    }
}
