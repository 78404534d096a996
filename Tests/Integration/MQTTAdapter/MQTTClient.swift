// SPDX-License-Identifier: Apache-2.0
import MQTTAdapter
import NIOCore
import NIOPosix
import NIOSSL
import Synchronization
import TestKit

/// An MQTT client that does what a test tells it and nothing by itself: packets out, packets in.
final class MQTTClient: Sendable {
    struct Closed: Error {}

    private struct State {
        var packets: [Packet] = []
        var isClosed = false
        var isSessionPresent = false
        var bytes: [UInt8] = []
        var undecoded = 0
    }

    let version: ProtocolVersion
    private let channel: any Channel
    private let state = Mutex(State())

    var isSessionPresent: Bool {
        get { state.withLock { $0.isSessionPresent } }
        set { state.withLock { $0.isSessionPresent = newValue } }
    }

    private init(channel: any Channel, version: ProtocolVersion) {
        self.channel = channel
        self.version = version
    }

    static func connect(
        port: Int, version: ProtocolVersion = .v5, tls: NIOSSLContext? = nil
    ) async throws -> MQTTClient {
        let channel = try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .connect(host: "127.0.0.1", port: port).get()
        let client = MQTTClient(channel: channel, version: version)
        try await channel.eventLoop.submit {
            if let tls {
                try channel.pipeline.syncOperations.addHandler(
                    NIOSSLClientHandler(context: tls, serverHostname: "localhost"))
            }
            try channel.pipeline.syncOperations.addHandler(Reader(client))
        }.get()
        return client
    }

    func send(_ packets: Packet...) async throws {
        var buffer = ByteBuffer()
        for packet in packets { packet.encode(into: &buffer, version: version) }
        try await channel.writeAndFlush(buffer)
    }

    func send(bytes: [UInt8]) async throws {
        try await channel.writeAndFlush(ByteBuffer(bytes: bytes))
    }

    /// The next packet.
    /// - Throws: ``Closed`` when the server has closed the connection and nothing is left.
    func next(deadline: Duration = .seconds(30)) async throws -> Packet {
        var found: Packet?
        try await eventually("a packet comes", deadline: deadline, interval: .milliseconds(2)) {
            try state.withLock { state in
                if state.packets.isEmpty {
                    if state.isClosed { throw Closed() }
                    return false
                }
                found = state.packets.removeFirst()
                return true
            }
        }
        guard let found else { throw Closed() }
        return found
    }

    /// The next packet, which must be a PUBLISH.
    func nextMessage(deadline: Duration = .seconds(30)) async throws -> Publish {
        let packet = try await next(deadline: deadline)
        guard case .publish(let publish) = packet else { throw Unexpected(packet: packet) }
        return publish
    }

    struct Unexpected: Error { let packet: Packet }

    /// Everything that has come and was not taken.
    var received: [Packet] { state.withLock { $0.packets } }
    var isClosed: Bool { state.withLock { $0.isClosed } }
    /// All that has come, packets or not, taken or not.
    var receivedBytes: [UInt8] { state.withLock { $0.bytes } }
    /// How many of the bytes are no packet that a server may send, or not a whole one.
    var undecodedBytes: Int { state.withLock { $0.undecoded } }

    func waitUntilClosed() async throws {
        try await eventually("the server closes the connection") { isClosed }
    }

    @discardableResult
    func subscribe(
        _ filters: String..., qos: QualityOfService = .exactlyOnce, identifier: UInt16 = 1,
        subscriptionIdentifier: UInt32? = nil, options: SubscriptionOptions? = nil
    ) async throws -> [ReasonCode] {
        var packet = Subscribe(
            packetIdentifier: identifier,
            requests: try filters.map {
                Subscribe.Request(try TopicFilter($0), options ?? SubscriptionOptions(maximumQoS: qos))
            })
        if let subscriptionIdentifier { packet.properties.subscriptionIdentifiers = [subscriptionIdentifier] }
        try await send(.subscribe(packet))
        let answer = try await next()
        guard case .subAck(let acknowledgement) = answer, acknowledgement.packetIdentifier == identifier else {
            throw Unexpected(packet: answer)
        }
        return acknowledgement.reasons
    }

    func publish(
        _ topic: String, _ payload: String, qos: QualityOfService = .atMostOnce, identifier: UInt16 = 0,
        retain: Bool = false, isDuplicate: Bool = false, properties: Properties = Properties()
    ) async throws {
        try await send(
            .publish(
                Publish(
                    topic: topic, payload: ByteBuffer(string: payload), qos: qos, retain: retain,
                    isDuplicate: isDuplicate, packetIdentifier: identifier, properties: properties)))
    }

    /// Publishes with QoS 1 and waits for PUBACK.
    @discardableResult
    func publishAndWait(
        _ topic: String, _ payload: String, identifier: UInt16 = 1, retain: Bool = false,
        properties: Properties = Properties()
    ) async throws -> ReasonCode {
        try await publish(
            topic, payload, qos: .atLeastOnce, identifier: identifier, retain: retain, properties: properties)
        let answer = try await next()
        guard case .pubAck(let acknowledgement) = answer, acknowledgement.packetIdentifier == identifier else {
            throw Unexpected(packet: answer)
        }
        return acknowledgement.reason
    }

    /// Reads nothing more, or goes on.
    func setReading(_ isReading: Bool) async throws {
        try await channel.setOption(.autoRead, value: isReading).get()
    }

    /// Closes without a word: the will is due.
    func close() { channel.close(promise: nil) }

    func disconnect() async throws {
        try await send(.disconnect(Disconnect()))
        // The server closes the connection, or has done so.
        try? await channel.close()
    }

    private final class Reader: ChannelInboundHandler {
        typealias InboundIn = ByteBuffer

        private let client: MQTTClient
        private var pending = ByteBuffer()

        init(_ client: MQTTClient) { self.client = client }

        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            let bytes = unwrapInboundIn(data)
            pending.writeImmutableBuffer(bytes)
            var packets: [Packet] = []
            while let packet = takePacket() { packets.append(packet) }
            pending.discardReadBytes()
            client.state.withLock { state in
                state.packets += packets
                state.bytes += bytes.readableBytesView
                state.undecoded = pending.readableBytes
            }
        }

        func channelInactive(context: ChannelHandlerContext) {
            client.state.withLock { $0.isClosed = true }
        }

        func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }

        private func takePacket() -> Packet? {
            let scanner = PacketScanner(maximumPacketSize: PacketScanner.largestPacket, version: client.version)
            var length = 0
            let packet = pending.withUnsafeReadableBytes { bytes -> Packet? in
                // What cannot be read stays, and everything behind it.
                guard case .packet(let head)? = try? scanner.scan(bytes),
                    let packet = try? Packet(bytes, head: head, version: client.version, from: .server)
                else { return nil }
                length = head.packetLength
                return packet
            }
            pending.moveReaderIndex(forwardBy: length)
            return packet
        }
    }
}
