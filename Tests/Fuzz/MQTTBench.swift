// SPDX-License-Identifier: Apache-2.0
import MQTTAdapter
import NIOCore

/// What a PUBLISH costs a broker's loop without its sockets: found, read in place, looked up and written for one subscriber.
enum MQTTBench {
    private static let messages = 64
    private static let topic = "channels/0198f2c4/messages/building/1/room/2"

    static func run() {
        for version in [ProtocolVersion.v311, .v5] {
            let atMostOnce = stream(version, .atMostOnce)
            let atLeastOnce = stream(version, .atLeastOnce)
            measure("scan and view", atMostOnce, version) { _, _ in }
            forwardRuns(atMostOnce, version)
            forward(
                "re-framed as QoS 1", atMostOnce, version,
                PublishForm(version: version, qos: .atLeastOnce, packetIdentifier: 7))
            forward(
                "QoS 1 to QoS 1, and PUBACK", atLeastOnce, version,
                PublishForm(version: version, qos: .atLeastOnce, packetIdentifier: 7))
            let other: ProtocolVersion = version == .v5 ? .v311 : .v5
            forward("QoS 0 to the other version", atMostOnce, version, PublishForm(version: other))
        }
        forward(
            "with an alias set", stream(.v5, .atMostOnce), .v5,
            PublishForm(version: .v5, topicAlias: 3, omitsTopic: true))
        forward(
            "with expiry, 4 s later", stream(.v5, .atMostOnce, expiry: 60), .v5,
            PublishForm(version: .v5, secondsWaited: 4))
        lookUp()
    }

    private static func stream(
        _ version: ProtocolVersion, _ qos: QualityOfService, expiry: UInt32? = nil
    ) -> [UInt8] {
        var buffer = ByteBuffer()
        var properties = Properties()
        properties.messageExpiryInterval = expiry
        for index in 0..<messages {
            let packet = Publish(
                topic: topic, payload: ByteBuffer(repeating: 0x61, count: 100), qos: qos,
                packetIdentifier: qos == .atMostOnce ? 0 : UInt16(index + 1), properties: properties)
            Packet.publish(packet).encode(into: &buffer, version: version)
        }
        return Array(buffer.readableBytesView)
    }

    /// Calls `body` with the view of each PUBLISH and where it ends.
    @inline(__always)
    private static func walk(
        _ bytes: UnsafeRawBufferPointer, _ version: ProtocolVersion, _ body: (PublishView, Int) -> Void
    ) {
        let scanner = PacketScanner(maximumPacketSize: 65_536, version: version)
        var offset = 0
        while case .packet(let head)? = try? scanner.scan(bytes, from: offset) {
            let rest = UnsafeRawBufferPointer(rebasing: bytes[offset...])
            offset += head.packetLength
            guard let view = try? PublishView(rest, head: head, version: version) else { return }
            body(view, offset)
        }
    }

    @inline(__always)
    private static func measure(
        _ name: String, _ stream: [UInt8], _ version: ProtocolVersion,
        _ body: (PublishView, Int) -> Void
    ) {
        var count = 0
        let nanoseconds = Bench.measure {
            stream.withUnsafeBytes { bytes in
                walk(bytes, version) { view, end in
                    count &+= view.payload.count
                    body(view, end)
                }
            }
        }
        report(name, nanoseconds, stream, version)
        if count == 0 { print("nothing was found") }
    }

    /// Packets that may go out as they came are copied as one.
    private static func forwardRuns(_ stream: [UInt8], _ version: ProtocolVersion) {
        let form = PublishForm(version: version)
        var output = ByteBuffer()
        let nanoseconds = Bench.measure {
            output.clear()
            stream.withUnsafeBytes { bytes in
                var (start, end) = (0, 0)
                walk(bytes, version) { view, next in
                    if !view.isVerbatim(as: form) {
                        output.writeBytes(UnsafeRawBufferPointer(rebasing: bytes[start..<end]))
                        view.write(as: form, into: &output)
                        start = next
                    }
                    end = next
                }
                output.writeBytes(UnsafeRawBufferPointer(rebasing: bytes[start..<end]))
            }
        }
        report("QoS 0 in runs", nanoseconds, stream, version)
        if output.readableBytes != stream.count { print("not everything was passed on") }
    }

    private static func forward(
        _ name: String, _ stream: [UInt8], _ version: ProtocolVersion, _ form: PublishForm
    ) {
        var output = ByteBuffer()
        var answers = ByteBuffer()
        let nanoseconds = Bench.measure {
            output.clear()
            answers.clear()
            stream.withUnsafeBytes { bytes in
                walk(bytes, version) { view, _ in
                    view.write(as: form, into: &output)
                    if view.qos == .atLeastOnce {
                        Acknowledgement.write(.pubAck, view.packetIdentifier, into: &answers, version)
                    }
                }
            }
        }
        report(name, nanoseconds, stream, version)
        if output.readableBytes == 0 { print("nothing was passed on") }
    }

    /// Upper bounds: generic code is not specialized for another module, as it is where the adapter uses it.
    private static func lookUp() {
        var trie = TopicTrie<Int>()
        for index in 0..<1000 { trie.add(index, at: "channels/\(index)/messages/#") }
        trie.add(1000, at: "channels/0198f2c4/messages/#")
        trie.add(1001, at: "channels/+/messages/building/+/room/#")
        var cache = RouteCache<Int>(capacity: 1024)
        let bytes = Array(topic.utf8)
        var found = 0
        let walking = Bench.measure { found &+= bytes.withUnsafeBytes { trie.matches($0).count } }
        bytes.withUnsafeBytes { cache.insert(2, for: $0, generation: 1) }
        let looking = Bench.measure {
            found &+= bytes.withUnsafeBytes { cache.find($0, generation: 1) ?? 0 }
        }
        var aliases = OutboundTopicAliases(maximum: 10)
        let aliasing = Bench.measure {
            bytes.withUnsafeBytes { if aliases.use($0) != .none { found &+= 1 } }
        }
        print(
            "MQTT topic of \(bytes.count) bytes: trie \(Bench.rounded(walking)) ns, cache \(Bench.rounded(looking)) ns,"
                + " alias \(Bench.rounded(aliasing)) ns")
        if found == 0 { print("nothing was found") }
    }

    private static func report(
        _ name: String, _ nanoseconds: Double, _ stream: [UInt8], _ version: ProtocolVersion
    ) {
        let each = Bench.rounded(nanoseconds / Double(messages))
        print(
            "MQTT \(version == .v5 ? "5" : "3.1.1"), \(name): \(each) ns a PUBLISH of \(stream.count / messages) bytes"
        )
    }
}
