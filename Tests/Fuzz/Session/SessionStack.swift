// SPDX-License-Identifier: Apache-2.0
import Bus
import Foundation
import Logging
import TestKit

/// The adapter as a process with a bus of its own, under attack.
enum SessionStack {
    /// Time-outs that a run has to see the end of.
    static let settings = [
        "connect-timeout-milliseconds": "500", "stall-timeout-milliseconds": "500",
        "session-expiry-maximum-seconds": "2",
    ]
    /// That the adapter's memory may grow by in a run, whatever its length.
    private static let memory = 192 << 20

    /// - Throws: ``SessionAttack/Failure``.
    static func run(connections: Int, seed: UInt64) async throws -> SessionAttack.Totals {
        let directory = try TemporaryDirectory("fuzz")
        let socket = directory.file("bus.sock")
        let bus = try ServiceProcess.start(
            "bus", arguments: ["--bus-socket", socket, "--data", directory.file("bus"), "--http-port", "0"],
            log: directory.file("bus.log"))
        let client = SocketBus.connect(
            SocketBusConfiguration(path: socket, name: "things"), logger: Logger(label: "things"))
        try await client.waitUntilConnected(timeout: .seconds(60))
        let things = ThingsByContract(bus: client)
        let serving = Task { try await things.run {} }
        defer { serving.cancel() }
        let port = try FreePort.next()
        let http = try FreePort.next()
        let adapter = try ServiceProcess.start(
            "mqtt-adapter",
            arguments: [
                "--bus-socket", socket, "--http-port", "\(http)", "--mqtt-port", "\(port)", "--websocket-port", "0",
                "--store-path", directory.file("sessions.sqlite"),
            ] + settings.flatMap { ["--\($0.key)", $0.value] }, log: directory.file("mqtt.log"))
        try await adapter.waitForLog("listens")
        let devices = things.add(9)
        let attack = SessionAttack(
            port: port, devices: Array(devices.dropLast()), control: devices[8], channel: "\(things.channel)")
        // What it takes to serve at all is not counted.
        var totals = try await attack.run(connections: min(connections, 500), seed: seed &+ 1)
        let before = try residentBytes(adapter)
        totals = try await attack.run(connections: connections, seed: seed)
        guard adapter.isRunning else {
            throw SessionAttack.Failure(description: "seed \(seed): it ended\n\(adapter.log.suffix(4_000))")
        }
        let grown = try residentBytes(adapter) - before
        guard grown < memory else {
            throw SessionAttack.Failure(description: "seed \(seed): memory grew by \(grown) bytes")
        }
        try await adapter.terminate()
        await client.close()
        await bus.kill()
        return totals
    }

    private static func residentBytes(_ process: ServiceProcess) throws -> Int {
        let status = try String(contentsOfFile: "/proc/\(process.processIdentifier)/status", encoding: .utf8)
        let line = status.split(separator: "\n").first { $0.hasPrefix("VmRSS:") }
        guard let kibibytes = line?.split(whereSeparator: \.isWhitespace).dropFirst().first.flatMap({ Int($0) }) else {
            throw SessionAttack.Failure(description: "the adapter is gone\n\(process.log.suffix(4_000))")
        }
        return kibibytes << 10
    }
}
