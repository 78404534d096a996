// SPDX-License-Identifier: Apache-2.0
import Foundation
import Glibc

/// A program of the product, or of the system, run as a child of the tests: its output goes to a file, it can be killed, stopped and started
/// again, and it never outlives the test process.
///
///     let bus = try ServiceProcess.start("bus", environment: […], log: directory.file("bus.log"))
///     try await bus.waitForLog("listening")
///     await bus.kill()
///     let again = try bus.startAgain()
///
/// Dropping the last reference kills it.
public final class ServiceProcess: Sendable {
    public enum ExitStatus: Sendable, Equatable {
        case exited(Int32)
        case killed(signal: Int32)
    }

    /// It ended although it was expected to run; the description carries the end of its log.
    public struct Ended: Error, CustomStringConvertible {
        public let description: String

        public init(description: String) { self.description = description }
    }

    public let program: String
    public let arguments: [String]
    public let environment: [String: String]
    public let workingDirectory: String?
    /// Standard output and error, appended.
    public let logPath: String
    private let child: ChildProcess

    /// - Parameters:
    ///   - program: an absolute path.
    ///   - environment: everything it gets, beside `PATH`, `HOME` and `LD_LIBRARY_PATH` of this process.
    public init(
        program: String, arguments: [String] = [], environment: [String: String] = [:],
        workingDirectory: String? = nil, log: String
    ) throws {
        self.program = program
        self.arguments = arguments
        self.environment = environment
        self.workingDirectory = workingDirectory
        logPath = log
        var variables = environment
        for name in ["PATH", "HOME", "LD_LIBRARY_PATH"] where variables[name] == nil {
            variables[name] = ProcessInfo.processInfo.environment[name]
        }
        child = try ChildProcess(
            program: program, arguments: arguments, environment: variables, directory: workingDirectory, log: log)
    }

    /// Starts an executable of the product: `bus`, `things`, `http-adapter`, …
    public static func start(
        _ name: String, arguments: [String] = [], environment: [String: String] = [:],
        workingDirectory: String? = nil, log: String
    ) throws -> ServiceProcess {
        try ServiceProcess(
            program: Executables.path(name), arguments: arguments, environment: environment,
            workingDirectory: workingDirectory, log: log)
    }

    deinit { child.signal(SIGKILL) }

    /// The same program with the same arguments, environment and log, once this one has ended.
    public func startAgain() throws -> ServiceProcess {
        try ServiceProcess(
            program: program, arguments: arguments, environment: environment, workingDirectory: workingDirectory,
            log: logPath)
    }

    public var processIdentifier: Int32 { child.identifier }

    /// nil while it runs.
    public var exitStatus: ExitStatus? { child.exitStatus }
    public var isRunning: Bool { child.exitStatus == nil }

    /// Sends a signal; nothing happens when it has ended already.
    public func signal(_ number: Int32) { child.signal(number) }

    /// kill -STOP: it keeps its sockets and answers nothing. Returns when all of its threads stand still: one that runs on another processor goes on for a
    /// while.
    public func suspend() {
        child.signal(SIGSTOP)
        for _ in 0..<5_000 where !child.standsStill { usleep(1_000) }
    }

    /// kill -CONT.
    public func resume() { child.signal(SIGCONT) }

    /// kill -9; returns once it is gone.
    @discardableResult
    public func kill() async -> ExitStatus? {
        child.signal(SIGKILL)
        return await child.waitForExit()
    }

    /// Asks it to stop (SIGTERM) and waits until it has.
    /// - Throws: ``DeadlineExceeded``, after it was killed instead.
    @discardableResult
    public func terminate(deadline: Duration = .seconds(30)) async throws -> ExitStatus {
        child.signal(SIGTERM)
        // A stopped process takes its signals when it goes on.
        child.signal(SIGCONT)
        do {
            return try await waitForExit(deadline: deadline)
        } catch {
            await kill()
            throw error
        }
    }

    /// - Throws: ``DeadlineExceeded`` when it still runs then.
    @discardableResult
    public func waitForExit(deadline: Duration = .seconds(60)) async throws -> ExitStatus {
        let child = child
        let status = try await within(deadline, "\(program) ends") { await child.waitForExit() }
        guard let status else { throw CancellationError() }
        return status
    }

    /// All output so far.
    public var log: String { (try? String(contentsOfFile: logPath, encoding: .utf8)) ?? "" }

    /// Waits for a condition of a program that must stay alive meanwhile.
    /// - Throws: ``Ended`` when it does not, ``DeadlineExceeded`` with the end of the log.
    public func wait(
        _ what: String, deadline: Duration = .seconds(60), isolation: isolated (any Actor)? = #isolation,
        until condition: () async throws -> Bool
    ) async throws {
        do {
            try await eventually(what, deadline: deadline) {
                if try await condition() { return true }
                if let status = exitStatus {
                    throw Ended(description: "\(program) ended (\(status)) before: \(what)\n\(log.suffix(4000))")
                }
                return false
            }
        } catch let error as DeadlineExceeded {
            throw Ended(description: "\(program): \(error)\n\(log.suffix(4000))")
        }
    }

    /// Waits until the log has the text.
    public func waitForLog(_ text: String, deadline: Duration = .seconds(60)) async throws {
        try await wait("the log says '\(text)'", deadline: deadline) { log.contains(text) }
    }
}
