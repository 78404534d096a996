// SPDX-License-Identifier: Apache-2.0
import Foundation
import Glibc
import TestKit
import Testing

/// What every other integration test relies on.
@Suite struct TestKitTests {
    private func sleeper(_ directory: TemporaryDirectory, _ script: String) throws -> ServiceProcess {
        try ServiceProcess(
            program: Executables.system("sh"), arguments: ["-c", script], environment: ["GREETING": "hello"],
            workingDirectory: directory.path, log: directory.file("log"))
    }

    @Test func outputEnvironmentFolderAndStatus() async throws {
        let directory = try TemporaryDirectory("kit")
        let process = try sleeper(directory, "echo $GREETING; pwd >&2; exit 3")
        #expect(try await process.waitForExit() == .exited(3))
        #expect(process.log == "hello\n\(directory.path)\n")
        #expect(!process.isRunning)
    }

    @Test func killedStoppedAndStartedAgain() async throws {
        let directory = try TemporaryDirectory("kit")
        let process = try sleeper(directory, "echo ready; exec sleep 1000")
        try await process.waitForLog("ready")
        process.suspend()
        process.resume()
        #expect(process.isRunning)
        #expect(await process.kill() == .killed(signal: SIGKILL))
        let again = try process.startAgain()
        try await again.waitForLog("ready\nready")
        #expect(try await again.terminate() == .killed(signal: SIGTERM))
    }

    @Test func theEndIsReportedWithTheLog() async throws {
        let directory = try TemporaryDirectory("kit")
        let process = try sleeper(directory, "echo why; exit 1")
        await #expect {
            try await process.waitForLog("never")
        } throws: { "\($0)".contains("why") && $0 is ServiceProcess.Ended }
    }

    @Test func aChildDiesWithTheThreadsProcess() async throws {
        // The parent of this child is a shell that is killed: what the shell started through the same tool must go with it.
        let directory = try TemporaryDirectory("kit")
        let setpriv = try Executables.system("setpriv")
        let parent = try sleeper(
            directory, "\(setpriv) --pdeathsig KILL -- sleep 1000 & echo $! > pid; echo ready; wait")
        try await parent.waitForLog("ready")
        let text = try String(contentsOfFile: directory.file("pid"), encoding: .utf8)
        let child = try #require(Int32(text.trimmingCharacters(in: .whitespacesAndNewlines)))
        try await eventually("the child has become the program") {
            (try? String(contentsOfFile: "/proc/\(child)/comm", encoding: .utf8)) == "sleep\n"
        }
        await parent.kill()
        try await eventually("the child is gone") {
            let status = try? String(contentsOfFile: "/proc/\(child)/stat", encoding: .utf8)
            return status == nil || status?.contains(") Z ") == true
        }
    }

    @Test func droppingTheProcessKillsIt() async throws {
        let directory = try TemporaryDirectory("kit")
        var process: ServiceProcess? = try sleeper(directory, "echo ready; exec sleep 1000")
        try await process?.waitForLog("ready")
        let identifier = try #require(process?.processIdentifier)
        process = nil
        try await eventually("it is gone") { Glibc.kill(identifier, 0) != 0 }
    }

    @Test func foldersAreRemovedAndPortsAreFree() throws {
        var directory: TemporaryDirectory? = try TemporaryDirectory("kit")
        let path = try #require(directory?.path)
        #expect(FileManager.default.fileExists(atPath: path))
        directory = nil
        #expect(!FileManager.default.fileExists(atPath: path))
        let ports = try (0..<50).map { _ in try FreePort.next() }
        #expect(Set(ports).count == 50)
        #expect(ports.allSatisfy { $0 < 32_768 })
    }

    @Test func waitingEnds() async throws {
        await #expect(throws: DeadlineExceeded.self) {
            try await eventually("never", deadline: .milliseconds(50)) { false }
        }
        await #expect(throws: DeadlineExceeded.self) {
            try await within(.milliseconds(50)) { try await Task.sleep(for: .seconds(3600)) }
        }
        #expect(throws: Executables.Missing.self) { try Executables.system("no-such-program") }
    }
}
