// SPDX-License-Identifier: Apache-2.0
import Bus
import Foundation
import Logging
import TestKit

/// An adapter as a process, with a bus of its own and `things` by its contract.
struct AttackedAdapter {
    let process: ServiceProcess
    let things: ThingsByContract
    let directory: TemporaryDirectory
    private let bus: ServiceProcess
    private let serving: Task<Void, any Error>

    /// - Parameter arguments: its flags but that of the bus's socket.
    init(_ executable: String, arguments: (TemporaryDirectory) -> [String]) async throws {
        directory = try TemporaryDirectory("fuzz")
        let socket = directory.file("bus.sock")
        bus = try ServiceProcess.start(
            "bus", arguments: ["--bus-socket", socket, "--data", directory.file("bus"), "--http-port", "0"],
            log: directory.file("bus.log"))
        let client = SocketBus.connect(
            SocketBusConfiguration(path: socket, name: "things"), logger: Logger(label: "things"))
        try await client.waitUntilConnected(timeout: .seconds(60))
        let things = ThingsByContract(bus: client)
        self.things = things
        serving = Task { try await things.run {} }
        process = try ServiceProcess.start(
            executable, arguments: ["--bus-socket", socket] + arguments(directory),
            log: directory.file("\(executable).log"))
        try await process.waitForLog("listens")
    }

    /// - Throws: when the process is gone.
    func residentBytes() throws -> Int {
        let status = try String(contentsOfFile: "/proc/\(process.processIdentifier)/status", encoding: .utf8)
        let line = status.split(separator: "\n").first { $0.hasPrefix("VmRSS:") }
        guard let kibibytes = line?.split(whereSeparator: \.isWhitespace).dropFirst().first.flatMap({ Int($0) }) else {
            throw AttackFailure(description: "the adapter is gone\n\(process.log.suffix(4_000))")
        }
        return kibibytes << 10
    }

    /// - Throws: ``AttackFailure`` when it has ended, or its memory has grown by more than `limit`.
    func check(grownFrom before: Int, limit: Int, seed: UInt64) throws {
        guard process.isRunning else {
            throw AttackFailure(description: "seed \(seed): it ended\n\(process.log.suffix(4_000))")
        }
        let grown = try residentBytes() - before
        guard grown < limit else { throw AttackFailure(description: "seed \(seed): memory grew by \(grown) bytes") }
    }

    func stop() async throws {
        try await process.terminate()
        serving.cancel()
        await things.bus.close()
        await bus.kill()
    }
}

/// What an attack showed that must not be.
package struct AttackFailure: Error, CustomStringConvertible {
    package let description: String
}
