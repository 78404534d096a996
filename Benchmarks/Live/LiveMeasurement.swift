// SPDX-License-Identifier: Apache-2.0
import Foundation
import TestKit

/// One stack with one part's subscribers while messages flow.
struct LiveMeasurement {
    let part: LivePart
    /// Of each kind.
    let subscribers: Int
    /// Of each kind, among them.
    let slow: Int
    let messagesPerSecond: Int
    let seconds: Double
    private static let slowMessageBytes = 64 << 10

    var numbers: LivePart.Numbers { part.numbers(subscribers: subscribers, slow: slow) }

    /// Memory of a process, or of some, in bytes.
    struct Memory {
        var idle = 0
        var open = 0
        var peak = 0
    }

    struct Figures {
        /// RSS.
        var adapter = Memory()
        /// PSS of all its processes; none without it.
        var nginx = Memory()
        var openedSeconds = 0.0
        var tally = LiveSubscribers.Tally()
        var published = 0
        var adapterSeconds = 0.0
        var nginxSeconds = 0.0
        var seconds = 0.0
        var slowCutOff = 0.0
        var peakQueuedBytes = 0.0
    }

    /// What is measured, while it runs.
    private struct Scene {
        let stack: Stack
        let door: FrontDoor?
        let device: Stack.Device
        let large: Stack.Device
        let clients = LiveSubscribers()

        var adapterPort: Int { stack.ports["http-adapter"] ?? 0 }

        func adapter() throws -> ProcessUsage {
            try ProcessUsage(of: stack.process("http-adapter").processIdentifier)
        }

        func nginxBytes() throws -> Int {
            try (door?.processIdentifiers ?? []).map { try MemoryUsage(of: $0).proportionalBytes }.reduce(0, +)
        }

        func nginxSeconds() throws -> Double {
            try (door?.processIdentifiers ?? []).map { try ProcessUsage(of: $0).cpuSeconds }.reduce(0, +)
        }
    }

    func run() async throws -> Figures {
        let stack = try await Stack.start(
            settings: ["http-adapter": ["MARTLET_HTTP_ADAPTER_CONNECTIONS_MAXIMUM": "20000"]],
            databaseSettings: PostgresCluster.benchmarkSettings)
        let door = part == .front ? try await FrontDoor.start(stack, workers: true) : nil
        let token = try await stack.adminToken()
        let scene = Scene(
            stack: stack, door: door, device: try await stack.makeDevice(token: token),
            large: try await stack.makeDevice(token: token))
        var figures = Figures()
        figures.adapter.idle = try scene.adapter().residentBytes
        figures.nginx.idle = try scene.nginxBytes()
        let began = ContinuousClock.now
        try await part.open(
            scene.clients, subscribers: subscribers, slow: slow, port: door?.port ?? scene.adapterPort,
            device: scene.device, large: scene.large)
        figures.openedSeconds = began.duration(to: .now) / .seconds(1)
        progress("live: \(part.rawValue): all open in \(String(format: "%.1f", figures.openedSeconds)) s")
        try await Task.sleep(for: .seconds(2))
        figures.adapter.open = try scene.adapter().residentBytes
        figures.nginx.open = try scene.nginxBytes()
        try await flow(scene, &figures)
        try await scene.clients.close()
        try await door?.stop()
        try await stack.stop()
        return figures
    }

    private func flow(_ scene: Scene, _ figures: inout Figures) async throws {
        let numbers = self.numbers
        let bulk = #"{"p":"\#(String(repeating: "x", count: Self.slowMessageBytes))"}"#
        // The first finds rights unknown and memory cold: it is not counted.
        try await publish(scene, scene.device, Self.marked())
        try await eventually("the first message has come", deadline: .seconds(60)) {
            scene.clients.snapshot.messages == numbers.reading
        }
        scene.clients.reset()
        let before = (adapter: try scene.adapter().cpuSeconds, nginx: try scene.nginxSeconds())
        let start = ContinuousClock.now
        let interval = Duration.seconds(1) / messagesPerSecond
        while start.duration(to: .now) < .seconds(seconds) {
            try await Task.sleep(until: start + interval * figures.published)
            try await publish(scene, scene.device, Self.marked())
            figures.published += 1
            if numbers.slow > 0 { try await publish(scene, scene.large, bulk) }
            figures.adapter.peak = max(figures.adapter.peak, try scene.adapter().residentBytes)
            guard figures.published % messagesPerSecond == 0 else { continue }
            figures.nginx.peak = max(figures.nginx.peak, try scene.nginxBytes())
            let queued = try await scene.stack.metric("http-adapter", "martlet_live_queued_bytes") ?? 0
            figures.peakQueuedBytes = max(figures.peakQueuedBytes, queued)
        }
        figures.seconds = start.duration(to: .now) / .seconds(1)
        let published = figures.published
        // What has not come by then is counted as missing.
        try? await eventually("all messages have come", deadline: .seconds(30)) {
            scene.clients.snapshot.messages == published * numbers.reading
        }
        figures.adapterSeconds = try scene.adapter().cpuSeconds - before.adapter
        figures.nginxSeconds = try scene.nginxSeconds() - before.nginx
        figures.tally = scene.clients.snapshot
        figures.slowCutOff = try await scene.stack.metric("http-adapter", "martlet_live_slow_consumers_total") ?? 0
    }

    private static func marked() -> String {
        #"{"t":\#(DispatchTime.now().uptimeNanoseconds),"p":"\#(String(repeating: "x", count: 160))"}"#
    }

    /// To the adapter itself: nginx's part is what it delivers.
    private func publish(_ scene: Scene, _ device: Stack.Device, _ body: String) async throws {
        let client = HTTPClient(port: scene.adapterPort, headers: device.authorization)
        let answer = try await client.send(
            "POST", device.publishPath, headers: ["Content-Type": "application/json"], body: Array(body.utf8))
        try Stack.expect(202, answer, "publish")
    }
}
