// SPDX-License-Identifier: Apache-2.0
import Core
import Postgres
import TestKit
import Testing

/// What fault tests have in common: a load whose accepted messages are known one by one, and the count afterwards.
enum Faults {
    static func load(
        _ stack: Stack, _ device: Stack.Device, workers: Int = 8, paddingBytes: Int = 0
    ) -> PublishLoad {
        PublishLoad(
            port: stack.ports["http-adapter"] ?? 0, path: device.publishPath, key: device.key, workers: workers,
            limit: 200_000, paddingBytes: paddingBytes)
    }

    /// Waits until everything accepted is stored, then checks that nothing is stored twice and nothing was answered
    /// with a status that blames the client or admits a fault.
    static func expectStoredOnce(
        _ outcome: PublishLoad.Outcome, _ stack: Stack, _ device: Stack.Device,
        sourceLocation: SourceLocation = #_sourceLocation
    ) async throws {
        let channel = try #require(ChannelID(device.channel))
        #expect(!outcome.accepted.isEmpty, sourceLocation: sourceLocation)
        // 0: the connection broke, which a killed adapter causes.
        #expect(
            Set(outcome.statuses.keys).isSubset(of: [202, 503, 0]), "\(outcome.statuses)",
            sourceLocation: sourceLocation)
        #expect(outcome.unavailableWithRetryAfter == outcome.statuses[503, default: 0], sourceLocation: sourceLocation)

        var stored: [Int: Int] = [:]
        try await eventually("all accepted messages are stored", deadline: .seconds(180), interval: .milliseconds(500))
        {
            guard let counts = try? await storedCounts(stack, channel) else { return false }
            stored = counts
            return outcome.accepted.allSatisfy { counts[$0] != nil }
        }
        let twice = stored.filter { $0.value != 1 }
        #expect(twice.isEmpty, "stored more than once: \(twice.prefix(10))", sourceLocation: sourceLocation)
        // Reasons that promise that nothing was stored.
        for reason in ["storage-budget-spent", "storage-failed"] {
            let broken = outcome.refused[reason, default: []].filter { stored[$0] != nil }
            #expect(broken.isEmpty, "\(reason), and stored: \(broken.prefix(10))", sourceLocation: sourceLocation)
        }
        let letters = try await stack.database.execute("SELECT count(*) FROM messages.dead_letters")
        for row in letters { #expect(try row.decode(Int64.self, at: 0) == 0, sourceLocation: sourceLocation) }
    }

    /// How often each value of the load is stored.
    static func storedCounts(_ stack: Stack, _ channel: ChannelID) async throws -> [Int: Int] {
        let rows = try await stack.database.execute(
            "SELECT value::int8, count(*) FROM messages.senml WHERE channel = \(channel) AND name = 'count' GROUP BY value"
        )
        var counts: [Int: Int] = [:]
        for row in rows {
            let (value, count) = try row.decode((Int64, Int64).self)
            counts[Int(value)] = Int(count)
        }
        return counts
    }
}
