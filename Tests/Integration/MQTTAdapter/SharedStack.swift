// SPDX-License-Identifier: Apache-2.0
import MQTTAdapter
import Messaging
import NIOCore
import TestKit
import Testing

/// One stack for all tests of a suite, which keep apart by the names of their clients and topics (``Scene``).
struct SharedStack: SuiteTrait, TestScoping {
    let settings: [String: String]

    @TaskLocal static var current: MQTTStack?

    func provideScope(
        for test: Test, testCase: Test.Case?, performing function: @Sendable () async throws -> Void
    ) async throws {
        try await withMQTT(settings) { stack in
            try await Self.$current.withValue(stack) { try await function() }
        }
    }
}

extension Trait where Self == SharedStack {
    /// - Parameter settings: the adapter's flags, as ``withMQTT(_:tls:isolation:_:)`` takes them.
    static func sharedStack(_ settings: [String: String] = [:]) -> Self { SharedStack(settings: settings) }
}

/// A test's own clients and topics, on a stack that others use as well.
struct Scene {
    let stack: MQTTStack
    /// Begins the test's client identifiers, and its topics.
    let name = "s" + String(UInt64.random(in: 1 ... .max), radix: 36)

    /// On the suite's stack.
    init() throws { stack = try #require(SharedStack.current) }

    init(_ stack: MQTTStack) { self.stack = stack }

    func topic(_ rest: String = "") -> String { stack.topic(rest.isEmpty ? name : name + "/" + rest) }

    /// A good CONNECT of a thing that may publish and subscribe.
    func connect(
        _ identifier: String, version: ProtocolVersion = .v5, cleanStart: Bool = true, keepAlive: UInt16 = 60,
        expiry: UInt32? = nil, will: Will? = nil
    ) -> Connect {
        stack.connect(
            stack.things.publisher, name + identifier, version: version, cleanStart: cleanStart, keepAlive: keepAlive,
            expiry: expiry, will: will)
    }

    /// - Throws: what was answered instead of CONNACK.
    func open(_ connect: Connect) async throws -> (client: MQTTClient, answer: ConnAck) {
        let client = try await MQTTClient.connect(port: stack.port, version: connect.version)
        try await client.send(.connect(connect))
        let packet = try await client.next()
        guard case .connAck(let answer) = packet else { throw MQTTClient.Unexpected(packet: packet) }
        client.isSessionPresent = answer.sessionPresent
        return (client, answer)
    }

    func client(
        _ identifier: String, version: ProtocolVersion = .v5, cleanStart: Bool = true, expiry: UInt32? = nil,
        will: Will? = nil
    ) async throws -> MQTTClient {
        let (client, answer) = try await open(
            connect(identifier, version: version, cleanStart: cleanStart, expiry: expiry, will: will))
        #expect(answer.reason == .success)
        return client
    }

    func will(_ text: String, qos: QualityOfService = .atLeastOnce, retain: Bool = false, delay: UInt32? = nil) -> Will
    {
        var properties = Properties()
        properties.willDelayInterval = delay
        return Will(
            topic: topic("will"), payload: ByteBuffer(string: text), qos: qos, retain: retain, properties: properties)
    }

    /// The next message of this scene's topics; others', which filters over all channels bring as well, are passed over.
    func nextMessage(_ client: MQTTClient) async throws -> Publish {
        while true {
            let message = try await client.nextMessage()
            if message.topic.contains(name) { return message }
        }
    }

    /// The payloads that are stored of this scene's topics, in order.
    func stored() async throws -> [String] {
        try await stack.stored().filter { $0.subtopic == name || $0.subtopic.hasPrefix(name + ".") }
            .map { String(buffer: $0.payload) }
    }
}

extension MQTTClient {
    /// The next packet must be a PUBLISH: its payload.
    func nextText() async throws -> String { String(buffer: try await nextMessage().payload) }

    /// Everything sent so far was processed when this returns, and nothing came but what was expected.
    func expectSilence(sourceLocation: SourceLocation = #_sourceLocation) async throws {
        try await send(.pingRequest)
        let packet = try await next()
        #expect(packet == .pingResponse, sourceLocation: sourceLocation)
    }

    /// The server ends the connection for this reason (which MQTT 3.1.1 is not told) and says nothing more.
    func expectEnd(_ reason: ReasonCode, _ what: String = "", sourceLocation: SourceLocation = #_sourceLocation)
        async throws
    {
        try await waitUntilClosed()
        let packets = received
        #expect(undecodedBytes == 0, "\(what)", sourceLocation: sourceLocation)
        guard version == .v5 else {
            #expect(packets.isEmpty, "\(what)", sourceLocation: sourceLocation)
            return
        }
        #expect(packets.count == 1, "\(what): \(packets)", sourceLocation: sourceLocation)
        guard case .disconnect(let end)? = packets.first else {
            Issue.record("\(what): \(packets)", sourceLocation: sourceLocation)
            return
        }
        #expect(end.reason == reason, "\(what): \(end)", sourceLocation: sourceLocation)
    }
}

/// Bytes of packets, also of those that no encoder would write.
enum Raw {
    /// The first byte, the length of the rest, the rest.
    static func packet(_ first: UInt8, _ parts: [UInt8]...) -> [UInt8] {
        let body = parts.flatMap { $0 }
        return [first] + length(body.count) + body
    }

    /// A variable byte integer.
    static func length(_ count: Int) -> [UInt8] {
        var bytes: [UInt8] = []
        var rest = count
        repeat {
            bytes.append(UInt8(rest & 0x7F) | (rest > 0x7F ? 0x80 : 0))
            rest >>= 7
        } while rest > 0
        return bytes
    }

    /// Binary data with their length, well-formed as text or not.
    static func field(_ bytes: [UInt8]) -> [UInt8] { [UInt8(bytes.count >> 8), UInt8(bytes.count & 0xFF)] + bytes }
    static func text(_ text: String) -> [UInt8] { field(Array(text.utf8)) }

    /// Properties with their length.
    static func properties(_ bytes: [UInt8]...) -> [UInt8] {
        let all = bytes.flatMap { $0 }
        return length(all.count) + all
    }

    /// One property, with the length of all.
    static func property(_ identifier: UInt8, _ parts: [UInt8]...) -> [UInt8] {
        properties([identifier] + parts.flatMap { $0 })
    }

    static func bytes(_ packet: Packet, _ version: ProtocolVersion) -> [UInt8] {
        var buffer = ByteBuffer()
        packet.encode(into: &buffer, version: version)
        return Array(buffer.readableBytesView)
    }

    /// What is not text: a byte that continues nothing, half a character, a surrogate, a character that does not exist, U+0000.
    static let faultyTexts: [[UInt8]] = [
        [0x61, 0x80], [0xC3], [0xED, 0xA0, 0x80], [0xF4, 0x90, 0x80, 0x80], [0xC0, 0x80], [0x61, 0x00, 0x62],
    ]
}
