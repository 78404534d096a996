// SPDX-License-Identifier: Apache-2.0
import NIOCore

/// PUBLISH (section 3.3) as an owned value: wills, retained messages, tests and load generators. The hot path uses PublishView.
package struct Publish: Equatable, Sendable {
    /// Empty only with a topic alias.
    package var topic: String
    package var payload: ByteBuffer
    package var qos: QualityOfService
    package var retain: Bool
    package var isDuplicate: Bool
    /// 0 with QoS 0 and only then.
    package var packetIdentifier: UInt16
    /// MQTT 5.
    package var properties: Properties

    package init(
        topic: String, payload: ByteBuffer, qos: QualityOfService = .atMostOnce, retain: Bool = false,
        isDuplicate: Bool = false, packetIdentifier: UInt16 = 0, properties: Properties = Properties()
    ) {
        self.topic = topic
        self.payload = payload
        self.qos = qos
        self.retain = retain
        self.isDuplicate = isDuplicate
        self.packetIdentifier = packetIdentifier
        self.properties = properties
    }

    package init(_ view: PublishView) throws(Violation) {
        let bytes = view.packet
        topic = String(decoding: view.topic, as: UTF8.self)
        payload = ByteBuffer(bytes: view.payload)
        qos = view.qos
        retain = view.retain
        isDuplicate = view.isDuplicate
        packetIdentifier = view.packetIdentifier
        properties = Properties()
        guard view.version == .v5 else { return }
        var reader = PacketReader(bytes, view.propertiesWithLength)
        properties = try Properties(&reader, place: .publish)
    }

    var flags: UInt8 { qos.rawValue << 1 | (retain ? 1 : 0) | (isDuplicate && qos != .atMostOnce ? 8 : 0) }

    func write(into buffer: inout ByteBuffer, _ version: ProtocolVersion) {
        buffer.writeMQTT(topic)
        if qos != .atMostOnce { buffer.writeInteger(packetIdentifier) }
        if version == .v5 { properties.write(into: &buffer) }
        buffer.writeImmutableBuffer(payload)
    }
}
