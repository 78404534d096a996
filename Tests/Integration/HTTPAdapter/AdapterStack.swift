// SPDX-License-Identifier: Apache-2.0
import Bus
import Core
import HTTPAdapter
import Logging
import Messaging
import NIOCore
import Observability
import ServiceKit
import TestKit

/// A bus daemon of its own, `things` by its contract, and the adapter in this process: what one test talks to.
struct AdapterStack: Sendable {
    let port: Int
    let bus: ServiceProcess
    let busSocket: String
    let busData: String
    let things: ThingsByContract
    /// May read the stream.
    let observer: any Bus
    let metrics: MetricsRegistry
    let stop: @Sendable () -> Void

    /// Where ``ThingsByContract/publisher`` may publish.
    var path: String { "/channels/\(things.channel)/messages" }

    /// A request as it goes over the wire; a good SenML message unless told otherwise.
    func request(
        _ method: String = "POST", path: String? = nil, key: String? = nil,
        contentType: String? = "application/senml+json",
        fields: [String] = [], body: String = #"[{"n":"temperature","v":21.5}]"#
    ) -> String {
        var text = "\(method) \(path ?? self.path) HTTP/1.1\r\nHost: localhost\r\n"
        text += "Authorization: Thing \(key ?? things.publisher.key)\r\n"
        if let contentType { text += "Content-Type: \(contentType)\r\n" }
        for field in fields { text += "\(field)\r\n" }
        return text + "Content-Length: \(body.utf8.count)\r\n\r\n" + body
    }

    /// Sends on one connection and reads as many responses.
    func exchange(_ request: String, responses: Int = 1) async throws -> [RawConnection.Response] {
        try await wire(port: port) { connection in
            try connection.send(request)
            return try (0..<responses).map { _ in try connection.readResponse() }
        }
    }

    func answer(to request: String) async throws -> RawConnection.Response {
        try await exchange(request)[0]
    }

    /// What is stored, in order.
    func stored() async throws -> [(sequence: UInt64, subject: String, headers: BusHeaders, message: RawMessage)] {
        var all: [(UInt64, String, BusHeaders, RawMessage)] = []
        var next: UInt64 = 1
        while true {
            let page = try await observer.read(stream: Streams.messages, from: next, maximumBytes: 1 << 20)
            guard let last = page.last else { return all }
            next = last.sequence + 1
            for entry in page {
                all.append((entry.sequence, entry.subject, entry.headers, try RawMessage(decoding: entry.payload)))
            }
        }
    }

    /// The value of `martlet_http_refused_total{reason="…"}`.
    func refused(_ reason: String) -> UInt64 {
        metrics.counter("martlet_http_refused_total", help: "", labels: ["reason"]).with(reason).value
    }
}

/// Runs `body` with a stack of its own.
///
/// - Parameters:
///   - settings: the adapter's flags, as on its command line, without dashes.
///   - busSettings: the bus's.
func withAdapter(
    _ settings: [String: String] = [:], busSettings: [String: String] = [:],
    isolation: isolated (any Actor)? = #isolation,
    _ body: (AdapterStack) async throws -> Void
) async throws {
    let directory = try TemporaryDirectory("http")
    let socket = directory.file("bus.sock")
    let daemon = try startBus(directory, socket: socket, settings: busSettings)
    let things = ThingsByContract(bus: try await connect(to: socket, as: "things"))
    let observer = try await connect(to: socket, as: "martlet")
    let serving = Task { try await things.run {} }
    defer { serving.cancel() }

    let arguments =
        ["http-adapter", "--bus-socket", socket, "--http-port", "0"]
        + settings.flatMap { ["--\($0.key)", $0.value] }
    let configuration = try await ServiceConfiguration.load(
        service: "http-adapter", keys: HTTPAdapter.description.allKeys, arguments: arguments, environment: [:])
    let metrics = MetricsRegistry()
    let environment = ServiceEnvironment(
        name: "http-adapter", configuration: configuration, logger: Logger(label: "http-adapter"), metrics: metrics)
    let group = ServiceGroup(
        services: try await HTTPAdapter.build(environment), logger: Logger(label: "http-adapter"))
    let running = Task { try await group.run() }
    let stack = AdapterStack(
        port: await environment.httpPort.value(), bus: daemon, busSocket: socket,
        busData: directory.file("bus"), things: things, observer: observer,
        metrics: metrics, stop: { Task { await group.triggerGracefulShutdown() } })
    try await waitForRights(stack)
    do {
        try await body(stack)
    } catch {
        stack.stop()
        try? await running.value
        throw error
    }
    stack.stop()
    try await running.value
    await observer.close()
    await things.bus.close()
    await daemon.kill()
}

private func startBus(
    _ directory: TemporaryDirectory, socket: String, settings: [String: String]
) throws -> ServiceProcess {
    try ServiceProcess.start(
        "bus",
        arguments: ["--bus-socket", socket, "--data", directory.file("bus"), "--http-port", "0"]
            + settings.flatMap { ["--\($0.key)", $0.value] },
        log: directory.file("bus.log"))
}

private func connect(to socket: String, as name: String) async throws -> any Bus {
    let bus = SocketBus.connect(
        SocketBusConfiguration(path: socket, name: name), logger: Logger(label: name))
    try await bus.waitUntilConnected(timeout: .seconds(60))
    return bus
}

/// Until the questions to `things` are answered.
private func waitForRights(_ stack: AdapterStack) async throws {
    try await eventually("things answers") {
        let probe = stack.request(path: "/channels/\(ChannelID.new())/messages")
        return try await stack.answer(to: probe).reason == "unknown-channel"
    }
}
