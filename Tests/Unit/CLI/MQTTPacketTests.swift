// SPDX-License-Identifier: Apache-2.0
import NIOCore
import Testing

@testable import MartletCLI

/// The client's few packets of MQTT 5, by their bytes.
struct MQTTPacketTests {
    private func bytes(_ buffer: ByteBuffer) -> [UInt8] { Array(buffer.readableBytesView) }

    @Test func packetsAreAsTheSpecificationHasThem() {
        let connect = MQTTPackets.connect(
            client: "c", user: "u", password: "p", keepAliveSeconds: 60, expirySeconds: 3_600)
        let head: [UInt8] = [0x10, 25, 0, 4, 0x4D, 0x51, 0x54, 0x54, 5, 0xC0, 0, 60]
        #expect(bytes(connect) == head + [5, 0x11, 0, 0, 0x0E, 0x10, 0, 1, 0x63, 0, 1, 0x75, 0, 1, 0x70])
        let keyOnly = MQTTPackets.connect(
            client: "c", user: nil, password: "p", keepAliveSeconds: 0, expirySeconds: 0)
        #expect(bytes(keyOnly)[9] == 0x40 && bytes(keyOnly).count == 24)
        let publish = MQTTPackets.publish(
            topic: "t", contentType: "x/y", payload: [1, 2], identifier: 258, isDuplicate: false)
        #expect(bytes(publish) == [0x34, 14, 0, 1, 0x74, 1, 2, 6, 3, 0, 3, 0x78, 0x2F, 0x79, 1, 2])
        let again = MQTTPackets.publish(
            topic: "t", contentType: "", payload: Array(repeating: 7, count: 200), identifier: 1, isDuplicate: true)
        #expect(bytes(again).prefix(3) == [0x3C, 0xD1, 0x01])
        #expect(bytes(MQTTPackets.release(258)) == [0x62, 2, 1, 2])
        #expect(bytes(MQTTPackets.disconnect()) == [0xE0, 7, 0, 5, 0x11, 0, 0, 0, 0])
    }

    @Test func answersAreReadByteByByte() throws {
        let stream: [UInt8] = [0x20, 3, 0, 0, 0, 0x50, 2, 0, 9, 0x50, 4, 0, 9, 0x97, 0, 0xD0, 0, 0x70, 3, 0, 9, 0x92]
        var received = ByteBuffer()
        var replies: [MQTTReply] = []
        for byte in stream {
            received.writeInteger(byte)
            while let reply = try MQTTReply(&received) { replies.append(reply) }
        }
        #expect(replies.map(\.kind) == [.connAck, .pubRec, .pubRec, .pingResponse, .pubComp])
        #expect(replies.map(\.identifier) == [0, 9, 9, 0, 9])
        #expect(replies.map(\.reason) == [0, 0, 0x97, 0, 0x92])
        #expect(received.readableBytes == 0)
    }

    @Test(
        arguments: [
            [0x30, 2, 0, 0], [0x20, 0], [0x20, 1, 0], [0x50, 1, 0], [0x50, 0xFF, 0xFF, 0xFF, 0xFF],
            [0x50, 0x81, 0x80, 4],
        ] as [[UInt8]])
    func whatIsNoAnswerIsRefused(bytes: [UInt8]) {
        var received = ByteBuffer(bytes: bytes)
        #expect(throws: MQTTReply.Malformed.self) { try MQTTReply(&received) }
    }

    @Test func addresses() throws {
        #expect(try MQTTAddress("mqtt://h").description == "mqtt://h:1883")
        #expect(try MQTTAddress("mqtt://[::1]:1884").port == 1_884)
        #expect(try MQTTAddress("mqtt://[::1]").host == "::1")
        #expect(
            try MQTTAddress(beside: ServerAddress("https://example.com:8443/x")).description
                == "mqtt://example.com:1883")
        for text in ["", "h", "mqtts://h", "http://h", "mqtt://", "mqtt://u@h", "mqtt://h/x", "mqtt://h?x"] {
            #expect(throws: CommandFailure.self, "\(text)") { try MQTTAddress(text) }
        }
    }
}
