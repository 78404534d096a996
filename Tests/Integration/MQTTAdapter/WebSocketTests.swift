// SPDX-License-Identifier: Apache-2.0
import Core
import MQTTAdapter
import Messaging
import NIOCore
import NIOPosix
import Synchronization
import TestKit
import Testing

/// MQTT over WebSocket (MQTT 5 section 6), frame by frame (RFC 6455).
@Suite(.serialized, .sharedStack()) struct WebSocketTests {
    private func open(_ scene: Scene, _ protocols: [String] = ["mqtt"]) async throws -> WebSocketClient {
        let client = try await WebSocketClient.connect(port: scene.stack.webSocketPort)
        try await client.shakeHands(protocols)
        return client
    }

    private func bytes(_ packet: Packet) -> [UInt8] { Raw.bytes(packet, .v5) }

    private func expectConnAck(_ client: WebSocketClient) async throws {
        guard case .connAck(let answer) = try await client.nextPacket() else { throw MQTTClient.Closed() }
        #expect(answer.reason == .success)
    }

    // [MQTT-6.0.0-4 of 3.1.1]
    @Test(
        "[MQTT-6.0.0-4] the server selects mqtt, whatever else is offered",
        arguments: [
            ["mqtt"], ["mqttv3.1", "mqtt"], ["chat, mqtt"], ["mqtt", "mqtt"],
        ])
    func subprotocol(protocols: [String]) async throws {
        let scene = try Scene()
        let client = try await open(scene, protocols)
        let head = client.head.lowercased()
        #expect(head.hasPrefix("http/1.1 101 "))
        #expect(head.contains("\r\nsec-websocket-protocol: mqtt\r\n"))
        try await client.send(.binary, bytes(.connect(scene.connect("web"))))
        try await expectConnAck(client)
    }

    @Test("without mqtt there is no upgrade", arguments: [[], ["chat"], ["mqttv3.1"], ["MQTT"]] as [[String]])
    func otherSubprotocols(protocols: [String]) async throws {
        let scene = try Scene()
        let client = try await open(scene, protocols)
        #expect(client.head.hasPrefix("HTTP/1.1 426 "))
        try await client.waitUntilClosed()
    }

    @Test("[MQTT-6.0.0-2] packets are split over frames and joined in them as it comes")
    func frames() async throws {
        let scene = try Scene()
        let client = try await open(scene)
        let all =
            bytes(.connect(scene.connect("web")))
            + bytes(
                .subscribe(
                    Subscribe(
                        packetIdentifier: 1,
                        requests: [.init(try TopicFilter(scene.topic()), SubscriptionOptions(maximumQoS: .atMostOnce))])
                ))
            + bytes(.publish(Publish(topic: scene.topic(), payload: ByteBuffer(string: "joined"))))
            + bytes(.pingRequest)
        // One byte a frame, empty frames between; then all in one frame; then in fragments, with a ping between two of them.
        for byte in all {
            try await client.send(.binary, [byte])
            try await client.send(.binary, [])
        }
        try await expectAnswers(client)
        let second = try await open(scene)
        try await second.send(.binary, all)
        try await expectAnswers(second)
        let third = try await open(scene)
        let cut = all.count / 3
        try await third.send(.binary, Array(all[..<cut]), isFinal: false)
        try await third.send(.ping, Array("still there?".utf8))
        try await third.send(.continuation, Array(all[cut..<(2 * cut)]), isFinal: false)
        try await third.send(.continuation, Array(all[(2 * cut)...]))
        try await expectAnswers(third)
        #expect(third.controls == [.init(.pong, Array("still there?".utf8))])
    }

    private func expectAnswers(_ client: WebSocketClient) async throws {
        try await expectConnAck(client)
        guard case .subAck = try await client.nextPacket() else { throw MQTTClient.Closed() }
        guard case .publish(let message) = try await client.nextPacket() else { throw MQTTClient.Closed() }
        #expect(String(buffer: message.payload) == "joined")
        #expect(try await client.nextPacket() == .pingResponse)
    }

    @Test("a packet that is larger than a read comes whole, both ways")
    func largePackets() async throws {
        let scene = try Scene()
        let client = try await open(scene)
        try await client.send(.binary, bytes(.connect(scene.connect("web"))))
        try await expectConnAck(client)
        try await client.send(
            .binary,
            bytes(.subscribe(Subscribe(packetIdentifier: 1, requests: [.init(try TopicFilter(scene.topic()))]))))
        guard case .subAck = try await client.nextPacket() else { throw MQTTClient.Closed() }
        let payload = ByteBuffer(bytes: (0..<700_000).map { UInt8(truncatingIfNeeded: $0 &* 31) })
        let packet = bytes(.publish(Publish(topic: scene.topic(), payload: payload)))
        try await client.send(.binary, Array(packet[..<300_000]), isFinal: false)
        try await client.send(.continuation, Array(packet[300_000...]))
        guard case .publish(let message) = try await client.nextPacket() else { throw MQTTClient.Closed() }
        #expect(message.payload == payload)
    }

    /// What is no binary data, or no frame that a client may send.
    enum Fault: CaseIterable, Sendable {
        case text, textWithPacketsBehind, unmasked, reservedBit, reservedOpcode, strayContinuation, twoMessages
        case tooLarge, fragmentedPing
    }

    // [MQTT-6.0.0-1 of 3.1.1]
    @Test(
        "[MQTT-6.0.0-1] any other frame ends the connection, unread, and the will is published",
        arguments: Fault.allCases)
    func faults(fault: Fault) async throws {
        let scene = try Scene()
        let listener = try await scene.client("listener")
        try await listener.subscribe(scene.topic("#"))
        let client = try await open(scene)
        try await client.send(.binary, bytes(.connect(scene.connect("web", will: scene.will("gone")))))
        try await expectConnAck(client)
        let publish = bytes(.publish(Publish(topic: scene.topic(), payload: ByteBuffer(string: "no"))))
        let code: UInt16
        switch fault {
        case .text:
            try await client.send(.text, publish)
            code = 1003
        case .textWithPacketsBehind:
            try await client.send(
                bytes: WebSocketClient.encode(.text, publish) + WebSocketClient.encode(.binary, publish))
            code = 1003
        case .unmasked:
            try await client.send(bytes: WebSocketClient.encode(.binary, publish, isMasked: false))
            code = 1002
        case .reservedBit:
            var frame = WebSocketClient.encode(.binary, publish)
            frame[0] |= 0x40
            try await client.send(bytes: frame)
            code = 1002
        case .reservedOpcode:
            var frame = WebSocketClient.encode(.binary, publish)
            frame[0] = 0x83
            try await client.send(bytes: frame)
            code = 1002
        case .strayContinuation:
            try await client.send(.continuation, publish)
            code = 1002
        case .twoMessages:
            try await client.send(.binary, [], isFinal: false)
            try await client.send(.binary, publish)
            code = 1002
        case .tooLarge:
            // The head of a frame of three MiB.
            try await client.send(bytes: [0x82, 0xFF, 0, 0, 0, 0, 0, 0x30, 0, 0])
            code = 1009
        case .fragmentedPing:
            try await client.send(.ping, [], isFinal: false)
            code = 1002
        }
        try await client.waitUntilClosed()
        #expect(client.controls == [.init(.close, [UInt8(code >> 8), UInt8(code & 0xFF)])])
        #expect(try await listener.nextText() == "gone")
        try await listener.expectSilence()
    }

    @Test("a close frame is answered, and is no DISCONNECT: the will is published")
    func closes() async throws {
        let scene = try Scene()
        let listener = try await scene.client("listener")
        try await listener.subscribe(scene.topic("#"))
        let client = try await open(scene)
        try await client.send(.binary, bytes(.connect(scene.connect("web", will: scene.will("gone")))))
        try await expectConnAck(client)
        try await client.send(.close, [0x03, 0xE8])
        try await client.waitUntilClosed()
        #expect(client.controls == [.init(.close, [0x03, 0xE8])])
        #expect(try await listener.nextText() == "gone")
    }

    @Test("the server says goodbye with a close frame behind its last packet")
    func closedByTheServer() async throws {
        let scene = try Scene()
        let client = try await open(scene)
        try await client.send(.binary, bytes(.connect(scene.connect("web"))))
        try await expectConnAck(client)
        try await client.send(.binary, [0x00, 0x00])
        guard case .disconnect(let end) = try await client.nextPacket() else { throw MQTTClient.Closed() }
        #expect(end.reason == .malformedPacket)
        try await client.waitUntilClosed()
        #expect(client.controls == [.init(.close, [0x03, 0xE8])])
    }

    @Test("what is no packet is answered as over TCP", arguments: [[0xC0, 0x00], [0x47, 0x45, 0x54]] as [[UInt8]])
    func beforeConnect(bytes: [UInt8]) async throws {
        let scene = try Scene()
        let client = try await open(scene)
        try await client.send(.binary, bytes)
        try await client.waitUntilClosed()
        #expect(client.data.isEmpty)
    }
}

/// A WebSocket client whose every byte is the test's.
final class WebSocketClient: Sendable {
    enum Opcode: UInt8, Sendable {
        case continuation = 0
        case text = 1
        case binary = 2
        case close = 8
        case ping = 9
        case pong = 10
    }

    /// A control frame that came.
    struct Control: Equatable, Sendable {
        let opcode: Opcode?
        let data: [UInt8]

        init(_ opcode: Opcode?, _ data: [UInt8]) {
            self.opcode = opcode
            self.data = data
        }
    }

    private struct State {
        var bytes = ByteBuffer()
        var head: String?
        var data = ByteBuffer()
        var controls: [Control] = []
        var isClosed = false
    }

    private let channel: any Channel
    private let state = Mutex(State())

    private init(channel: any Channel) { self.channel = channel }

    static func connect(port: Int) async throws -> WebSocketClient {
        let channel = try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .connect(host: "127.0.0.1", port: port).get()
        let client = WebSocketClient(channel: channel)
        try await channel.eventLoop.submit {
            try channel.pipeline.syncOperations.addHandler(Reader(client))
        }.get()
        return client
    }

    /// The server's answer to the handshake.
    var head: String { state.withLock { $0.head ?? "" } }
    var controls: [Control] { state.withLock { $0.controls } }
    /// What binary frames brought and was not taken.
    var data: [UInt8] { state.withLock { Array($0.data.readableBytesView) } }

    func shakeHands(_ protocols: [String]) async throws {
        var request =
            "GET /mqtt HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            + "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
        for name in protocols { request += "Sec-WebSocket-Protocol: \(name)\r\n" }
        try await send(bytes: Array((request + "\r\n").utf8))
        try await eventually("the handshake is answered", interval: .milliseconds(2)) {
            state.withLock { $0.head != nil }
        }
    }

    static func encode(
        _ opcode: Opcode, _ payload: [UInt8], isFinal: Bool = true, isMasked: Bool = true
    ) -> [UInt8] {
        var bytes: [UInt8] = [(isFinal ? 0x80 : 0) | opcode.rawValue]
        let mask: UInt8 = isMasked ? 0x80 : 0
        switch payload.count {
        case ..<126: bytes.append(mask | UInt8(payload.count))
        case ..<65_536: bytes += [mask | 126, UInt8(payload.count >> 8), UInt8(payload.count & 0xFF)]
        default:
            bytes.append(mask | 127)
            bytes += (0..<8).reversed().map { UInt8(payload.count >> ($0 * 8) & 0xFF) }
        }
        guard isMasked else { return bytes + payload }
        let key: [UInt8] = [0x12, 0x34, 0x56, 0x78]
        return bytes + key + payload.enumerated().map { $0.element ^ key[$0.offset % 4] }
    }

    func send(_ opcode: Opcode, _ payload: [UInt8], isFinal: Bool = true) async throws {
        try await send(bytes: Self.encode(opcode, payload, isFinal: isFinal))
    }

    func send(bytes: [UInt8]) async throws { try await channel.writeAndFlush(ByteBuffer(bytes: bytes)) }

    func waitUntilClosed() async throws {
        try await eventually("the server closes the connection") { state.withLock { $0.isClosed } }
    }

    /// The next packet in what binary frames have brought.
    func nextPacket() async throws -> Packet {
        var found: Packet?
        try await eventually("a packet comes", interval: .milliseconds(2)) {
            try state.withLock { state in
                found = Self.take(&state.data)
                if found == nil, state.isClosed { throw MQTTClient.Closed() }
                return found != nil
            }
        }
        guard let found else { throw MQTTClient.Closed() }
        return found
    }

    private static func take(_ data: inout ByteBuffer) -> Packet? {
        let scanner = PacketScanner(maximumPacketSize: PacketScanner.largestPacket, version: .v5)
        var length = 0
        let packet = data.withUnsafeReadableBytes { bytes -> Packet? in
            guard case .packet(let head)? = try? scanner.scan(bytes),
                let packet = try? Packet(bytes, head: head, version: .v5, from: .server)
            else { return nil }
            length = head.packetLength
            return packet
        }
        data.moveReaderIndex(forwardBy: length)
        return packet
    }

    private final class Reader: ChannelInboundHandler {
        typealias InboundIn = ByteBuffer

        private let client: WebSocketClient

        init(_ client: WebSocketClient) { self.client = client }

        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            let arrived = unwrapInboundIn(data)
            client.state.withLock { state in
                state.bytes.writeImmutableBuffer(arrived)
                if state.head == nil {
                    let view = state.bytes.readableBytesView
                    guard let end = view.firstRange(of: Array("\r\n\r\n".utf8)) else { return }
                    state.head = state.bytes.readString(length: end.upperBound - view.startIndex)
                }
                while let (opcode, payload) = Self.takeFrame(&state.bytes) {
                    if let opcode, opcode == .binary || opcode == .continuation {
                        state.data.writeBytes(payload)
                    } else {
                        state.controls.append(Control(opcode, payload))
                    }
                }
            }
        }

        func channelInactive(context: ChannelHandlerContext) {
            client.state.withLock { $0.isClosed = true }
        }

        func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }

        /// A server masks nothing.
        private static func takeFrame(_ bytes: inout ByteBuffer) -> (Opcode?, [UInt8])? {
            var copy = bytes
            guard let first = copy.readInteger(as: UInt8.self), let short = copy.readInteger(as: UInt8.self) else {
                return nil
            }
            var length = Int(short)
            if short == 126 {
                guard let count = copy.readInteger(as: UInt16.self) else { return nil }
                length = Int(count)
            } else if short == 127 {
                guard let count = copy.readInteger(as: UInt64.self) else { return nil }
                length = Int(clamping: count)
            }
            guard let payload = copy.readBytes(length: length) else { return nil }
            bytes = copy
            return (Opcode(rawValue: first & 0x0F), payload)
        }
    }
}
