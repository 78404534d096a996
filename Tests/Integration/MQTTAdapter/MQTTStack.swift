// SPDX-License-Identifier: Apache-2.0
import Bus
import Core
import Foundation
import Logging
import MQTTAdapter
import Messaging
import NIOCore
import Observability
import ServiceKit
import TestKit

/// A bus daemon of its own, `things` by its contract, and the adapter as a process: what one test talks to, and may kill.
final class MQTTStack: Sendable {
    let directory: TemporaryDirectory
    let port: Int
    let httpPort: Int
    let webSocketPort: Int
    let tlsPort: Int
    let webSocketTLSPort: Int
    /// Of the server, and what its clients are given to believe it.
    let certificate: String
    private let bus: ProcessBox
    let things: ThingsByContract
    /// May read the stream and publish like any adapter.
    let observer: any Bus
    let storePath: String
    private let arguments: [String]
    private let process: ProcessBox

    /// A process that a test may replace.
    private actor ProcessBox {
        var process: ServiceProcess

        init(_ process: ServiceProcess) { self.process = process }

        func replace() throws { process = try process.startAgain() }
    }

    fileprivate init(
        directory: TemporaryDirectory, bus: ServiceProcess, things: ThingsByContract, observer: any Bus,
        settings: [String: String], tls: Bool, launch: MQTTLaunch, busSocket: String
    ) throws {
        self.directory = directory
        self.bus = ProcessBox(bus)
        self.things = things
        self.observer = observer
        port = try FreePort.next()
        httpPort = try FreePort.next()
        webSocketPort = try FreePort.next()
        tlsPort = try FreePort.next()
        webSocketTLSPort = try FreePort.next()
        certificate = directory.file("tls/certificate.pem")
        let tlsArguments = [
            "--tls-port", "\(tlsPort)", "--websocket-tls-port", "\(webSocketTLSPort)", "--tls-certificate", certificate,
            "--tls-key", directory.file("tls/key.pem"),
        ]
        storePath = launch.storePath ?? directory.file("sessions.sqlite")
        arguments =
            [
                "--bus-socket", busSocket, "--http-port",
                "\(httpPort)", "--mqtt-port", "\(port)",
                "--websocket-port", "\(webSocketPort)", "--store-path", storePath,
            ] + (tls ? tlsArguments : []) + settings.flatMap { ["--\($0.key)", $0.value] }
        let command = try launch.through + [Executables.path("mqtt-adapter")] + arguments
        process = ProcessBox(
            try ServiceProcess(
                program: command[0], arguments: Array(command.dropFirst()), environment: launch.environment,
                log: directory.file("mqtt.log")))
    }

    var log: String { (try? String(contentsOfFile: directory.file("mqtt.log"), encoding: .utf8)) ?? "" }

    func kill() async { await process.process.kill() }

    /// kill -9 of the bus, and starts it again.
    func killBus() async throws {
        try await stopBus()
        try await startBus()
    }

    /// kill -9 of the bus.
    func stopBus() async throws { await bus.process.kill() }

    func startBus() async throws { try await bus.replace() }
    /// kill -STOP of the bus: it keeps its socket and answers nothing.
    func suspendBus() async { await bus.process.suspend() }
    func resumeBus() async { await bus.process.resume() }

    func terminate() async throws { try await process.process.terminate() }

    /// The adapter as it runs now.
    var adapter: ServiceProcess { get async { await process.process } }

    /// Memory of the adapter that is in use (VmRSS of proc(5)).
    func residentBytes() async throws -> Int {
        let path = "/proc/\(await adapter.processIdentifier)/status"
        let line = try String(contentsOfFile: path, encoding: .utf8).split(separator: "\n").first {
            $0.hasPrefix("VmRSS:")
        }
        let kibibytes = line?.split(whereSeparator: \.isWhitespace).dropFirst().first.flatMap { Int($0) }
        guard let kibibytes else { throw ServiceProcess.Ended(description: "\(path): no VmRSS") }
        return kibibytes << 10
    }

    /// Starts it again and waits until it listens.
    func startAgain() async throws {
        try await process.replace()
        try await waitUntilServing()
    }

    fileprivate func waitUntilServing() async throws {
        let running = await process.process
        try await running.wait("the adapter serves") {
            guard let client = try? await MQTTClient.connect(port: self.port) else { return false }
            defer { client.close() }
            try await client.send(.connect(self.connect(self.things.publisher, "probe")))
            guard case .connAck(let answer) = try await client.next() else { return false }
            return answer.reason == .success
        }
    }

    /// A good CONNECT.
    func connect(
        _ device: ThingsByContract.Device, _ identifier: String, version: ProtocolVersion = .v5,
        cleanStart: Bool = true,
        keepAlive: UInt16 = 60, expiry: UInt32? = nil, will: Will? = nil
    ) -> Connect {
        var connect = Connect(
            version: version, cleanStart: cleanStart, keepAlive: keepAlive, clientIdentifier: identifier, will: will,
            userName: device.id.description, password: Array(device.key.utf8))
        connect.properties.sessionExpiryInterval = version == .v5 ? expiry : nil
        return connect
    }

    /// A client that is connected.
    func client(
        _ device: ThingsByContract.Device? = nil, _ identifier: String = "client", version: ProtocolVersion = .v5,
        cleanStart: Bool = true, expiry: UInt32? = nil, will: Will? = nil
    ) async throws -> MQTTClient {
        try await client(
            connect(
                device ?? things.publisher, identifier, version: version, cleanStart: cleanStart, expiry: expiry,
                will: will))
    }

    func client(_ connect: Connect) async throws -> MQTTClient {
        let client = try await MQTTClient.connect(port: port, version: connect.version)
        try await client.send(.connect(connect))
        let answer = try await client.next()
        guard case .connAck(let acknowledgement) = answer, acknowledgement.reason == .success else {
            throw ServiceProcess.Ended(description: "CONNECT: \(answer)\n\(log.suffix(2000))")
        }
        client.isSessionPresent = acknowledgement.sessionPresent
        return client
    }

    /// `channels/<channel>/messages` and what is behind it.
    func topic(_ subtopic: String = "") -> String {
        "channels/\(things.channel)/messages" + (subtopic.isEmpty ? "" : "/" + subtopic)
    }

    /// What is stored, in order.
    func stored() async throws -> [RawMessage] {
        var all: [RawMessage] = []
        var next: UInt64 = 1
        while true {
            let page = try await read(from: next)
            guard let last = page.last else { return all }
            next = last.sequence + 1
            for entry in page { all.append(try RawMessage(decoding: entry.payload)) }
        }
    }

    /// After the bus was killed the observer's own connection may not be back yet.
    private func read(from sequence: UInt64) async throws -> [StreamMessage] {
        var page: [StreamMessage] = []
        try await eventually("the observer reads") {
            do throws(BusError) {
                page = try await observer.read(stream: Streams.messages, from: sequence, maximumBytes: 1 << 20)
                return true
            } catch {
                guard error == .disconnected else { throw error }
                return false
            }
        }
        return page
    }

    /// Publishes as another adapter does.
    func publish(_ message: RawMessage) async throws {
        var payload = ByteBuffer()
        message.encode(into: &payload)
        _ = try await observer.publishDurably(
            BusMessage(
                subject: Subjects.messages(channel: message.channel, subtopic: message.subtopic), payload: payload))
    }

    /// The value of a line of `/metrics`; 0 when it is not there.
    func metric(_ line: String) async throws -> Double {
        let text = try await HTTPClient(port: httpPort).get("/metrics").text
        return text.split(separator: "\n").first { $0.hasPrefix(line + " ") }
            .flatMap { $0.split(separator: " ").last }.flatMap { Double($0) } ?? 0
    }

    fileprivate func stop() async throws {
        try await process.process.terminate(deadline: .seconds(15))
        await observer.close()
        await things.bus.close()
        await bus.process.kill()
    }
}

/// How the adapter and its bus are started where a test needs it otherwise than usual.
struct MQTTLaunch {
    /// The program, with its arguments, that starts the adapter.
    var through: [String] = []
    var environment: [String: String] = [:]
    /// Of the adapter's file of sessions.
    var storePath: String?
    /// Of the bus as the adapter sees it.
    var busSocket: (@Sendable (TemporaryDirectory) async throws -> String)?
    /// More of the bus's command line.
    var busArguments: [String] = []
}

/// Runs `body` with a stack of its own.
///
/// - Parameters:
///   - settings: the adapter's flags, as on its command line, without dashes.
///   - naming: further flags that name things.
func withMQTT(
    _ settings: [String: String] = [:], naming: (ThingsByContract) -> [String: String] = { _ in [:] },
    tls: Bool = false, launch: MQTTLaunch = MQTTLaunch(), isolation: isolated (any Actor)? = #isolation,
    _ body: (MQTTStack) async throws -> Void
) async throws {
    let directory = try TemporaryDirectory("mqtt")
    let socket = directory.file("bus.sock")
    let daemon = try ServiceProcess.start(
        "bus",
        arguments: ["--bus-socket", socket, "--data", directory.file("bus"), "--http-port", "0"] + launch.busArguments,
        log: directory.file("bus.log"))
    if tls {
        let maker = try ServiceProcess(
            program: Repository.file("deploy/local/certificate"), arguments: [directory.file("tls"), "localhost"],
            log: directory.file("certificate.log"))
        try await maker.waitForExit()
    }
    let things = ThingsByContract(bus: try await connect(to: socket, as: "things"))
    let observer = try await connect(to: socket, as: "martlet")
    let serving = Task { try await things.run {} }
    defer { serving.cancel() }
    let stack = try MQTTStack(
        directory: directory, bus: daemon, things: things, observer: observer,
        settings: settings.merging(naming(things)) { _, new in new }, tls: tls, launch: launch,
        busSocket: try await launch.busSocket?(directory) ?? socket)
    try await stack.waitUntilServing()
    do {
        try await body(stack)
    } catch {
        throw ServiceProcess.Ended(description: "\(error)\n\(stack.log.suffix(20_000))")
    }
    try await stack.stop()
}

private func connect(to socket: String, as name: String) async throws -> any Bus {
    let bus = SocketBus.connect(SocketBusConfiguration(path: socket, name: name), logger: Logger(label: name))
    try await bus.waitUntilConnected(timeout: .seconds(60))
    return bus
}
