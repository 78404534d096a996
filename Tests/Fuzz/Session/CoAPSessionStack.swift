// SPDX-License-Identifier: Apache-2.0
import TestKit

/// The coap-adapter under attack.
enum CoAPSessionStack {
    /// That the adapter's memory may grow by in a run, whatever its length: 2,000 idle peers for each port, 262,144 remembered messages, and what
    /// bodies may hold.
    private static let memory = 256 << 20

    /// - Throws: ``AttackFailure``.
    static func run(conversations: Int, seed: UInt64) async throws -> CoAPSessionAttack.Totals {
        let ports = CoAPSessionAttack.Ports(
            udp: try FreePort.next(), tcp: try FreePort.next(), dtls: try FreePort.next(), tls: try FreePort.next())
        let http = try FreePort.next()
        let adapter = try await AttackedAdapter("coap-adapter") { _ in
            [
                "--http-port", "\(http)", "--coap-port", "\(ports.udp)", "--tcp-port", "\(ports.tcp)", "--dtls-port",
                "\(ports.dtls)", "--tls-port", "\(ports.tls)",
                // All of it is to be looked at.
                "--address-requests-per-second", "0",
            ]
        }
        let things = adapter.things
        let attack = try CoAPSessionAttack(ports, channel: "\(things.channel)", key: things.publisher.key)
        // What it takes to serve at all is not counted.
        _ = try await attack.run(conversations: min(conversations, 500), seed: seed &+ 1)
        let before = try adapter.residentBytes()
        let totals = try await attack.run(conversations: conversations, seed: seed)
        try adapter.check(grownFrom: before, limit: memory, seed: seed)
        try await adapter.stop()
        return totals
    }
}
