// SPDX-License-Identifier: Apache-2.0
import Core
import MQTTAdapter
import NIOCore
import TestKit

/// What one client says from its first byte to its last: mostly a valid session, changed a little or a lot.
package struct SessionGenerator {
    package enum End: CaseIterable, Sendable {
        /// Closes as soon as everything was sent.
        case close
        /// Closes its sending side and waits for the server.
        case halfClose
        /// Says nothing more, and waits for the server.
        case silence
    }

    package struct Conversation: Sendable {
        package var writes: [[UInt8]]
        package var end: End
    }

    private let devices: [ThingsByContract.Device]
    private let topic: String

    /// - Parameter topic: below which is published: `channels/<id>/messages/fuzz`.
    package init(devices: [ThingsByContract.Device], topic: String) {
        self.devices = devices
        self.topic = topic
    }

    package func conversation(_ random: inout SeededRandom) -> Conversation {
        let version: ProtocolVersion = random.oneIn(2) ? .v5 : .v311
        var packets: [[UInt8]] = []
        if !random.oneIn(16) { packets.append(connect(version, &random)) }
        for _ in 0..<random.below(12) { packets.append(packet(version, &random)) }
        shuffle(&packets, &random)
        let mutator = Mutator(dictionary: MQTTTarget().dictionary)
        if random.oneIn(3), !packets.isEmpty {
            let place = random.below(packets.count)
            mutator.mutate(&packets[place], with: random.pick(packets), using: &random)
        }
        var stream = packets.flatMap { $0 }
        if random.oneIn(4) { mutator.mutate(&stream, with: random.pick(MQTTGenerator.samples), using: &random) }
        if random.oneIn(8) { stream.removeSubrange(random.below(stream.count)...) }
        return Conversation(writes: split(stream, &random), end: random.pick(End.allCases))
    }

    /// Out of order, doubled or left out, now and then.
    private func shuffle(_ packets: inout [[UInt8]], _ random: inout SeededRandom) {
        guard random.oneIn(4), packets.count > 1 else { return }
        switch random.below(3) {
        case 0: packets.swapAt(random.below(packets.count), random.below(packets.count))
        case 1: packets.insert(random.pick(packets), at: random.below(packets.count))
        default: packets.remove(at: random.below(packets.count))
        }
    }

    private func split(_ stream: [UInt8], _ random: inout SeededRandom) -> [[UInt8]] {
        guard random.oneIn(2) else { return [stream] }
        var writes: [[UInt8]] = []
        var rest = stream[...]
        let largest = random.pick([1, 7, 64, 1_000])
        while !rest.isEmpty, writes.count < 32 {
            let count = 1 + random.below(largest)
            writes.append(Array(rest.prefix(count)))
            rest = rest.dropFirst(count)
        }
        if !rest.isEmpty { writes.append(Array(rest)) }
        return writes
    }

    private func connect(_ version: ProtocolVersion, _ random: inout SeededRandom) -> [UInt8] {
        let device = random.pick(devices)
        var connect = Connect(
            version: version, cleanStart: random.oneIn(2), keepAlive: 1,
            clientIdentifier: "fuzz-\(random.below(40))", userName: device.id.description,
            password: Array((random.oneIn(16) ? "wrong" : device.key).utf8))
        if random.oneIn(4) {
            connect.will = Will(topic: topic + "/will", payload: ByteBuffer(string: "gone"), qos: qos(&random))
        }
        if version == .v5 {
            if random.oneIn(3) { connect.properties.sessionExpiryInterval = UInt32(random.below(3)) }
            if random.oneIn(4) { connect.properties.receiveMaximum = UInt16(1 + random.below(4)) }
            if random.oneIn(4) { connect.properties.maximumPacketSize = UInt32(1 + random.below(200)) }
            if random.oneIn(4) { connect.properties.topicAliasMaximum = UInt16(random.below(10)) }
        }
        return bytes(.connect(connect), version)
    }

    /// One that fits this server's tree, or any at all.
    private func packet(_ version: ProtocolVersion, _ random: inout SeededRandom) -> [UInt8] {
        let identifier = UInt16(1 + random.below(6))
        switch random.below(9) {
        case 0, 1:
            let qos = qos(&random)
            var publish = Publish(
                topic: topic + "/" + random.pick(["a", "a/b", "c"]),
                payload: ByteBuffer(repeating: 0x78, count: random.below(random.oneIn(20) ? 20_000 : 60)), qos: qos,
                retain: random.oneIn(6), isDuplicate: qos != .atMostOnce && random.oneIn(4),
                packetIdentifier: qos == .atMostOnce ? 0 : identifier)
            if version == .v5, random.oneIn(4) { publish.properties.topicAlias = UInt16(1 + random.below(40)) }
            return bytes(.publish(publish), version)
        case 2:
            let filters = [topic + "/#", topic + "/+", "#", "$share/g/" + topic + "/a", "elsewhere/#"]
            guard let filter = try? TopicFilter(random.pick(filters)) else { return [] }
            let options = SubscriptionOptions(maximumQoS: qos(&random))
            return bytes(
                .subscribe(Subscribe(packetIdentifier: identifier, requests: [Subscribe.Request(filter, options)])),
                version)
        case 3: return bytes(.pubRel(Acknowledgement(packetIdentifier: identifier)), version)
        case 4:
            let acknowledgement = Acknowledgement(packetIdentifier: identifier)
            return bytes(
                random.pick([.pubAck(acknowledgement), .pubRec(acknowledgement), .pubComp(acknowledgement)]), version)
        case 5: return bytes(.pingRequest, version)
        case 6: return bytes(.disconnect(Disconnect()), version)
        default:
            let types = PacketType.allCases.filter { $0.maySend(.client, version) }
            return MQTTGenerator.packet(random.pick(types), version, .client, &random)
        }
    }

    private func qos(_ random: inout SeededRandom) -> QualityOfService { random.pick(QualityOfService.allCases) }

    private func bytes(_ packet: Packet, _ version: ProtocolVersion) -> [UInt8] {
        var buffer = ByteBuffer()
        packet.encode(into: &buffer, version: version)
        return Array(buffer.readableBytesView)
    }
}
