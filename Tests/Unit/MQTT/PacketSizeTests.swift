// SPDX-License-Identifier: Apache-2.0
import MQTTAdapter
import NIOCore
import Testing

/// What a receiver said that it takes.
@Suite struct PacketSizeTests {
    // [MQTT-3.4.2-3] [MQTT-3.5.2-2] [MQTT-3.5.2-3] [MQTT-3.6.2-2] [MQTT-3.6.2-3] [MQTT-3.7.2-2] [MQTT-3.7.2-3]
    // [MQTT-3.9.2-1] [MQTT-3.9.2-2] [MQTT-3.11.2-1] [MQTT-3.11.2-2] [MQTT-3.14.2-3] [MQTT-3.14.2-4] [MQTT-3.15.2-2]
    // [MQTT-3.15.2-3]
    @Test(
        "[MQTT-3.1.2-24] [MQTT-3.2.2-19] [MQTT-3.2.2-20] [MQTT-3.4.2-2] explanations are left out where they do not fit",
        arguments: Sample.all)
    func explanations(sample: Sample) {
        let full = sample.bytes
        let bare = encode(sample.packet.withoutExplanations, sample.version)
        for limit in 0...full.count + 1 {
            var buffer = ByteBuffer(string: "before")
            let fits = sample.packet.encode(into: &buffer, version: sample.version, maximumPacketSize: limit)
            let written = Array(buffer.readableBytesView.dropFirst(6))
            #expect(fits == (limit >= bare.count))
            #expect(written == (limit >= full.count ? full : limit >= bare.count ? bare : []))
        }
    }

    @Test("[MQTT-3.1.2-29] explanations are left out of all but PUBLISH and what clients ask with")
    func withoutExplanations() throws {
        for sample in Sample.all {
            let bare = try decode(
                encode(sample.packet.withoutExplanations, sample.version), sample.version, from: sample.sender)
            switch sample.packet.type {
            case .connect, .publish, .subscribe, .unsubscribe: #expect(bare == sample.packet)
            default:
                let text = String(describing: bare)
                #expect(!text.contains("why") && !text.contains("welcome") && !text.contains("Pair"))
            }
        }
    }

    @Test("acknowledgements of the hot path are those of the encoder", arguments: ProtocolVersion.allCases)
    func acknowledgements(version: ProtocolVersion) {
        for (type, reason) in [
            (PacketType.pubAck, ReasonCode.success), (.pubRec, .success), (.pubRel, .success), (.pubComp, .success),
            (.pubAck, .notAuthorized), (.pubRec, .quotaExceeded), (.pubRel, .packetIdentifierNotFound),
            (.pubComp, .packetIdentifierNotFound),
        ] {
            let value = Acknowledgement(packetIdentifier: 0xABCD, reason: reason)
            let packet: Packet =
                switch type {
                case .pubAck: .pubAck(value)
                case .pubRec: .pubRec(value)
                case .pubRel: .pubRel(value)
                default: .pubComp(value)
                }
            var buffer = ByteBuffer()
            Acknowledgement.write(type, 0xABCD, reason, into: &buffer, version)
            #expect(Array(buffer.readableBytesView) == encode(packet, version))
        }
    }
}
