// SPDX-License-Identifier: Apache-2.0
import Messaging
import NIOCore

/// One PUBLISH as a subscriber gets it: worked out, not yet written.
struct PublishLayout {
    private let message: Message
    private let topic: [UInt8]
    private let version: ProtocolVersion
    private let first: UInt8
    private let hasIdentifier: Bool
    /// MQTT 5: without their length.
    private let properties: ByteBuffer
    /// What follows the fixed header.
    private let remainingLength: UInt32

    /// - Parameters:
    ///   - topic: as this subscriber knows it.
    ///   - now: nanoseconds since 1970.
    init(
        _ message: Message, topic: [UInt8], version: ProtocolVersion, qos: QualityOfService, retain: Bool,
        subscriptionIdentifiers: [UInt32], now: @autoclosure () -> Int64
    ) {
        self.message = message
        self.topic = topic
        self.version = version
        first = 0x30 | qos.rawValue << 1 | (retain ? 1 : 0)
        hasIdentifier = qos != .atMostOnce
        var properties = ByteBuffer()
        if version == .v5 {
            Self.writeProperties(message, subscriptionIdentifiers, now: now(), into: &properties)
        }
        self.properties = properties
        var length = 2 + topic.count + (hasIdentifier ? 2 : 0) + message.payload.readableBytes
        if version == .v5 {
            let count = properties.readableBytes
            length += VariableByteInteger.length(of: UInt32(truncatingIfNeeded: count)) + count
        }
        remainingLength = UInt32(truncatingIfNeeded: length)
    }

    /// Of the whole packet, in bytes.
    var count: Int { 1 + VariableByteInteger.length(of: remainingLength) + Int(remainingLength) }

    /// Where in the packet its identifier stands; nil with QoS 0.
    var identifierOffset: Int? {
        hasIdentifier ? 1 + VariableByteInteger.length(of: remainingLength) + 2 + topic.count : nil
    }

    /// Appends the packet.
    ///
    /// - Parameter packetIdentifier: not looked at with QoS 0.
    func write(packetIdentifier: UInt16 = 0, into buffer: inout ByteBuffer) {
        buffer.writeWithUnsafeMutableBytes(minimumWritableBytes: count) { bytes in
            var writer = PacketWriter(bytes)
            writer.write(first)
            writer.writeVariable(remainingLength)
            writer.write(UInt16(truncatingIfNeeded: topic.count))
            topic.withUnsafeBytes { writer.write($0) }
            if hasIdentifier { writer.write(packetIdentifier) }
            if version == .v5 {
                writer.writeVariable(UInt32(truncatingIfNeeded: properties.readableBytes))
                properties.withUnsafeReadableBytes { writer.write($0) }
            }
            message.payload.withUnsafeReadableBytes { writer.write($0) }
            return writer.count
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
