// SPDX-License-Identifier: Apache-2.0
import MQTTAdapter
import NIOCore

/// A connection's bytes: the same packets however they are split, the view of a PUBLISH and its owned value agree, what was decoded survives encoding, and
/// a PUBLISH that is passed on says the same.
struct MQTTTarget: FuzzTarget {
    private static let maximumPacketSize = 1024

    let name = "mqtt"

    var seeds: [[UInt8]] { MQTTGenerator.samples }

    var dictionary: [[UInt8]] {
        PacketType.allCases.map { [$0.rawValue << 4 | ($0.requiredFlags ?? 2)] }
            + PropertyIdentifier.allCases.map { [$0.rawValue] }
            + [
                [0x80, 0x80, 0x80, 0x01], [0xFF, 0xFF, 0xFF, 0x7F], [0x80, 0], [0, 0], [0, 1], [0xFF, 0xFF],
                [0xED, 0xA0, 0x80], [0xC0, 0x80], [0xEF, 0xBB, 0xBF], [0x26, 0, 1, 0x61, 0, 0], [0x23, 0, 1],
                [0x0B, 1],
                MQTTGenerator.text("MQTT"), MQTTGenerator.text("a/+"), MQTTGenerator.text("$share/g/a"),
            ]
    }

    func generate(_ random: inout SeededRandom) -> [UInt8] { MQTTGenerator.stream(&random) }

    func check(_ input: [UInt8]) throws(Disagreement) -> Bool {
        guard let options = input.first else { return false }
        let version = MQTTGenerator.version(options)
        let sender = MQTTGenerator.sender(options)
        let stream = Array(input.dropFirst())
        let whole = scan(stream, version) { _ in stream.count }
        try checkSplits(stream, version, whole, seed: options)
        var isAccepted = !whole.packets.isEmpty
        for (offset, head) in whole.packets {
            let bytes = Array(stream[offset..<offset + head.packetLength])
            if try !checkPacket(bytes, head, version, sender) { isAccepted = false }
        }
        return isAccepted
    }

    // Scanning

    private struct Scan {
        var packets: [(offset: Int, head: PacketHead)] = []
        var violation: Violation?
        /// How many bytes there must be at least, as foretold; the last time.
        var needed = 0
        /// A packet came before it was foretold, or a forecast went back.
        var isInconsistent = false
    }

    /// Finds packets in a stream that arrives in parts.
    ///
    /// - Parameter next: from how many bytes there are, how many there will be.
    private func scan(_ stream: [UInt8], _ version: ProtocolVersion, _ next: (Int) -> Int) -> Scan {
        let scanner = PacketScanner(maximumPacketSize: Self.maximumPacketSize, version: version)
        var scan = Scan()
        var (offset, available) = (0, 0)
        while true {
            let part = Array(stream[..<available])
            let result = part.withUnsafeBytes { bytes -> Result<PacketScanner.Result, Violation> in
                do throws(Violation) { return .success(try scanner.scan(bytes, from: offset)) } catch {
                    return .failure(error)
                }
            }
            switch result {
            case .failure(let violation):
                scan.violation = violation
                return scan
            case .success(.packet(let head)):
                if offset + head.packetLength < scan.needed { scan.isInconsistent = true }
                scan.packets.append((offset, head))
                offset += head.packetLength
                scan.needed = 0
            case .success(.incomplete(let missing)):
                if missing < 1 || available + missing < scan.needed { scan.isInconsistent = true }
                scan.needed = available + missing
                guard available < stream.count else { return scan }
                available = min(stream.count, max(available + 1, next(available)))
            }
        }
    }

    private func checkSplits(
        _ stream: [UInt8], _ version: ProtocolVersion, _ whole: Scan, seed: UInt8
    ) throws(Disagreement) {
        var random = SeededRandom(seed: UInt64(seed) << 32 | UInt64(stream.count))
        let largest = random.pick([1, 3, 16, 200])
        let split = scan(stream, version) { $0 + 1 + random.below(largest) }
        guard !whole.isInconsistent, !split.isInconsistent else { throw Disagreement("a packet was foretold wrongly") }
        guard split.packets.map(\.offset) == whole.packets.map(\.offset),
            split.packets.map(\.head) == whole.packets.map(\.head)
        else { throw Disagreement("packets depend on how the bytes are split") }
        guard (split.violation == nil) == (whole.violation == nil) else {
            throw Disagreement("\(split.violation as Any) in parts, \(whole.violation as Any) at once")
        }
        guard whole.violation != nil || split.needed == whole.needed else {
            throw Disagreement("\(split.needed) bytes are needed in parts, \(whole.needed) at once")
        }
    }

    // Packets

    private func checkPacket(
        _ bytes: [UInt8], _ head: PacketHead, _ version: ProtocolVersion, _ sender: Sender
    ) throws(Disagreement) -> Bool {
        let decoded = decode(bytes, head, version, sender)
        if head.type == .publish { try checkPublish(bytes, head, version, sender, decoded) }
        guard case .success(let packet) = decoded else { return false }
        let spoken = if case .connect(let connect) = packet { connect.version } else { version }
        let encoded = encode(packet, spoken)
        guard encoded.count <= bytes.count else {
            throw Disagreement("\(bytes.count) bytes became \(encoded.count): \(packet)")
        }
        guard try decodeAgain(encoded, spoken, sender) == packet else {
            throw Disagreement("changed by encoding: \(packet)")
        }
        for limit in [0, encoded.count - 1, encoded.count] {
            var buffer = ByteBuffer()
            let fits = packet.encode(into: &buffer, version: spoken, maximumPacketSize: limit)
            let written = Array(buffer.readableBytesView)
            guard written.count <= limit, fits != written.isEmpty, limit < encoded.count || written == encoded else {
                throw Disagreement("\(written.count) bytes within \(limit), fits: \(fits)")
            }
            guard fits else { continue }
            guard try decodeAgain(written, spoken, sender).withoutExplanations == packet.withoutExplanations else {
                throw Disagreement("changed by leaving explanations out: \(packet)")
            }
        }
        return true
    }

    private func decode(
        _ bytes: [UInt8], _ head: PacketHead, _ version: ProtocolVersion, _ sender: Sender
    ) -> Result<Packet, Violation> {
        bytes.withUnsafeBytes { bytes in
            do throws(Violation) {
                return .success(try Packet(bytes, head: head, version: version, from: sender))
            } catch {
                return .failure(error)
            }
        }
    }

    private func decodeAgain(
        _ bytes: [UInt8], _ version: ProtocolVersion, _ sender: Sender
    ) throws(Disagreement) -> Packet {
        let scan = scan(bytes, version) { _ in bytes.count }
        guard scan.packets.count == 1, let head = scan.packets.first?.head, head.packetLength == bytes.count,
            case .success(let packet) = decode(bytes, head, version, sender)
        else { throw Disagreement("what was written is refused: \(bytes)") }
        return packet
    }

    private func encode(_ packet: Packet, _ version: ProtocolVersion) -> [UInt8] {
        var buffer = ByteBuffer()
        packet.encode(into: &buffer, version: version)
        return Array(buffer.readableBytesView)
    }

    // PUBLISH

    private func checkPublish(
        _ bytes: [UInt8], _ head: PacketHead, _ version: ProtocolVersion, _ sender: Sender,
        _ decoded: Result<Packet, Violation>
    ) throws(Disagreement) {
        let result = bytes.withUnsafeBytes { raw -> Result<Void, Disagreement> in
            do throws(Disagreement) {
                let view: PublishView
                do throws(Violation) {
                    view = try PublishView(raw, head: head, version: version, from: sender)
                } catch {
                    guard case .failure(error) = decoded else {
                        throw Disagreement("the view says \(error), the packet \(decoded)")
                    }
                    return .success(())
                }
                guard case .success(.publish(let publish)) = decoded else {
                    throw Disagreement("the view is accepted, the packet not: \(decoded)")
                }
                try check(view, publish)
                if sender == .client { try checkForwarding(view, publish, bytes) }
                return .success(())
            } catch {
                return .failure(error)
            }
        }
        try result.get()
    }

    private func check(_ view: PublishView, _ publish: Publish) throws(Disagreement) {
        func text(_ bytes: UnsafeRawBufferPointer?) -> String? { bytes.map { String(decoding: $0, as: UTF8.self) } }
        var pairs: [Properties.Pair] = []
        view.forEachUserProperty { pairs.append(.init(text($0) ?? "", text($1) ?? "")) }
        let properties = publish.properties
        guard text(view.topic) == publish.topic, Array(view.payload) == Array(publish.payload.readableBytesView),
            view.qos == publish.qos, view.packetIdentifier == publish.packetIdentifier, view.retain == publish.retain,
            view.isDuplicate == publish.isDuplicate, view.topicAlias == properties.topicAlias ?? 0,
            view.messageExpiryInterval == properties.messageExpiryInterval,
            view.payloadIsText == (properties.payloadFormatIsText ?? false), pairs == properties.userProperties,
            text(view.contentType) == properties.contentType, text(view.responseTopic) == properties.responseTopic,
            view.correlationData.map(Array.init) == properties.correlationData
        else { throw Disagreement("the view and \(publish) differ") }
    }

    private static let forms = [
        PublishForm(version: .v5), PublishForm(version: .v311),
        PublishForm(version: .v5, qos: .atLeastOnce, packetIdentifier: 513, retain: true, isDuplicate: true),
        PublishForm(version: .v311, qos: .exactlyOnce, packetIdentifier: 65_535),
        PublishForm(version: .v5, topicAlias: 7, omitsTopic: true, secondsWaited: 100_000),
        PublishForm(
            version: .v5, qos: .exactlyOnce, packetIdentifier: 1, topicAlias: 65_535,
            subscriptionIdentifiers: [1, 300, 268_435_455], secondsWaited: 1),
    ]

    private func checkForwarding(
        _ view: PublishView, _ publish: Publish, _ bytes: [UInt8]
    ) throws(Disagreement) {
        let resolved = [UInt8]("resolved/topic".utf8)
        for form in Self.forms {
            var buffer = ByteBuffer()
            resolved.withUnsafeBytes { view.write(as: form, topic: $0, into: &buffer) }
            let written = Array(buffer.readableBytesView)
            if view.isVerbatim(as: form), written != bytes { throw Disagreement("verbatim, but other bytes") }
            var expected = publish
            if publish.topic.isEmpty { expected.topic = "resolved/topic" }
            if form.omitsTopic { expected.topic = "" }
            (expected.qos, expected.packetIdentifier) = (form.qos, form.packetIdentifier)
            (expected.retain, expected.isDuplicate) = (form.retain, form.isDuplicate)
            if form.version == .v5 {
                expected.properties.topicAlias = form.topicAlias == 0 ? nil : form.topicAlias
                expected.properties.subscriptionIdentifiers = form.subscriptionIdentifiers
                expected.properties.messageExpiryInterval = publish.properties.messageExpiryInterval.map {
                    $0 > form.secondsWaited ? $0 - form.secondsWaited : 0
                }
            } else {
                expected.properties = Properties()
            }
            guard try decodeAgain(written, form.version, .server) == .publish(expected) else {
                throw Disagreement("passed on as \(form): \(written)")
            }
        }
    }
}
