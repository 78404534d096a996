// SPDX-License-Identifier: Apache-2.0
import NIOCore

extension PublishTemplate {
    /// What an alias may add to a packet that still names its topic: the property, and two bytes for lengths that grow.
    private static let addedBytes = 5
    private static let propertyBytes = 3

    /// As ``write(packetIdentifier:isDuplicate:into:)`` for a client of MQTT 5 that takes aliases (section 3.3.2.3.4): the topic goes out once, then its
    /// alias stands for it.
    ///
    /// - Parameter maximumPacketSize: the client's; a packet that would be larger with the alias goes without ([MQTT-3.1.2-24]).
    func write(
        packetIdentifier: UInt16 = 0, isDuplicate: Bool = false, aliases: inout OutboundTopicAliases,
        maximumPacketSize: Int, into buffer: inout ByteBuffer
    ) {
        guard count + Self.addedBytes <= maximumPacketSize else {
            return write(packetIdentifier: packetIdentifier, isDuplicate: isDuplicate, into: &buffer)
        }
        var isWritten = false
        bytes.withUnsafeReadableBytes { packet in
            guard let parts = Parts(packet, hasIdentifier: identifierOffset != nil) else { return }
            let (alias, name): (UInt16, UnsafeRawBufferPointer)
            switch aliases.use(parts.topic) {
            case .none: return
            case .set(let new): (alias, name) = (new, parts.topic)
            case .known(let known): (alias, name) = (known, UnsafeRawBufferPointer(start: nil, count: 0))
            }
            let properties = UInt32(truncatingIfNeeded: parts.propertiesCount + Self.propertyBytes)
            let body =
                2 + name.count + (identifierOffset == nil ? 0 : 2) + VariableByteInteger.length(of: properties)
                + Self.propertyBytes + parts.rest.count
            let bodyLength = UInt32(truncatingIfNeeded: body)
            let length = 1 + VariableByteInteger.length(of: bodyLength) + body
            buffer.writeWithUnsafeMutableBytes(minimumWritableBytes: length) { bytes in
                var writer = PacketWriter(bytes)
                writer.write(isDuplicate && identifierOffset != nil ? packet[0] | 8 : packet[0])
                writer.writeVariable(bodyLength)
                writer.write(UInt16(truncatingIfNeeded: name.count))
                writer.write(name)
                if identifierOffset != nil { writer.write(packetIdentifier) }
                writer.writeVariable(properties)
                writer.write(PropertyIdentifier.topicAlias.rawValue)
                writer.write(alias)
                writer.write(parts.rest)
                return writer.count
            }
            isWritten = true
        }
        if !isWritten { write(packetIdentifier: packetIdentifier, isDuplicate: isDuplicate, into: &buffer) }
    }

    /// Where what is in a template's PUBLISH of MQTT 5.
    private struct Parts {
        let topic: UnsafeRawBufferPointer
        let propertiesCount: Int
        /// Properties and payload.
        let rest: UnsafeRawBufferPointer

        /// - Returns: nil when it is no such packet.
        init?(_ packet: UnsafeRawBufferPointer, hasIdentifier: Bool) {
            var offset = 1
            guard Self.number(packet, &offset) != nil, offset + 2 <= packet.count else { return nil }
            let topicEnd = offset + 2 + Int(packet[offset]) << 8 + Int(packet[offset + 1])
            guard topicEnd <= packet.count else { return nil }
            topic = UnsafeRawBufferPointer(rebasing: packet[(offset + 2)..<topicEnd])
            offset = topicEnd + (hasIdentifier ? 2 : 0)
            guard let properties = Self.number(packet, &offset) else { return nil }
            propertiesCount = properties
            rest = UnsafeRawBufferPointer(rebasing: packet[offset...])
        }

        /// A variable byte integer (section 1.5.5).
        private static func number(_ bytes: UnsafeRawBufferPointer, _ offset: inout Int) -> Int? {
            var value = 0
            for shift in stride(from: 0, to: 28, by: 7) {
                guard offset < bytes.count else { return nil }
                let byte = bytes[offset]
                offset += 1
                value |= Int(byte & 0x7F) << shift
                if byte & 0x80 == 0 { return value }
            }
            return nil
        }
    }
}
