// SPDX-License-Identifier: Apache-2.0
import Foundation
import TestKit

/// The client as a person has it: the program, a home of its own, a server.
final class MartletClient: Sendable {
    /// What a run of it said.
    struct Run: Sendable, CustomStringConvertible {
        var arguments: [String]
        var status: ServiceProcess.ExitStatus
        var output: String
        var errors: String
        var description: String { "martlet \(arguments.joined(separator: " ")): \(status)\n\(output)\n\(errors)" }

        func json() throws -> [String: Any] {
            try JSONSerialization.jsonObject(with: Data(output.utf8)) as? [String: Any] ?? [:]
        }

        /// Documents, a line each.
        func lines() throws -> [[String: Any]] {
            try output.split(separator: "\n").map {
                try JSONSerialization.jsonObject(with: Data($0.utf8)) as? [String: Any] ?? [:]
            }
        }
    }

    let home: TemporaryDirectory
    let environment: [String: String]
    var configuration: String { home.file("config/martlet") }

    init(url: String, environment: [String: String] = [:]) throws {
        home = try TemporaryDirectory("home")
        self.environment = [
            "HOME": home.path, "XDG_CONFIG_HOME": home.file("config"), "MARTLET_URL": url, "PATH": "/usr/bin:/bin",
        ].merging(environment) { _, new in new }
    }

    /// Starts it; its output and errors go to files of their own.
    func start(
        _ arguments: [String], input: String = "", environment: [String: String] = [:]
    ) throws -> RunningClient {
        let name = UUID().uuidString
        let files = (input: home.file("\(name).in"), output: home.file("\(name).out"), errors: home.file("\(name).err"))
        try Data(input.utf8).write(to: URL(fileURLWithPath: files.input))
        let process = try ServiceProcess(
            program: Executables.system("bash"),
            arguments: [
                "-c", #"exec "${@:4}" <"$1" >"$2" 2>"$3""#, "martlet", files.input, files.output, files.errors,
                Executables.path("martlet"),
            ] + arguments,
            environment: self.environment.merging(environment) { _, new in new }, workingDirectory: Repository.root,
            log: home.file("\(name).log"))
        return RunningClient(arguments: arguments, process: process, output: files.output, errors: files.errors)
    }

    func run(
        _ arguments: [String], input: String = "", environment: [String: String] = [:]
    ) async throws -> Run {
        try await start(arguments, input: input, environment: environment).finish()
    }

    /// Runs it, and insists on the exit code.
    @discardableResult
    func expect(
        _ code: Int32 = 0, _ arguments: String..., input: String = "", environment: [String: String] = [:]
    ) async throws -> Run {
        let run = try await run(arguments, input: input, environment: environment)
        guard run.status == .exited(code) else { throw ServiceProcess.Ended(description: "not \(code): \(run)") }
        return run
    }
}

/// A run that has not ended yet.
struct RunningClient: Sendable {
    let arguments: [String]
    let process: ServiceProcess
    let output: String
    let errors: String

    func finish(deadline: Duration = .seconds(240)) async throws -> MartletClient.Run {
        let status = try await process.waitForExit(deadline: deadline)
        return MartletClient.Run(
            arguments: arguments, status: status, output: Self.text(output), errors: Self.text(errors))
    }

    var outputSoFar: String { Self.text(output) }

    private static func text(_ path: String) -> String { (try? String(contentsOfFile: path, encoding: .utf8)) ?? "" }
}
