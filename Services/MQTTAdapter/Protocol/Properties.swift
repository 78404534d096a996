// SPDX-License-Identifier: Apache-2.0

/// The properties of a packet other than PUBLISH's hot path, as owned values. What a packet may not have stays nil.
package struct Properties: Equatable, Sendable {
    package struct Pair: Equatable, Sendable {
        package var name: String
        package var value: String

        package init(_ name: String, _ value: String) {
            self.name = name
            self.value = value
        }
    }

    /// True: the payload is UTF-8.
    package var payloadFormatIsText: Bool?
    /// Seconds.
    package var messageExpiryInterval: UInt32?
    package var contentType: String?
    package var responseTopic: String?
    package var correlationData: [UInt8]?
    /// 1 to 268,435,455. SUBSCRIBE has at most one.
    package var subscriptionIdentifiers: [UInt32] = []
    /// Seconds; `UInt32.max`: for ever.
    package var sessionExpiryInterval: UInt32?
    package var assignedClientIdentifier: String?
    /// Seconds.
    package var serverKeepAlive: UInt16?
    package var authenticationMethod: String?
    package var authenticationData: [UInt8]?
    package var requestProblemInformation: Bool?
    /// Seconds.
    package var willDelayInterval: UInt32?
    package var requestResponseInformation: Bool?
    package var responseInformation: String?
    package var serverReference: String?
    package var reasonString: String?
    /// At least 1.
    package var receiveMaximum: UInt16?
    package var topicAliasMaximum: UInt16?
    /// At least 1.
    package var topicAlias: UInt16?
    /// False: QoS 0 only; true: QoS 1. Absent: QoS 2.
    package var maximumQoSIsOne: Bool?
    package var retainAvailable: Bool?
    /// In their order; names may repeat.
    package var userProperties: [Pair] = []
    /// Bytes, at least 1.
    package var maximumPacketSize: UInt32?
    package var wildcardSubscriptionAvailable: Bool?
    package var subscriptionIdentifierAvailable: Bool?
    package var sharedSubscriptionAvailable: Bool?

    package init() {}
}

extension Properties {
    /// Reads the property length and the properties.
    init(_ reader: inout PacketReader, place: PropertyPlaces) throws(Violation) {
        let length = Int(try reader.variableByteInteger())
        guard length <= reader.remaining.count else { throw .truncated }
        let range = reader.offset..<reader.offset + length
        var properties = PropertyReader(reader.bytes, range, place: place)
        while let property = try properties.next() { set(property, reader) }
        reader.move(to: range.upperBound)
        guard authenticationData == nil || authenticationMethod != nil else { throw .authenticationData }
    }

    private mutating func set(_ property: PropertyView, _ reader: PacketReader) {
        let number = property.number
        let isSet = number == 1
        func text() -> String { reader.string(in: property.value) }
        func bytes() -> [UInt8] { Array(reader.bytes[property.value]) }
        switch property.identifier {
        case .payloadFormat: payloadFormatIsText = isSet
        case .messageExpiryInterval: messageExpiryInterval = number
        case .contentType: contentType = text()
        case .responseTopic: responseTopic = text()
        case .correlationData: correlationData = bytes()
        case .subscriptionIdentifier: subscriptionIdentifiers.append(number)
        case .sessionExpiryInterval: sessionExpiryInterval = number
        case .assignedClientIdentifier: assignedClientIdentifier = text()
        case .serverKeepAlive: serverKeepAlive = UInt16(truncatingIfNeeded: number)
        case .authenticationMethod: authenticationMethod = text()
        case .authenticationData: authenticationData = bytes()
        case .requestProblemInformation: requestProblemInformation = isSet
        case .willDelayInterval: willDelayInterval = number
        case .requestResponseInformation: requestResponseInformation = isSet
        case .responseInformation: responseInformation = text()
        case .serverReference: serverReference = text()
        case .reasonString: reasonString = text()
        case .receiveMaximum: receiveMaximum = UInt16(truncatingIfNeeded: number)
        case .topicAliasMaximum: topicAliasMaximum = UInt16(truncatingIfNeeded: number)
        case .topicAlias: topicAlias = UInt16(truncatingIfNeeded: number)
        case .maximumQoS: maximumQoSIsOne = isSet
        case .retainAvailable: retainAvailable = isSet
        case .userProperty: userProperties.append(Pair(text(), reader.string(in: property.second)))
        case .maximumPacketSize: maximumPacketSize = number
        case .wildcardSubscriptionAvailable: wildcardSubscriptionAvailable = isSet
        case .subscriptionIdentifierAvailable: subscriptionIdentifierAvailable = isSet
        case .sharedSubscriptionAvailable: sharedSubscriptionAvailable = isSet
        }
    }
}
