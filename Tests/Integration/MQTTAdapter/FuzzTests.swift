// SPDX-License-Identifier: Apache-2.0
import Foundation
import Fuzz
import TestKit
import Testing

/// Whole connections, valid ones changed at random, against the process: it lives, closes what it has to, keeps its memory, and serves another client
/// rightly meanwhile. `make fuzz` goes on for longer (target `mqtt-session`).
@Suite struct FuzzTests {
    @Test func connectionsOfAnyContentHarmNobody() async throws {
        let seed =
            ProcessInfo.processInfo.environment["MARTLET_FUZZ_SEED"].flatMap { UInt64($0) } ?? .random(in: 1 ... .max)
        print("mqtt-session: MARTLET_FUZZ_SEED=\(seed)")
        let settings = [
            "connect-timeout-milliseconds": "500", "stall-timeout-milliseconds": "500",
            "session-expiry-maximum-seconds": "2",
        ]
        try await withMQTT(settings) { stack in
            let devices = stack.things.add(9)
            let attack = SessionAttack(
                port: stack.port, devices: Array(devices.dropLast()), control: devices[8],
                channel: "\(stack.things.channel)")
            let before = try await stack.residentBytes()
            let totals = try await attack.run(connections: 1_500, seed: seed)
            print("mqtt-session: \(totals)")
            #expect(totals.connections == 1_500 && totals.accepted > 300 && totals.controlMessages > 0)
            try await eventually("none is left") { try await stack.metric("martlet_mqtt_connections") == 0 }
            let grown = try await stack.residentBytes() - before
            #expect(grown < 96 << 20, "\(grown) bytes, seed \(seed)")
        }
    }
}
