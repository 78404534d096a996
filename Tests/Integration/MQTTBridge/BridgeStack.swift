// SPDX-License-Identifier: Apache-2.0
import Bus
import Core
import Foundation
import Logging
import Messaging
import NIOCore
import Synchronization
import TestKit

/// A bus daemon, `things` by its contract, a `mosquitto` and the bridge between them, each a process that a test may kill.
final class BridgeStack: Sendable {
    let directory: TemporaryDirectory
    let remote: RemoteBroker
    let things: ThingsByContract
    /// May read the stream and publish like any adapter.
    let observer: any Bus
    let httpPort: Int
    private let processes: Mutex<(bus: ServiceProcess, bridge: ServiceProcess)>

    fileprivate init(
        directory: TemporaryDirectory, remote: RemoteBroker, bus: ServiceProcess, things: ThingsByContract,
        observer: any Bus, arguments: [String]
    ) throws {
        self.directory = directory
        self.remote = remote
        self.things = things
        self.observer = observer
        httpPort = try FreePort.next()
        let bridge = try ServiceProcess.start(
            "mqtt-bridge",
            arguments: [
                "--bus-socket", directory.file("bus.sock"), "--http-port", "\(httpPort)", "--remotes-file",
                directory.file("remotes.json"),
            ] + arguments, log: directory.file("bridge.log"))
        processes = Mutex((bus, bridge))
    }

    var bridge: ServiceProcess { processes.withLock { $0.bridge } }
    var log: String { bridge.log }

    func killBridge() async { await bridge.kill() }

    func startBridge() throws {
        let again = try bridge.startAgain()
        processes.withLock { $0.bridge = again }
    }

    /// kill -9 of the bus, and starts it again.
    func killBus() async throws {
        let bus = processes.withLock { $0.bus }
        await bus.kill()
        let again = try bus.startAgain()
        processes.withLock { $0.bus = again }
    }

    func health() async throws -> (status: Int, text: String) {
        let answer = try await HTTPClient(port: httpPort).get("/health")
        return (answer.status, answer.text)
    }

    func waitUntilUp() async throws {
        try await bridge.wait("the bridge is connected and allowed") {
            guard let health = try? await self.health() else { return false }
            return health.status == 200 && health.text.contains(#""status":"pass","version""#)
        }
    }

    /// The sum of the lines of `/metrics` that begin so; 0 when there is none.
    func metric(_ line: String) async throws -> Double {
        let text = try await HTTPClient(port: httpPort).get("/metrics").text
        return text.split(separator: "\n").filter { $0.hasPrefix(line) }
            .compactMap { $0.split(separator: " ").last }.compactMap { Double($0) }.reduce(0, +)
    }

    /// What is stored, in order.
    func stored() async throws -> [RawMessage] {
        var all: [RawMessage] = []
        var next: UInt64 = 1
        while true {
            let page = try await observer.read(stream: Streams.messages, from: next, maximumBytes: 1 << 20)
            guard let last = page.last else { return all }
            next = last.sequence + 1
            for entry in page { all.append(try RawMessage(decoding: entry.payload)) }
        }
    }

    func storedTexts(_ subtopic: String) async throws -> [String] {
        try await stored().filter { $0.subtopic == subtopic }.map { String(buffer: $0.payload) }
    }

    /// Publishes as another adapter does; returns when it is on disk.
    func publish(_ text: String, _ subtopic: String, contentType: ContentType = .octetStream) async throws {
        let message = RawMessage(
            domain: things.domain, channel: things.channel, subtopic: subtopic, publisher: things.sender.id,
            transport: .http, contentType: contentType, created: WallClock.system.now(),
            payload: ByteBuffer(string: text))
        var payload = ByteBuffer()
        message.encode(into: &payload)
        let publication = BusMessage(
            subject: Subjects.messages(channel: message.channel, subtopic: subtopic),
            headers: BusHeaders(messageID: "\(ThingID.new())"), payload: payload)
        // With the bus away for a moment: by the same name until it is stored.
        try await eventually("the bus takes a message") {
            (try? await self.observer.publishDurably(publication)) != nil
        }
    }

    fileprivate func stop() async throws {
        try await bridge.terminate(deadline: .seconds(15))
        await observer.close()
        await things.bus.close()
        await processes.withLock { $0.bus }.kill()
        await remote.kill()
    }
}

/// What a test puts into the remotes' file; `CHANNEL` stands for the channel's identifier.
struct Setup {
    var version = "5"
    var incoming = "[]"
    var outgoing = "[]"
    /// Further members of the remote.
    var more = ""
    var tls = false
    /// The name in a certificate that both sides must have.
    var mutualTLSName: String?
    var arguments: [String] = []
    var busArguments: [String] = []
    /// Lines of the remote's access list.
    var accessList: [String] = []
    var keepsStream = true
    var waitsUntilUp = true
}

/// Runs `body` with a stack of its own.
func withBridge(
    _ setup: Setup, isolation: isolated (any Actor)? = #isolation, _ body: (BridgeStack) async throws -> Void
) async throws {
    let directory = try TemporaryDirectory("bridge")
    let socket = directory.file("bus.sock")
    let daemon = try ServiceProcess.start(
        "bus",
        arguments: ["--bus-socket", socket, "--data", directory.file("bus"), "--http-port", "0"] + setup.busArguments,
        log: directory.file("bus.log"))
    let remote = try await RemoteBroker.start(
        in: directory, tls: setup.tls, mutualTLSName: setup.mutualTLSName, accessList: setup.accessList)
    let things = ThingsByContract(bus: try await connect(to: socket, as: "things"))
    let observer = try await connect(to: socket, as: "martlet")
    // Holds what the bridge has acknowledged, so that a test sees it all.
    if setup.keepsStream {
        let keeper = try await observer.consume(stream: Streams.messages, ConsumerConfiguration(name: "keeper"))
        await keeper.cancel()
    }
    let serving = Task { try await things.run {} }
    defer { serving.cancel() }
    try "\(things.publisher.key)\n".write(toFile: directory.file("thing.key"), atomically: true, encoding: .utf8)
    try "\(RemoteBroker.password)\n".write(toFile: directory.file("password"), atomically: true, encoding: .utf8)
    let file = """
        {"remotes":[{"name":"plant","host":"\(setup.tls || setup.mutualTLSName != nil ? "localhost" : "127.0.0.1")","port":\(remote.port),
        "version":"\(setup.version)","username":"\(RemoteBroker.user)","password_file":"\(directory.file("password"))",
        "thing":{"key_file":"\(directory.file("thing.key"))"},
        "in":\(setup.incoming),"out":\(setup.outgoing)\(setup.more)}]}
        """
    try file.replacing("CHANNEL", with: "\(things.channel)").replacing("DIRECTORY", with: directory.path)
        .write(toFile: directory.file("remotes.json"), atomically: true, encoding: .utf8)
    let stack = try BridgeStack(
        directory: directory, remote: remote, bus: daemon, things: things, observer: observer,
        arguments: setup.arguments)
    do {
        if setup.waitsUntilUp { try await stack.waitUntilUp() }
        try await body(stack)
    } catch {
        let metrics = (try? await HTTPClient(port: stack.httpPort).get("/metrics").text) ?? ""
        let counted = metrics.split(separator: "\n").filter { $0.hasPrefix("martlet_mqtt_bridge") }
            .joined(separator: "\n")
        throw ServiceProcess.Ended(
            description: "\(error)\n\(counted)\n\(stack.log.suffix(12_000))\n\(remote.log.suffix(1_000))")
    }
    try await stack.stop()
}

private func connect(to socket: String, as name: String) async throws -> any Bus {
    let bus = SocketBus.connect(SocketBusConfiguration(path: socket, name: name), logger: Logger(label: name))
    try await bus.waitUntilConnected(timeout: .seconds(60))
    return bus
}
