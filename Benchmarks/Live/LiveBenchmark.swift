// SPDX-License-Identifier: Apache-2.0
import Foundation
import TestKit

/// Thousands of live subscribers of one adapter while messages flow, some of whom do not read: directly, over HTTP/2, and through nginx.
struct LiveBenchmark {
    let options: BenchmarkOptions
    let parts: [LivePart]
    /// Of each kind.
    let subscribers: Int
    /// Of each kind, among them.
    let slow: Int
    let messagesPerSecond: Int

    init(_ options: BenchmarkOptions) throws {
        self.options = options
        subscribers = try options.number("subscribers", default: 5_000)
        slow = try options.number("slow", default: max(1, subscribers / 50))
        messagesPerSecond = try options.number("rate", default: 5)
        if let name = options.rest["part"] {
            guard let part = LivePart(rawValue: name) else {
                let names = LivePart.allCases.map(\.rawValue).joined(separator: ", ")
                throw BenchmarkFailure(description: "--part is one of \(names)")
            }
            parts = [part]
        } else {
            parts = LivePart.allCases
        }
    }

    func run() async throws -> BenchmarkReport {
        let machine = MachineFacts.gather()
        var tables = LiveTables()
        for run in 1...options.runs {
            for part in parts {
                progress("live: \(part.rawValue): run \(run) of \(options.runs)")
                let measurement = LiveMeasurement(
                    part: part, subscribers: subscribers, slow: slow, messagesPerSecond: messagesPerSecond,
                    seconds: options.seconds(default: 20))
                tables.add(try await measurement.run(), of: measurement)
            }
        }
        return BenchmarkReport(
            name: "live", title: "Live subscribers",
            method: [
                "One stack, one http-adapter with its default limits (but 20,000 connections), one client process with all subscribers on one thread; server and client share the machine's cores.",
                "Every message is published over HTTP and is on disk before anybody gets it. Latency is from before the publish is sent to when the subscriber's bytes are read, over all subscribers: the last of thousands waits for the writes and reads of all before it.",
                "Those that do not read listen to a channel of their own with large messages, and have a receive buffer of 4 KiB. Bytes that wait are counted for each of them, though they share them.",
                "Over HTTP/2 one connection does not read its socket, with all its streams; on each of the others one stream's window is never opened, beside \(LivePart.streamsPerConnection - 1) that read.",
                "nginx has the configuration of make run, a master and two workers; its clients come from ten addresses. Messages are published to the adapter itself.",
                "Open: all are connected, nothing flows.",
            ], machine: machine, tables: tables.all)
    }
}
