// SPDX-License-Identifier: Apache-2.0
import TestKit

/// The mqtt-adapter under attack.
enum SessionStack {
    /// Time-outs that a run has to see the end of.
    static let settings = [
        "connect-timeout-milliseconds": "500", "stall-timeout-milliseconds": "500",
        "session-expiry-maximum-seconds": "2",
    ]
    /// That the adapter's memory may grow by in a run, whatever its length.
    private static let memory = 192 << 20

    /// - Throws: ``SessionAttack/Failure``, ``AttackFailure``.
    static func run(connections: Int, seed: UInt64) async throws -> SessionAttack.Totals {
        let port = try FreePort.next()
        let http = try FreePort.next()
        let adapter = try await AttackedAdapter("mqtt-adapter") { directory in
            [
                "--http-port", "\(http)", "--mqtt-port", "\(port)", "--websocket-port", "0", "--store-path",
                directory.file("sessions.sqlite"),
            ] + settings.flatMap { ["--\($0.key)", $0.value] }
        }
        let devices = adapter.things.add(9)
        let attack = SessionAttack(
            port: port, devices: Array(devices.dropLast()), control: devices[8], channel: "\(adapter.things.channel)")
        // What it takes to serve at all is not counted.
        var totals = try await attack.run(connections: min(connections, 500), seed: seed &+ 1)
        let before = try adapter.residentBytes()
        totals = try await attack.run(connections: connections, seed: seed)
        try adapter.check(grownFrom: before, limit: memory, seed: seed)
        try await adapter.stop()
        return totals
    }
}
