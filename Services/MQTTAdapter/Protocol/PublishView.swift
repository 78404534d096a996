// SPDX-License-Identifier: Apache-2.0

/// A PUBLISH where it was received (section 3.3), checked; nothing is copied or allocated. Valid as long as the bytes are.
package struct PublishView {
    /// The whole packet.
    package let packet: UnsafeRawBufferPointer
    package let version: ProtocolVersion
    package let qos: QualityOfService
    /// 0 with QoS 0.
    package let packetIdentifier: UInt16
    /// MQTT 5; 0: none.
    package let topicAlias: UInt16
    /// MQTT 5; seconds.
    package let messageExpiryInterval: UInt32?
    /// True: the payload is said to be UTF-8.
    package let payloadIsText: Bool
    /// Places in `packet`.
    let headLength: Int
    let topicRange: Range<Int>
    /// Empty in MQTT 3.1.1.
    let propertiesWithLength: Range<Int>
    let propertiesRange: Range<Int>
    let isMinimal: Bool

    package var retain: Bool { packet[0] & 1 != 0 }
    package var isDuplicate: Bool { packet[0] & 8 != 0 }
    /// Empty when a topic alias stands for it.
    package var topic: UnsafeRawBufferPointer { UnsafeRawBufferPointer(rebasing: packet[topicRange]) }
    package var payload: UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(rebasing: packet[propertiesWithLength.upperBound...])
    }

    /// - Parameter bytes: begin with the packet; what is behind it is not looked at.
    package init(
        _ bytes: UnsafeRawBufferPointer, head: PacketHead, version: ProtocolVersion, from sender: Sender = .client
    ) throws(Violation) {
        guard head.packetLength <= bytes.count else { throw .truncated }
        guard let qos = QualityOfService(rawValue: head.flags >> 1 & 3) else { throw .qosThree }
        guard qos != .atMostOnce || head.flags & 8 == 0 else { throw .duplicateAtMostOnce }
        packet = UnsafeRawBufferPointer(rebasing: bytes[..<head.packetLength])
        self.version = version
        self.qos = qos
        headLength = head.length
        isMinimal = head.isMinimal
        var reader = PacketReader(packet, head.length..<head.packetLength)
        topicRange = try reader.field()
        try TopicRules.check(name: UnsafeRawBufferPointer(rebasing: packet[topicRange]))
        packetIdentifier = qos == .atMostOnce ? 0 : try reader.packetIdentifier()
        let afterIdentifier = reader.offset
        guard version == .v5 else {
            guard !topicRange.isEmpty else { throw .emptyTopic }
            topicAlias = 0
            messageExpiryInterval = nil
            payloadIsText = false
            propertiesWithLength = afterIdentifier..<afterIdentifier
            propertiesRange = propertiesWithLength
            return
        }
        let length = Int(try reader.variableByteInteger())
        guard length <= reader.remaining.count else { throw .truncated }
        propertiesRange = reader.offset..<reader.offset + length
        propertiesWithLength = afterIdentifier..<propertiesRange.upperBound
        var alias: UInt16 = 0
        var expiry: UInt32?
        var isText = false
        if length > 0 {
            var properties = PropertyReader(packet, propertiesRange, place: .publish)
            while let property = try properties.next() {
                switch property.identifier {
                case .topicAlias: alias = UInt16(truncatingIfNeeded: property.number)
                case .messageExpiryInterval: expiry = property.number
                case .payloadFormat: isText = property.number == 1
                case .subscriptionIdentifier: if sender == .client { throw .clientSubscriptionIdentifier }
                default: break
                }
            }
        }
        guard !topicRange.isEmpty || alias != 0 else { throw .emptyTopic }
        topicAlias = alias
        messageExpiryInterval = expiry
        payloadIsText = isText
    }

    /// Calls `body` with each property, in order, until it returns false. The ranges are of `packet`.
    package func forEachProperty(_ body: (PropertyView) -> Bool) {
        var properties = PropertyReader(packet, propertiesRange, place: .publish)
        // They were checked when the view was made.
        while let property = try? properties.next(), body(property) {}
    }

    /// The bytes of a property of text or binary data; nil when it is not there.
    package func value(of identifier: PropertyIdentifier) -> UnsafeRawBufferPointer? {
        var found: Range<Int>?
        forEachProperty { property in
            guard property.identifier == identifier else { return true }
            found = property.value
            return false
        }
        return found.map { UnsafeRawBufferPointer(rebasing: packet[$0]) }
    }

    package var contentType: UnsafeRawBufferPointer? { value(of: .contentType) }
    package var responseTopic: UnsafeRawBufferPointer? { value(of: .responseTopic) }
    package var correlationData: UnsafeRawBufferPointer? { value(of: .correlationData) }

    /// The user properties in their order: name and value.
    package func forEachUserProperty(_ body: (UnsafeRawBufferPointer, UnsafeRawBufferPointer) -> Void) {
        forEachProperty { property in
            if property.identifier == .userProperty {
                body(
                    UnsafeRawBufferPointer(rebasing: packet[property.value]),
                    UnsafeRawBufferPointer(rebasing: packet[property.second]))
            }
            return true
        }
    }
}
