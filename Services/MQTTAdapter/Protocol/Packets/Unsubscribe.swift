// SPDX-License-Identifier: Apache-2.0
import NIOCore

/// UNSUBSCRIBE (section 3.10).
package struct Unsubscribe: Equatable, Sendable {
    package var packetIdentifier: UInt16
    /// At least one.
    package var filters: [TopicFilter]
    /// MQTT 5.
    package var properties: Properties

    package init(packetIdentifier: UInt16, filters: [TopicFilter], properties: Properties = Properties()) {
        self.packetIdentifier = packetIdentifier
        self.filters = filters
        self.properties = properties
    }

    init(_ reader: inout PacketReader, _ version: ProtocolVersion) throws(Violation) {
        packetIdentifier = try reader.packetIdentifier()
        properties = version == .v5 ? try Properties(&reader, place: .unsubscribe) : Properties()
        filters = []
        guard !reader.isAtEnd else { throw .noFilterToRemove }
        while !reader.isAtEnd { filters.append(try TopicFilter(&reader)) }
    }

    func write(into buffer: inout ByteBuffer, _ version: ProtocolVersion) {
        buffer.writeInteger(packetIdentifier)
        if version == .v5 { properties.write(into: &buffer) }
        for filter in filters { buffer.writeMQTT(filter.text) }
    }
}
