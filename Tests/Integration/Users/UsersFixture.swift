// SPDX-License-Identifier: Apache-2.0
import Bus
import Core
import Foundation
import HTTPKit
import Identity
import Logging
import Observability
import ServiceKit
import Synchronization
import TestKit
import UsersService

/// `users` in this process, on a database of its own, with a real bus beside it.
final class UsersFixture: Sendable {
    static let adminEmail = "admin@example.com"
    static let adminPassword = "admin's password"

    let client: HTTPClient
    let bus: BusProcess
    let databaseURL: String
    let clock: ShiftedClock
    private let group: ServiceGroup
    private let run: Task<Void, any Error>

    /// Runs `body` against a fresh service; everything is taken down afterwards.
    ///
    /// - Parameter settings: overrides of the configuration.
    static func with(
        _ settings: [String: any Sendable] = [:], _ body: (UsersFixture) async throws -> Void
    ) async throws {
        let fixture = try await start(settings)
        do {
            try await body(fixture)
        } catch {
            await fixture.stop()
            throw error
        }
        await fixture.stop()
    }

    private static func start(_ settings: [String: any Sendable]) async throws -> UsersFixture {
        let bus = try await BusProcess.start()
        let url = try await PostgresCluster.shared().createDatabase()
        let clock = ShiftedClock()
        let (environment, group) = try await instance(bus: bus, databaseURL: url, settings, clock: clock.wallClock)
        let run = Task { try await group.run() }
        let client = HTTPClient(port: await environment.httpPort.value())
        let fixture = UsersFixture(
            client: client, bus: bus, databaseURL: url, clock: clock, group: group, run: run)
        try await eventually("users is healthy") { try await client.get("/health").status == 200 }
        return fixture
    }

    /// One more instance of the service on the same database and bus.
    static func instance(
        bus: BusProcess, databaseURL: String, _ settings: [String: any Sendable] = [:], clock: WallClock = .system
    ) async throws -> (ServiceEnvironment, ServiceGroup) {
        var all: [String: any Sendable] = [
            "http.port": 0, "bus.socket": bus.socket, "database.url": databaseURL, "admin.email": adminEmail,
            "admin.password": adminPassword, "self.register": true, "password.cost": 10, "logins.per.minute": 1_000,
            "lockout.failures": 1_000,
        ]
        all.merge(settings) { _, new in new }
        let description = UsersService.description
        let environment = ServiceEnvironment(
            name: "users", configuration: try await ServiceConfiguration(description.allKeys, overriding: all),
            logger: Logger(label: "users") { _ in SwiftLogNoOpLogHandler() }, clock: clock)
        let services = try await description.build(environment)
        return (environment, ServiceGroup(services: services, logger: environment.logger))
    }

    private init(
        client: HTTPClient, bus: BusProcess, databaseURL: String, clock: ShiftedClock, group: ServiceGroup,
        run: Task<Void, any Error>
    ) {
        self.client = client
        self.bus = bus
        self.databaseURL = databaseURL
        self.clock = clock
        self.group = group
        self.run = run
    }

    private func stop() async {
        await group.triggerGracefulShutdown()
        _ = await run.result
        await bus.kill()
    }
}

/// The system's time of day, moved on by the test.
final class ShiftedClock: Sendable {
    private let nanoseconds = Atomic<Int64>(0)

    var wallClock: WallClock {
        WallClock { [self] in WallClock.system.now() + nanoseconds.load(ordering: .relaxed) }
    }

    func advance(seconds: Int64) { nanoseconds.add(seconds * 1_000_000_000, ordering: .relaxed) }
}

/// The bus as a process on a socket of its own.
final class BusProcess: Sendable {
    private let directory: TemporaryDirectory
    private let process: ServiceProcess
    let socket: String

    static func start() async throws -> BusProcess {
        let directory = try TemporaryDirectory("users-bus")
        let socket = directory.file("bus.sock")
        let process = try ServiceProcess.start(
            "bus",
            environment: [
                "MARTLET_BUS_SOCKET": socket, "MARTLET_BUS_DATA": directory.file("data"), "MARTLET_BUS_HTTP_PORT": "0",
            ], log: directory.file("bus.log"))
        try await process.wait("the bus listens") { FileManager.default.fileExists(atPath: socket) }
        return BusProcess(directory: directory, process: process, socket: socket)
    }

    private init(directory: TemporaryDirectory, process: ServiceProcess, socket: String) {
        self.directory = directory
        self.process = process
        self.socket = socket
    }

    func kill() async { await process.kill() }

    /// Another process on the same socket and data, once this one was killed.
    func startAgain() throws -> BusProcess {
        BusProcess(directory: directory, process: try process.startAgain(), socket: socket)
    }
}
