// SPDX-License-Identifier: Apache-2.0
import NIOCore

/// SUBSCRIBE (section 3.8).
package struct Subscribe: Equatable, Sendable {
    package struct Request: Equatable, Sendable {
        package var filter: TopicFilter
        package var options: SubscriptionOptions

        package init(_ filter: TopicFilter, _ options: SubscriptionOptions = SubscriptionOptions()) {
            self.filter = filter
            self.options = options
        }
    }

    package var packetIdentifier: UInt16
    /// At least one.
    package var requests: [Request]
    /// MQTT 5.
    package var properties: Properties

    package init(packetIdentifier: UInt16, requests: [Request], properties: Properties = Properties()) {
        self.packetIdentifier = packetIdentifier
        self.requests = requests
        self.properties = properties
    }

    init(_ reader: inout PacketReader, _ version: ProtocolVersion) throws(Violation) {
        packetIdentifier = try reader.packetIdentifier()
        properties = version == .v5 ? try Properties(&reader, place: .subscribe) : Properties()
        requests = []
        guard !reader.isAtEnd else { throw .noFilter }
        while !reader.isAtEnd {
            let filter = try TopicFilter(&reader)
            let options = try SubscriptionOptions(reader.byte(), version)
            guard !(options.noLocal && filter.shareName != nil) else { throw .noLocalShared }
            requests.append(Request(filter, options))
        }
    }

    func write(into buffer: inout ByteBuffer, _ version: ProtocolVersion) {
        buffer.writeInteger(packetIdentifier)
        if version == .v5 { properties.write(into: &buffer) }
        for request in requests {
            buffer.writeMQTT(request.filter.text)
            buffer.writeInteger(request.options.byte(version))
        }
    }
}

/// What a subscriber asks for beside the filter (section 3.8.3.1). MQTT 3.1.1 knows the QoS only.
package struct SubscriptionOptions: Equatable, Sendable {
    package enum RetainHandling: UInt8, Sendable {
        case send = 0
        case sendIfNew = 1
        case doNotSend = 2
    }

    package var maximumQoS: QualityOfService
    package var noLocal: Bool
    package var retainAsPublished: Bool
    package var retainHandling: RetainHandling

    package init(
        maximumQoS: QualityOfService = .atMostOnce, noLocal: Bool = false, retainAsPublished: Bool = false,
        retainHandling: RetainHandling = .send
    ) {
        self.maximumQoS = maximumQoS
        self.noLocal = noLocal
        self.retainAsPublished = retainAsPublished
        self.retainHandling = retainHandling
    }

    init(_ byte: UInt8, _ version: ProtocolVersion) throws(Violation) {
        guard byte & (version == .v5 ? 0xC0 : 0xFC) == 0 else { throw .subscriptionReserved }
        guard let qos = QualityOfService(rawValue: byte & 3) else { throw .subscriptionQoSThree }
        guard let handling = RetainHandling(rawValue: byte >> 4) else { throw .retainHandlingThree }
        self.init(
            maximumQoS: qos, noLocal: byte & 4 != 0, retainAsPublished: byte & 8 != 0, retainHandling: handling)
    }

    func byte(_ version: ProtocolVersion) -> UInt8 {
        guard version == .v5 else { return maximumQoS.rawValue }
        return maximumQoS.rawValue | (noLocal ? 4 : 0) | (retainAsPublished ? 8 : 0) | retainHandling.rawValue << 4
    }
}
