// SPDX-License-Identifier: Apache-2.0
import Foundation
import TestKit

/// From the first byte of a publish over HTTP to the moment when somebody else can read the row.
struct LatencyBenchmark {
    let options: BenchmarkOptions
    /// Of the pack that the HTTP benchmark sends: three records each.
    let messagesPerSecond: Int

    init(_ options: BenchmarkOptions) throws {
        self.options = options
        messagesPerSecond = try options.number("rate", default: 1_000)
    }

    func run() async throws -> BenchmarkReport {
        let machine = MachineFacts.gather()
        let stack = try await Stack.start(databaseSettings: PostgresCluster.benchmarkSettings)
        let token = try await stack.adminToken()
        let probe = try LatencyProbe(stack, try await stack.makeDevice(token: token))
        let other = try await stack.makeDevice(token: token)
        // Rights known, statements prepared, partitions made.
        for place in LatencyProbe.Place.allCases {
            _ = try await probe.run(place, seconds: 1, firstValue: -1_000_000)
        }
        var table = ResultTable(title: "Milliseconds from the publish", columns: ["", "p50 ms", "p99 ms", "messages"])
        var resolution = [LatencyProbe.Place: Samples]()
        var achieved = Samples()
        var value = 1
        for run in 1...options.runs {
            for isLoaded in [false, true] {
                let state = isLoaded ? "with \(messagesPerSecond) messages/s" : "idle stack"
                let load = isLoaded ? try await start(stack, other) : nil
                for place in LatencyProbe.Place.allCases {
                    progress("latency: run \(run) of \(options.runs), \(state), \(place)")
                    let outcome = try await probe.run(
                        place, seconds: options.seconds(default: 8), firstValue: value)
                    value += outcome.visible.count
                    if place == .database { table.add(Self.figures(outcome.accepted), to: "\(state): 202 answered") }
                    let seen = place == .database ? "row visible in PostgreSQL" : "readable through reader-postgres"
                    table.add(Self.figures(outcome.visible), to: "\(state): \(seen)")
                    resolution[place, default: Samples()].add(outcome.resolution.percentile(0.5))
                }
                if let ended = await load?.stop() {
                    achieved.add(ended.messagesPerSecond)
                    if ended.refused > 0 { table.notes.append("\(ended.refused) messages of the load were refused.") }
                    try await stack.waitUntilStored()
                }
            }
        }
        try await stack.stop()
        for place in LatencyProbe.Place.allCases {
            let whom = place == .database ? "PostgreSQL" : "reader-postgres"
            let median = String(format: "%.2f", resolution[place]?.median ?? .nan)
            table.notes.append(
                "\(whom) was asked every \(median) ms (median): what is seen is later by half of it on average.")
        }
        table.notes.append(
            "The load was \(String(format: "%.0f", achieved.median)) messages/s of three records, published and accepted."
        )
        return BenchmarkReport(
            name: "latency", title: "Publish to stored and readable",
            method: [
                "One probe at a time: a pack of one record is published over http-adapter, then its row is looked for, over a second connection to PostgreSQL or over reader-postgres's HTTP API (the channel's newest message), until it is there.",
                "The clock begins before the request is sent, so the durable 202 is a part of it; the 202's own time is in the table.",
                "Load: an open loop of \(messagesPerSecond) packs/s of three records on 8 other connections to another channel, from the same process and on the same cores.",
                "fsync is on everywhere: the bus's log before the 202, PostgreSQL's at each commit.",
            ], machine: machine, tables: [table])
    }

    private func start(_ stack: Stack, _ device: Stack.Device) async throws -> PacedLoad {
        let load = PacedLoad(
            port: stack.ports["http-adapter"] ?? 0, device: device, messagesPerSecond: messagesPerSecond)
        // Past its beginning.
        try await Task.sleep(for: .seconds(1))
        return load
    }

    private static func figures(_ values: [Double]) -> [Double] {
        [values.percentile(0.5), values.percentile(0.99), Double(values.count)]
    }
}
