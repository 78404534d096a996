// SPDX-License-Identifier: Apache-2.0
import Foundation
import Glibc
import TestKit
import Testing

/// The first of the two commands: everything starts, the README's tour works, what dies comes back, everything stops.
@Suite(.serialized) struct LocalRunTests {
    @Test func tourOfTheReadmeWorksAsPasted() async throws {
        let run = try LocalRun()
        let process = try await run.start()
        let output = try await Tour.paste(environment: run.environment, directory: run.data)
        // connect, publish, disconnect print a status each
        #expect(output.contains("\n202\n"), "\(output)")
        #expect(output.contains("71.5"), "\(output)")
        #expect(output.contains("182000"), "\(output)")
        #expect(output.contains(#""status": 403"#), "\(output)")
        #expect(!output.contains("curl:"), "\(output)")

        try await killsComeBack(run, process)
        process.signal(SIGINT)
        #expect(try await process.waitForExit(deadline: .seconds(60)) == .exited(130))
        try await eventually("nothing is left running", deadline: .seconds(20)) { run.processes().isEmpty }
    }

    private func killsComeBack(_ run: LocalRun, _ process: ServiceProcess) async throws {
        let front = HTTPClient(port: run.port)
        for service in ["things", "bus", "http-adapter", "nginx"] {
            let before = try #require(run.processIdentifier(of: service), "\(service) runs")
            kill(before, SIGKILL)
            try await process.wait("\(service) comes back", deadline: .seconds(60)) {
                guard let now = run.processIdentifier(of: service), now != before else { return false }
                return try await healthy(front)
            }
        }
    }

    private func healthy(_ front: HTTPClient) async throws -> Bool {
        for service in ["users", "things", "http-adapter", "reader-postgres"] {
            guard (try? await front.get("/health/\(service)"))?.status == 200 else { return false }
        }
        return true
    }

    @Test func killedRunLeavesNothingBehindAndStartsAgainOnItsStaleFiles() async throws {
        let run = try LocalRun()
        let first = try await run.start()
        await first.kill()
        try await eventually("its children ended with it", deadline: .seconds(60)) { run.processes().isEmpty }

        let second = try await run.start()
        // While it runs, a second one on the same data is refused with a reason.
        let log = run.data.file("third.log")
        let third = try ServiceProcess(
            program: Repository.file("deploy/local/run"), arguments: ["--binaries", Executables.directory],
            environment: run.environment, log: log)
        #expect(try await third.waitForExit() == .exited(1))
        #expect(third.log.contains("already running"))
        second.signal(SIGTERM)
        #expect(try await second.waitForExit() == .exited(143))
        try await eventually("nothing is left running", deadline: .seconds(20)) { run.processes().isEmpty }
    }

    /// As an ordinary user, when the tests run as root (otherwise every other test here shows it).
    @Test func worksAsAnOrdinaryUser() async throws {
        guard geteuid() == 0 else { return }
        let run = try LocalRun()
        let nobody = try #require(getpwnam("nobody")).pointee
        #expect(chown(run.data.path, nobody.pw_uid, nobody.pw_gid) == 0)
        let process = try await run.start(as: "nobody")
        let output = try await Tour.paste(environment: run.environment, directory: run.data)
        #expect(output.contains("71.5"), "\(output)")
        process.signal(SIGINT)
        #expect(try await process.waitForExit(deadline: .seconds(60)) == .exited(130))
        try await eventually("nothing is left running", deadline: .seconds(20)) { run.processes().isEmpty }
    }
}
