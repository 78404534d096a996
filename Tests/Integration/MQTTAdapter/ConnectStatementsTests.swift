// SPDX-License-Identifier: Apache-2.0
import Core
import MQTTAdapter
import Messaging
import NIOCore
import TestKit
import Testing

/// CONNECT, CONNACK and AUTH (MQTT 5 sections 3.1, 3.2 and 4.12).
@Suite(.serialized, .sharedStack()) struct ConnectStatementsTests {
    // [MQTT-3.1.2-2 of 3.1.1]
    // Versions that are to come are taken to read CONNACK as 5 does; a level with the highest bit is a bridge of another kind.
    @Test(
        "[MQTT-3.1.2-2] a version that is not spoken is refused in terms that its client knows",
        arguments: [0, 1, 2, 3, 6, 7, 0x7F, 0x80, 0x84, 0x85, 0xFF] as [UInt8])
    func levels(level: UInt8) async throws {
        let scene = try Scene()
        let client = try await MQTTClient.connect(port: scene.stack.port, version: (6...0x7F) ~= level ? .v5 : .v311)
        try await client.send(bytes: connect(scene, level: level))
        guard case .connAck(let answer) = try await client.next() else { throw MQTTClient.Closed() }
        #expect(answer.reason == .unsupportedProtocolVersion)
        #expect(!answer.sessionPresent)
        try await client.waitUntilClosed()
        #expect(client.received.isEmpty)
        if client.version == .v311 { #expect(client.receivedBytes == [0x20, 0x02, 0x00, 0x01]) }
    }

    // MARK: Refusals

    /// - Parameter reason: nil: nothing is answered.
    private func expectRefusal(
        of bytes: [UInt8], _ version: ProtocolVersion, _ reason: ReasonCode?, _ scene: Scene, _ what: String = ""
    ) async throws {
        let client = try await MQTTClient.connect(port: scene.stack.port, version: version)
        let publish = Publish(
            topic: scene.topic(), payload: ByteBuffer(string: "too early"), qos: .atLeastOnce, packetIdentifier: 1)
        try await client.send(bytes: bytes + Raw.bytes(.publish(publish), version))
        try await client.waitUntilClosed()
        let packets = client.received
        if let reason {
            guard packets.count == 1, case .connAck(let answer) = packets[0] else {
                Issue.record("\(what): \(packets)")
                return
            }
            #expect(answer.reason == reason, "\(what)")
            #expect(!answer.sessionPresent, "\(what)")
            if version == .v5 { #expect(answer.properties.reasonString?.isEmpty == false, "\(what)") }
        } else {
            #expect(client.receivedBytes.isEmpty, "\(what)")
        }
        #expect(try await scene.stored().isEmpty, "\(what)")
    }

    // MARK: Authentication

    /// A good CONNECT but for its name and level, without properties below level 5.
    private func connect(_ scene: Scene, name: String = "MQTT", level: UInt8) -> [UInt8] {
        let device = scene.stack.things.publisher
        return Raw.packet(
            0x10, Raw.text(name), [level, 0xC2, 0, 60], level >= 5 ? [0] : [], Raw.text(scene.name),
            Raw.text(device.id.description), Raw.text(device.key))
    }
}
