// SPDX-License-Identifier: Apache-2.0
import Bus
import Core
import Foundation
import Logging
import TestKit
import Testing

/// What the contract needs of an implementation of ``Bus/Bus``: a server of its own, with empty storage, that can be killed.
protocol BusEngine: Sendable, CustomTestStringConvertible {
    func start() async throws -> any RunningBusEngine
}

protocol RunningBusEngine: Sendable {
    /// A connected client that may do everything.
    func connect() async throws -> any Bus
    /// A connected client that may do what the role `http-adapter` may.
    func connectAsAdapter() async throws -> any Bus
    /// A client of a server that may not be there.
    func connectInBackground() -> any Bus
    /// kill -9.
    func kill() async
    func startAgain() async throws
    /// While it is killed: its disk is lost, or kept beside it and put back later, as from a backup.
    func loseStorage() throws
    func keepStorage() throws
    func restoreStorage() throws
    /// A connected client that takes a server for dead from which it heard nothing for so long.
    func connect(takingForDeadAfter silence: Duration) async throws -> any Bus
    /// kill -STOP and kill -CONT.
    func suspend() async
    func resume() async
    func stop() async
}

/// The engines that the contract is run on.
let engines: [any BusEngine] = [SocketEngine()]

/// The bus daemon as its own process, and ``SocketBus``.
struct SocketEngine: BusEngine {
    var testDescription: String { "socket" }

    func start() async throws -> any RunningBusEngine { try await RunningSocketEngine() }
}

actor Restartable {
    var process: ServiceProcess

    init(_ process: ServiceProcess) { self.process = process }

    func kill() async { await process.kill() }

    func startAgain() throws { process = try process.startAgain() }
}

final class RunningSocketEngine: RunningBusEngine {
    let directory: TemporaryDirectory
    private let process: Restartable
    private let processLog: String

    init(environment: [String: String] = [:]) async throws {
        let directory = try TemporaryDirectory("bus")
        self.directory = directory
        processLog = directory.file("bus.log")
        let base = [
            "MARTLET_BUS_SOCKET": directory.file("bus.sock"),
            "MARTLET_BUS_DATA": directory.file("data"),
            "MARTLET_BUS_TEST_ROLE": "true",
            "MARTLET_BUS_HTTP_PORT": String(try FreePort.next()),
        ]
        process = Restartable(
            try ServiceProcess.start(
                "bus", environment: base.merging(environment) { $1 }, log: directory.file("bus.log")))
    }

    /// Quick to find a dead peer; everything else as in production.
    func configuration(name: String = "test") -> SocketBusConfiguration {
        var configuration = SocketBusConfiguration(path: directory.file("bus.sock"), name: name)
        configuration.backOff = BackOff(base: .milliseconds(10), ceiling: .milliseconds(200))
        return configuration
    }

    func connect(_ configuration: SocketBusConfiguration) async throws -> SocketBus {
        let bus = SocketBus.connect(configuration, logger: Logger(label: "test"))
        do {
            try await bus.waitUntilConnected(timeout: .seconds(60))
        } catch {
            let log = (try? String(contentsOfFile: processLog, encoding: .utf8)) ?? ""
            throw ServiceProcess.Ended(description: "\(error): \(log.suffix(4000))")
        }
        return bus
    }

    func connect() async throws -> any Bus { try await connect(configuration()) }
    func connectAsAdapter() async throws -> any Bus { try await connect(configuration(name: "http-adapter")) }

    func connectInBackground() -> any Bus { SocketBus.connect(configuration(), logger: Logger(label: "test")) }

    func kill() async { await process.kill() }
    func startAgain() async throws { try await process.startAgain() }
    func loseStorage() throws { try FileManager.default.removeItem(atPath: directory.file("data")) }
    func keepStorage() throws {
        try FileManager.default.copyItem(atPath: directory.file("data"), toPath: directory.file("kept"))
    }
    func restoreStorage() throws {
        try loseStorage()
        try FileManager.default.moveItem(atPath: directory.file("kept"), toPath: directory.file("data"))
    }
    func suspend() async { await process.process.suspend() }
    func resume() async { await process.process.resume() }

    func connect(takingForDeadAfter silence: Duration) async throws -> any Bus {
        var configuration = configuration()
        configuration.peerTimeout = silence
        configuration.pingInterval = silence / 4
        return try await connect(configuration)
    }

    func stop() async { await process.kill() }
}

/// Runs `body` with a fresh server.
func withEngine(_ engine: any BusEngine, _ body: (any RunningBusEngine) async throws -> Void) async throws {
    let running = try await engine.start()
    do {
        try await body(running)
        await running.stop()
    } catch {
        await running.stop()
        throw error
    }
}
