// SPDX-License-Identifier: Apache-2.0
import Core
import Messaging
import NIOCore

/// A message on its way to subscribers that cannot take the publisher's packet as it is: one for all of them, owning its bytes.
///
/// Used on the broker's event loop only.
final class Message {
    /// As it lies in the stream; of a QoS 0 message that was published here, as it went there.
    let envelope: ByteBuffer
    /// 0 for a message of QoS 0 that goes straight from publisher to subscriber.
    let sequence: UInt64
    let channel: ChannelID
    let domain: DomainID
    /// Dotted.
    let subtopic: String
    /// With which it was published. A message that came by another protocol was accepted durably and has no QoS of its own: the subscriber's decides.
    let qos: QualityOfService
    let retain: Bool
    /// The session that published it; 0: none.
    let session: UInt64
    /// Nanoseconds since 1970.
    let created: Int64
    let contentType: ContentType
    /// Of MQTT 5, in their wire form; nil when it did not come by MQTT.
    let properties: ByteBuffer?
    let payload: ByteBuffer
    /// Seconds from `created`; nil: it does not expire.
    let expirySeconds: UInt32?

    /// - Parameters:
    ///   - envelope: must not share a large buffer: it may be kept for long.
    ///   - sequence: as above.
    init(envelope: ByteBuffer, sequence: UInt64) throws(RawMessageError) {
        let view = try RawMessageView(decoding: envelope)
        self.envelope = envelope
        self.sequence = sequence
        channel = view.channel
        domain = view.domain
        subtopic = view.subtopic
        qos = view.mqtt.flatMap { QualityOfService(rawValue: $0.qos) } ?? .exactlyOnce
        retain = view.mqtt?.retain ?? false
        session = view.mqtt?.session ?? 0
        created = view.created
        contentType = view.contentType
        properties = view.mqtt?.properties
        payload = view.payload
        expirySeconds = view.mqtt.flatMap { Self.expiry($0.properties) }
    }

    /// A copy that shares no storage with the batch in which the envelope came.
    convenience init(copying envelope: ByteBuffer, sequence: UInt64) throws(RawMessageError) {
        var copy = ByteBuffer()
        copy.reserveCapacity(envelope.readableBytes)
        copy.writeImmutableBuffer(envelope)
        try self.init(envelope: copy, sequence: sequence)
    }

    /// Whole seconds that the message has waited, for its expiry interval ([MQTT-3.3.2-6]).
    func secondsWaited(at now: Int64) -> UInt32 {
        let (waited, overflows) = now.subtractingReportingOverflow(created)
        guard !overflows, waited > 0 else { return 0 }
        return UInt32(clamping: waited / 1_000_000_000)
    }

    /// [MQTT-3.3.2-5]
    func isExpired(at now: Int64) -> Bool {
        guard let expirySeconds else { return false }
        return secondsWaited(at: now) >= expirySeconds
    }

    private static func expiry(_ properties: ByteBuffer) -> UInt32? {
        properties.withUnsafeReadableBytes { bytes in
            var reader = PropertyReader(bytes, 0..<bytes.count, place: .publish)
            // What cannot be read has no expiry, and is not passed on either.
            while let property = try? reader.next() {
                if property.identifier == .messageExpiryInterval { return property.number }
            }
            return nil
        }
    }
}

/// One PUBLISH as several subscribers get it, packet identifiers apart: written once, copied for each.
struct PublishTemplate {
    let bytes: ByteBuffer
    /// Of the packet identifier; nil with QoS 0.
    let identifierOffset: Int?

    var count: Int { bytes.readableBytes }

    /// - Parameters:
    ///   - topic: as this subscriber knows it.
    ///   - now: nanoseconds since 1970.
    init(
        _ message: Message, topic: [UInt8], version: ProtocolVersion, qos: QualityOfService, retain: Bool,
        subscriptionIdentifiers: [UInt32], now: Int64
    ) {
        var properties = ByteBuffer()
        if version == .v5 {
            Self.writeProperties(message, subscriptionIdentifiers, now: now, into: &properties)
        }
        let propertiesLength = UInt32(truncatingIfNeeded: properties.readableBytes)
        let identifierLength = qos == .atMostOnce ? 0 : 2
        let length =
            2 + topic.count + identifierLength + message.payload.readableBytes
            + (version == .v5
                ? VariableByteInteger.length(of: propertiesLength) + properties.readableBytes : 0)
        var buffer = ByteBuffer()
        buffer.reserveCapacity(5 + length)
        buffer.writeInteger(0x30 | qos.rawValue << 1 | (retain ? 1 : 0), as: UInt8.self)
        VariableByteInteger.write(UInt32(truncatingIfNeeded: length), into: &buffer)
        buffer.writeMQTT(topic)
        identifierOffset = identifierLength == 0 ? nil : buffer.writerIndex
        if identifierLength > 0 { buffer.writeInteger(0, as: UInt16.self) }
        if version == .v5 {
            VariableByteInteger.write(propertiesLength, into: &buffer)
            buffer.writeImmutableBuffer(properties)
        }
        buffer.writeImmutableBuffer(message.payload)
        bytes = buffer
    }

    /// - Parameter packetIdentifier: not looked at with QoS 0.
    func write(packetIdentifier: UInt16 = 0, isDuplicate: Bool = false, into buffer: inout ByteBuffer) {
        let start = buffer.writerIndex
        buffer.writeImmutableBuffer(bytes)
        guard let identifierOffset else { return }
        buffer.setInteger(packetIdentifier, at: start + identifierOffset)
        if isDuplicate, let first = buffer.getInteger(at: start, as: UInt8.self) {
            buffer.setInteger(first | 8, at: start)
        }
    }

    private static func writeProperties(
        _ message: Message, _ identifiers: [UInt32], now: Int64, into buffer: inout ByteBuffer
    ) {
        if let properties = message.properties {
            properties.withUnsafeReadableBytes { bytes in
                var reader = PropertyReader(bytes, 0..<bytes.count, place: .publish)
                while let property = try? reader.next() {
                    switch property.identifier {
                    case .messageExpiryInterval:
                        buffer.writeInteger(property.identifier.rawValue)
                        buffer.writeInteger(property.number - min(property.number, message.secondsWaited(at: now)))
                    case .topicAlias, .subscriptionIdentifier: break
                    default: buffer.writeBytes(UnsafeRawBufferPointer(rebasing: bytes[property.range]))
                    }
                }
            }
        } else {
            buffer.writeInteger(PropertyIdentifier.contentType.rawValue)
            buffer.writeMQTT(message.contentType.mediaType)
        }
        for identifier in identifiers {
            buffer.writeInteger(PropertyIdentifier.subscriptionIdentifier.rawValue)
            VariableByteInteger.write(identifier, into: &buffer)
        }
    }
}
