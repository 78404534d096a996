// SPDX-License-Identifier: Apache-2.0
import Foundation
import TestKit

/// Thousands of WebSocket and event-stream subscribers of one adapter while messages flow, some of whom do not read.
struct LiveBenchmark {
    let options: BenchmarkOptions
    /// Of each kind.
    let subscribers: Int
    /// Of each kind, among them.
    let slow: Int
    let messagesPerSecond: Int
    private static let slowMessageBytes = 64 << 10

    init(_ options: BenchmarkOptions) throws {
        self.options = options
        subscribers = try options.number("subscribers", default: 5_000)
        slow = try options.number("slow", default: max(1, subscribers / 50))
        messagesPerSecond = try options.number("rate", default: 5)
    }

    private struct Figures {
        var idleBytes = 0
        var openBytes = 0
        var peakBytes = 0
        var opened = 0.0
        var tally = LiveSubscribers.Tally()
        var published = 0
        var cpuSeconds = 0.0
        var seconds = 0.0
        var slowCutOff = 0.0
        var peakQueuedBytes = 0.0
    }

    func run() async throws -> BenchmarkReport {
        let machine = MachineFacts.gather()
        let fast = 2 * (subscribers - slow)
        var memory = ResultTable(
            title: "Memory of http-adapter (RSS)",
            columns: ["", "without subscribers MiB", "all open MiB", "each KiB", "peak while messages flow MiB"])
        var delivery = ResultTable(
            title: "\(fast) subscribers that read",
            columns: [
                "", "p50 ms", "p99 ms", "worst ms", "deliveries/s", "missing", "cut off", "adapter CPU µs a delivery",
            ])
        var cutOff = ResultTable(
            title: "\(2 * slow) subscribers that do not read",
            columns: ["", "cut off (slow-consumer)", "most that waited for them MiB"])
        for run in 1...options.runs {
            progress("live: run \(run) of \(options.runs)")
            let figures = try await measure()
            let open = Self.mebibytes(figures.openBytes)
            memory.add(
                [
                    Self.mebibytes(figures.idleBytes), open,
                    Double(figures.openBytes - figures.idleBytes) / Double(2 * subscribers) / 1024,
                    Self.mebibytes(figures.peakBytes),
                ], to: "\(subscribers) WebSockets + \(subscribers) event streams")
            let sorted = figures.tally.latencies.sorted()
            delivery.add(
                [
                    Self.percentile(sorted, 0.5), Self.percentile(sorted, 0.99), Self.percentile(sorted, 1),
                    Double(figures.tally.messages) / figures.seconds,
                    Double(figures.published * fast - figures.tally.messages), Double(figures.tally.ended),
                    figures.cpuSeconds * 1e6 / Double(max(1, figures.tally.messages)),
                ], to: "\(messagesPerSecond) messages/s of 200 B to each")
            cutOff.add(
                [figures.slowCutOff, figures.peakQueuedBytes / Double(1 << 20)],
                to: "\(messagesPerSecond) messages/s of 64 KiB to each")
        }
        return BenchmarkReport(
            name: "live", title: "Live subscribers",
            method: [
                "One stack, one http-adapter with its default limits (but 20,000 connections), one client process with all subscribers on one thread; server and client share the machine's cores.",
                "Every message is published over HTTP and is on disk before anybody gets it. Latency is from before the publish is sent to when the subscriber's bytes are read, over all subscribers: the last of thousands waits for the writes and reads of all before it.",
                "Those that do not read listen to a channel of their own with large messages, and have a receive buffer of 4 KiB. Bytes that wait are counted for each of them, though they share them.",
                "Open: all are connected, nothing flows.",
            ], machine: machine, tables: [memory, delivery, cutOff])
    }

    private func measure() async throws -> Figures {
        let stack = try await Stack.start(
            settings: ["http-adapter": ["MARTLET_HTTP_ADAPTER_CONNECTIONS_MAXIMUM": "20000"]],
            databaseSettings: PostgresCluster.benchmarkSettings)
        let token = try await stack.adminToken()
        let device = try await stack.makeDevice(token: token)
        let large = try await stack.makeDevice(token: token)
        let adapter = try stack.process("http-adapter").processIdentifier
        let port = stack.ports["http-adapter"] ?? 0
        var figures = Figures()
        figures.idleBytes = try ProcessUsage(of: adapter).residentBytes

        let clients = LiveSubscribers()
        let began = ContinuousClock.now
        for kind in LiveSubscribers.Kind.allCases {
            try await clients.open(subscribers - slow, kind, port: port, device: device, reads: true)
            try await clients.open(slow, kind, port: port, device: large, reads: false)
        }
        figures.opened = began.duration(to: .now) / .seconds(1)
        progress("live: \(2 * subscribers) connections opened in \(String(format: "%.1f", figures.opened)) s")
        try await Task.sleep(for: .seconds(2))
        figures.openBytes = try ProcessUsage(of: adapter).residentBytes
        try await flow(stack, port, device, large, clients, adapter, &figures)
        try await clients.close()
        try await stack.stop()
        return figures
    }

    private func flow(
        _ stack: Stack, _ port: Int, _ device: Stack.Device, _ large: Stack.Device, _ clients: LiveSubscribers,
        _ adapter: Int32, _ figures: inout Figures
    ) async throws {
        let expected = 2 * (subscribers - slow)
        let padding = String(repeating: "x", count: 160)
        let bulk = String(repeating: "x", count: Self.slowMessageBytes)
        // The first finds rights unknown and memory cold: it is not counted.
        try await publish(port, device, #"{"t":\#(DispatchTime.now().uptimeNanoseconds),"p":"\#(padding)"}"#)
        try await eventually("the first message has come", deadline: .seconds(60)) {
            clients.snapshot.messages == expected
        }
        clients.reset()
        let cpu = try ProcessUsage(of: adapter).cpuSeconds
        let start = ContinuousClock.now
        let interval = Duration.seconds(1) / messagesPerSecond
        while start.duration(to: .now) < .seconds(options.seconds(default: 20)) {
            try await Task.sleep(until: start + interval * figures.published)
            try await publish(port, device, #"{"t":\#(DispatchTime.now().uptimeNanoseconds),"p":"\#(padding)"}"#)
            figures.published += 1
            try await publish(port, large, #"{"p":"\#(bulk)"}"#)
            figures.peakBytes = max(figures.peakBytes, try ProcessUsage(of: adapter).residentBytes)
            if figures.published % messagesPerSecond == 0 {
                let queued = try await stack.metric("http-adapter", "martlet_live_queued_bytes") ?? 0
                figures.peakQueuedBytes = max(figures.peakQueuedBytes, queued)
            }
        }
        figures.seconds = start.duration(to: .now) / .seconds(1)
        let published = figures.published
        try? await eventually("all messages have come", deadline: .seconds(60)) {
            clients.snapshot.messages == published * expected
        }
        figures.cpuSeconds = try ProcessUsage(of: adapter).cpuSeconds - cpu
        figures.tally = clients.snapshot
        figures.slowCutOff = try await stack.metric("http-adapter", "martlet_live_slow_consumers_total") ?? 0
    }

    private func publish(_ port: Int, _ device: Stack.Device, _ body: String) async throws {
        let client = HTTPClient(port: port, headers: device.authorization)
        let answer = try await client.send(
            "POST", device.publishPath, headers: ["Content-Type": "application/json"], body: Array(body.utf8))
        try Stack.expect(202, answer, "publish")
    }

    private static func mebibytes(_ bytes: Int) -> Double { Double(bytes) / Double(1 << 20) }

    /// Of microseconds in order, in milliseconds; nearest rank.
    private static func percentile(_ sorted: [Float], _ share: Double) -> Double {
        guard !sorted.isEmpty else { return .nan }
        let rank = Int((share * Double(sorted.count)).rounded(.up))
        return Double(sorted[min(max(rank, 1), sorted.count) - 1]) / 1_000
    }
}
