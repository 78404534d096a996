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
        if keepsMiddle(as: form) {
            let front = topicRange.lowerBound - 2..<topicRange.upperBound
            let back = propertiesWithLength.lowerBound..<packet.count
            writeHead(form, front.count + identifierLength + back.count, into: &buffer)
            buffer.writeBytes(UnsafeRawBufferPointer(rebasing: packet[front]))
            if identifierLength > 0 { buffer.writeInteger(form.packetIdentifier) }
            buffer.writeBytes(UnsafeRawBufferPointer(rebasing: packet[back]))
            return
        }
        let name =
            form.omitsTopic
            ? UnsafeRawBufferPointer(start: nil, count: 0) : topicRange.isEmpty ? resolved ?? topic : topic
        var length = 2 + name.count + identifierLength + payload.count
        let properties = form.version == .v5 ? propertiesLength(as: form) : 0
        if form.version == .v5 {
            length += VariableByteInteger.length(of: UInt32(truncatingIfNeeded: properties)) + properties
        }
        writeHead(form, length, into: &buffer)
        buffer.writeMQTT(name)
        if identifierLength > 0 { buffer.writeInteger(form.packetIdentifier) }
        if form.version == .v5 { writeProperties(properties, as: form, into: &buffer) }
        buffer.writeBytes(payload)
    }

    @inline(__always)
    private func writeHead(_ form: PublishForm, _ bodyLength: Int, into buffer: inout ByteBuffer) {
        buffer.writeInteger(form.firstByte)
        VariableByteInteger.write(UInt32(truncatingIfNeeded: bodyLength), into: &buffer)
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

    private func writeProperties(_ length: Int, as form: PublishForm, into buffer: inout ByteBuffer) {
        VariableByteInteger.write(UInt32(truncatingIfNeeded: length), into: &buffer)
        forEachProperty { property in
            if property.identifier == .messageExpiryInterval {
                buffer.writeInteger(PropertyIdentifier.messageExpiryInterval.rawValue)
                buffer.writeInteger(property.number - min(property.number, form.secondsWaited))
            } else if Self.isPassedOn(property.identifier) {
                buffer.writeBytes(UnsafeRawBufferPointer(rebasing: packet[property.range]))
            }
            return true
        }
        if form.topicAlias != 0 {
            buffer.writeInteger(PropertyIdentifier.topicAlias.rawValue)
            buffer.writeInteger(form.topicAlias)
        }
        for identifier in form.subscriptionIdentifiers {
            buffer.writeInteger(PropertyIdentifier.subscriptionIdentifier.rawValue)
            VariableByteInteger.write(identifier, into: &buffer)
        }
    }

    /// Alias and subscription identifiers belong to one connection.
    private static func isPassedOn(_ identifier: PropertyIdentifier) -> Bool {
        identifier != .topicAlias && identifier != .subscriptionIdentifier
    }
}
