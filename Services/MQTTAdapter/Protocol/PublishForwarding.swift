// SPDX-License-Identifier: Apache-2.0
import NIOCore

/// How a PUBLISH goes out to one subscriber.
package struct PublishForm: Sendable {
    package var version: ProtocolVersion
    package var qos: QualityOfService
    /// Not 0 unless QoS 0.
    package var packetIdentifier: UInt16
    package var retain: Bool
    /// A retransmission; independent of how it came in ([MQTT-3.3.1-3]).
    package var isDuplicate: Bool
    /// MQTT 5; 0: none.
    package var topicAlias: UInt16
    /// The alias is known to the receiver: the topic is left out.
    package var omitsTopic: Bool
    /// MQTT 5.
    package var subscriptionIdentifiers: [UInt32]
    /// MQTT 5: seconds that the message has waited here, taken off its expiry interval ([MQTT-3.3.2-6]).
    package var secondsWaited: UInt32

    package init(
        version: ProtocolVersion, qos: QualityOfService = .atMostOnce, packetIdentifier: UInt16 = 0,
        retain: Bool = false, isDuplicate: Bool = false, topicAlias: UInt16 = 0, omitsTopic: Bool = false,
        subscriptionIdentifiers: [UInt32] = [], secondsWaited: UInt32 = 0
    ) {
        self.version = version
        self.qos = qos
        self.packetIdentifier = packetIdentifier
        self.retain = retain
        self.isDuplicate = isDuplicate
        self.topicAlias = topicAlias
        self.omitsTopic = omitsTopic
        self.subscriptionIdentifiers = subscriptionIdentifiers
        self.secondsWaited = secondsWaited
    }

    fileprivate var firstByte: UInt8 {
        0x30 | (isDuplicate && qos != .atMostOnce ? 8 : 0) | qos.rawValue << 1 | (retain ? 1 : 0)
    }
    fileprivate var addsProperties: Bool { topicAlias != 0 || !subscriptionIdentifiers.isEmpty }
}

extension PublishView {
    /// Whether the packet can go out as it came: the same bytes mean the same to every such subscriber, so runs of them can be copied as one.
    @inline(__always)
    package func isVerbatim(as form: PublishForm) -> Bool {
        qos == .atMostOnce && isMinimal && keepsMiddle(as: form) && packet[0] == form.firstByte
    }

    /// Whether topic, properties and payload go out as they came.
    private func keepsMiddle(as form: PublishForm) -> Bool {
        version == form.version && topicAlias == 0 && !form.addsProperties && !form.omitsTopic
            && (form.secondsWaited == 0 || messageExpiryInterval == nil)
    }

    /// Appends the packet as one subscriber gets it.
    ///
    /// Same version, QoS 0 and nothing to change: the bytes as they came. Same version and properties: a new head and packet identifier around two copied
    /// ranges. Otherwise the properties are written anew in their order, all that the server must pass on unaltered as it came
    /// ([MQTT-3.3.2-4], -15 to -18, -20).
    ///
    /// - Parameter topic: what the sender's alias stands for, if the packet has no topic of its own.
    package func write(
        as form: PublishForm, topic resolved: UnsafeRawBufferPointer? = nil, into buffer: inout ByteBuffer
    ) {
        if isVerbatim(as: form) {
            buffer.writeBytes(packet)
            return
        }
        let identifierLength = form.qos == .atMostOnce ? 0 : 2
        let keepsMiddle = keepsMiddle(as: form)
        let name = name(as: form, resolved)
        // What follows the packet identifier, as it came.
        let tail = UnsafeRawBufferPointer(
            rebasing: packet[(keepsMiddle ? propertiesWithLength.lowerBound : propertiesWithLength.upperBound)...])
        let writesProperties = !keepsMiddle && form.version == .v5
        let properties = UInt32(truncatingIfNeeded: writesProperties ? propertiesLength(as: form) : 0)
        var body = 2 + name.count + identifierLength + tail.count
        if writesProperties { body += VariableByteInteger.length(of: properties) + Int(properties) }
        let bodyLength = UInt32(truncatingIfNeeded: body)
        let length = 1 + VariableByteInteger.length(of: bodyLength) + body
        // In one piece: each write into a buffer makes sure of its room and that it is the only owner.
        buffer.writeWithUnsafeMutableBytes(minimumWritableBytes: length) { bytes in
            var writer = PacketWriter(bytes)
            writer.write(form.firstByte)
            writer.writeVariable(bodyLength)
            writer.write(UInt16(truncatingIfNeeded: name.count))
            writer.write(name)
            if identifierLength > 0 { writer.write(form.packetIdentifier) }
            if writesProperties {
                writer.writeVariable(properties)
                writeProperties(as: form, into: &writer)
            }
            writer.write(tail)
            return writer.count
        }
    }

    private func name(as form: PublishForm, _ resolved: UnsafeRawBufferPointer?) -> UnsafeRawBufferPointer {
        if form.omitsTopic { return UnsafeRawBufferPointer(start: nil, count: 0) }
        let name = topicRange.isEmpty ? resolved ?? topic : topic
        return UnsafeRawBufferPointer(rebasing: name.prefix(Int(UInt16.max)))
    }

    private func propertiesLength(as form: PublishForm) -> Int {
        var length = form.topicAlias == 0 ? 0 : 3
        for identifier in form.subscriptionIdentifiers { length += 1 + VariableByteInteger.length(of: identifier) }
        forEachProperty { property in
            if Self.isPassedOn(property.identifier) { length += property.range.count }
            return true
        }
        return length
    }

    private func writeProperties(as form: PublishForm, into writer: inout PacketWriter) {
        forEachProperty { property in
            if property.identifier == .messageExpiryInterval {
                writer.write(PropertyIdentifier.messageExpiryInterval.rawValue)
                writer.write(property.number - min(property.number, form.secondsWaited))
            } else if Self.isPassedOn(property.identifier) {
                writer.write(UnsafeRawBufferPointer(rebasing: packet[property.range]))
            }
            return true
        }
        if form.topicAlias != 0 {
            writer.write(PropertyIdentifier.topicAlias.rawValue)
            writer.write(form.topicAlias)
        }
        for identifier in form.subscriptionIdentifiers {
            writer.write(PropertyIdentifier.subscriptionIdentifier.rawValue)
            writer.writeVariable(identifier)
        }
    }

    /// Alias and subscription identifiers belong to one connection.
    private static func isPassedOn(_ identifier: PropertyIdentifier) -> Bool {
        identifier != .topicAlias && identifier != .subscriptionIdentifier
    }
}
