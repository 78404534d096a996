// SPDX-License-Identifier: Apache-2.0
import Bus
import Core
import Foundation
import Logging
import Messaging
import NIOCore
import Synchronization
import TestKit

/// A bus daemon, `things` by its contract, and the adapter: processes that a test may kill.
final class CoAPStack: Sendable {
    let directory: TemporaryDirectory
    let things: ThingsByContract
    /// May read the stream and publish like any adapter.
    let observer: any Bus
    let port: Int
    let tcpPort: Int
    let dtlsPort: Int
    let tlsPort: Int
    let httpPort: Int
    private let processes: Mutex<(bus: ServiceProcess, adapter: ServiceProcess)>

    fileprivate init(
        directory: TemporaryDirectory, bus: ServiceProcess, things: ThingsByContract, observer: any Bus,
        settings: [String: String]
    ) throws {
        self.directory = directory
        self.things = things
        self.observer = observer
        port = try FreePort.next()
        tcpPort = try FreePort.next()
        dtlsPort = try FreePort.next()
        tlsPort = try FreePort.next()
        httpPort = try FreePort.next()
        let adapter = try ServiceProcess.start(
            "coap-adapter",
            arguments: [
                "--bus-socket", directory.file("bus.sock"), "--http-port", "\(httpPort)", "--coap-port", "\(port)",
                "--tcp-port", "\(tcpPort)", "--dtls-port", "\(dtlsPort)", "--tls-port", "\(tlsPort)",
            ] + settings.flatMap { ["--\($0.key)", $0.value] }, log: directory.file("coap.log"))
        processes = Mutex((bus, adapter))
    }

    var adapter: ServiceProcess { processes.withLock { $0.adapter } }
    var bus: ServiceProcess { processes.withLock { $0.bus } }
    var log: String { adapter.log }

    func kill() async { await adapter.kill() }

    /// Starts the adapter again and waits until it serves.
    func startAgain() async throws {
        let again = try adapter.startAgain()
        processes.withLock { $0.adapter = again }
        try await waitUntilServing()
    }

    func startBusAgain() throws {
        let again = try bus.startAgain()
        processes.withLock { $0.bus = again }
    }

    fileprivate func waitUntilServing() async throws {
        try await adapter.wait("the adapter serves") {
            guard let client = try? CoAPClient(port: self.port) else { return false }
            // A confirmable GET of nothing that is there; until the port is open there is no answer.
            let request = CoAPMessage(.confirmable, CoAPMessage.get, path: ["ready"])
            let answer = try? await client.exchange(request, timeout: .milliseconds(200))
            guard answer != nil else { return false }
            // The rights are heard of once the bus is there.
            let text = try? await HTTPClient(port: self.httpPort).get("/health").text
            return text?.contains(#""status":"pass","version""#) == true
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
    func publish(
        _ payload: ByteBuffer, _ subtopic: String = "", contentType: ContentType = .octetStream
    ) async throws {
        let message = RawMessage(
            domain: things.domain, channel: things.channel, subtopic: subtopic, publisher: things.sender.id,
            transport: .http, contentType: contentType, created: WallClock.system.now(), payload: payload)
        var envelope = ByteBuffer()
        message.encode(into: &envelope)
        _ = try await observer.publishDurably(
            BusMessage(subject: Subjects.messages(channel: message.channel, subtopic: subtopic), payload: envelope))
    }

    func publish(_ text: String, _ subtopic: String = "", contentType: ContentType = .octetStream) async throws {
        try await publish(ByteBuffer(string: text), subtopic, contentType: contentType)
    }

    /// `channels/<channel>/messages` and what is behind it.
    func path(_ subtopic: [String] = []) -> [String] { ["channels", "\(things.channel)", "messages"] + subtopic }

    /// A POST of the publisher's, or of another device's.
    func post(
        _ payload: String, _ subtopic: [String] = [], type: CoAPMessage.Kind = .confirmable, key: String? = nil,
        format: UInt8? = nil
    ) -> CoAPMessage {
        var message = CoAPMessage(
            type, CoAPMessage.post, path: path(subtopic), query: ["auth=\(key ?? things.publisher.key)"])
        if let format { message.options.append((12, [format])) }
        message.payload = Array(payload.utf8)
        return message
    }

    /// Of `coap-client`.
    func uri(_ scheme: String = "coap", _ subtopic: String = "", key: String? = nil, port: Int? = nil) -> String {
        "\(scheme)://127.0.0.1:\(port ?? self.port)/channels/\(things.channel)/messages"
            + (subtopic.isEmpty ? "" : "/" + subtopic) + "?auth=\(key ?? things.publisher.key)"
    }

    /// Runs libcoap's own client to its end.
    ///
    /// - Returns: what it wrote, with every message in it.
    func coapClient(_ variant: String, _ arguments: [String]) async throws -> String {
        let log = directory.file("client-\(ThingID.new()).log")
        let client = try ServiceProcess(
            program: Executables.system("coap-client-\(variant)"), arguments: ["-v", "7", "-B", "20"] + arguments,
            log: log)
        _ = try await client.waitForExit()
        return client.log
    }

    fileprivate func stop() async throws {
        try await adapter.terminate(deadline: .seconds(15))
        await observer.close()
        await things.bus.close()
        await bus.kill()
    }
}

/// Runs `body` with a stack of its own.
///
/// - Parameter settings: the adapter's flags, as on its command line, without dashes.
func withCoAP(
    _ settings: [String: String] = [:], isolation: isolated (any Actor)? = #isolation,
    _ body: (CoAPStack) async throws -> Void
) async throws {
    let directory = try TemporaryDirectory("coap")
    let socket = directory.file("bus.sock")
    let daemon = try ServiceProcess.start(
        "bus", arguments: ["--bus-socket", socket, "--data", directory.file("bus"), "--http-port", "0"],
        log: directory.file("bus.log"))
    let things = ThingsByContract(bus: try await connect(to: socket, as: "things"))
    let observer = try await connect(to: socket, as: "martlet")
    let serving = Task { try await things.run {} }
    let reader = try await connect(to: socket, as: "reader-postgres")
    let reading = Task { try await answerLast(reader, observer) }
    defer {
        serving.cancel()
        reading.cancel()
    }
    let stack = try CoAPStack(
        directory: directory, bus: daemon, things: things, observer: observer, settings: settings)
    try await stack.waitUntilServing()
    do {
        try await body(stack)
    } catch {
        throw ServiceProcess.Ended(description: "\(error)\n\(stack.log.suffix(20_000))")
    }
    try await stack.stop()
}

/// Answers for `reader-postgres` by its contract: what is last in the stream.
private func answerLast(_ bus: any Bus, _ stream: any Bus) async throws {
    try await bus.serve(
        Subjects.lastMessage, queueGroup: "reader", logger: Logger(label: "reader-by-contract")
    ) { (request: LastMessageRequest, _) in
        let subject = Subjects.messages(channel: request.channel, subtopic: request.subtopic ?? "")
        var last: StreamMessage?
        var next: UInt64 = 1
        while let page = try? await stream.read(stream: Streams.messages, from: next, maximumBytes: 1 << 20),
            let end = page.last
        {
            next = end.sequence + 1
            last = page.last { $0.subject == subject } ?? last
        }
        guard let last, let message = try? RawMessage(decoding: last.payload) else {
            return LastMessageResponse(message: nil)
        }
        let payload = Data(message.payload.readableBytesView)
        let part = payload.dropFirst(request.offset ?? 0).prefix(LastMessageRequest.maximumPartBytes)
        return LastMessageResponse(
            message: LastMessageResponse.Message(
                sequence: last.sequence, created: message.created, contentType: message.contentType.mediaType,
                payloadBytes: payload.count, payload: Data(part)))
    }
}

private func connect(to socket: String, as name: String) async throws -> any Bus {
    let bus = SocketBus.connect(SocketBusConfiguration(path: socket, name: name), logger: Logger(label: name))
    try await bus.waitUntilConnected(timeout: .seconds(60))
    return bus
}
