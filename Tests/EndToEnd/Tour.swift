// SPDX-License-Identifier: Apache-2.0
import Foundation
import TestKit

/// The README's tour: every line of its `sh` blocks, pasted into one shell.
enum Tour {
    static func script() throws -> String {
        let readme = try String(contentsOfFile: Repository.file("README.md"), encoding: .utf8)
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
        let shell = try ServiceProcess(
            program: Executables.system("bash"), arguments: ["-euo", "pipefail", "-c", script()],
            environment: environment, workingDirectory: Repository.root, log: log)
        let status = try await shell.waitForExit(deadline: .seconds(120))
        guard status == .exited(0) else { throw ServiceProcess.Ended(description: "tour: \(status)\n\(shell.log)") }
        return shell.log
    }
}
