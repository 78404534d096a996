// SPDX-License-Identifier: Apache-2.0

/// The properties of MQTT 5 (section 2.2.2.2).
package enum PropertyIdentifier: UInt8, Sendable, CaseIterable {
    case payloadFormat = 0x01
    case messageExpiryInterval = 0x02
    case contentType = 0x03
    case responseTopic = 0x08
    case correlationData = 0x09
    case subscriptionIdentifier = 0x0B
    case sessionExpiryInterval = 0x11
    case assignedClientIdentifier = 0x12
    case serverKeepAlive = 0x13
    case authenticationMethod = 0x15
    case authenticationData = 0x16
    case requestProblemInformation = 0x17
    case willDelayInterval = 0x18
    case requestResponseInformation = 0x19
    case responseInformation = 0x1A
    case serverReference = 0x1C
    case reasonString = 0x1F
    case receiveMaximum = 0x21
    case topicAliasMaximum = 0x22
    case topicAlias = 0x23
    case maximumQoS = 0x24
    case retainAvailable = 0x25
    case userProperty = 0x26
    case maximumPacketSize = 0x27
    case wildcardSubscriptionAvailable = 0x28
    case subscriptionIdentifierAvailable = 0x29
    case sharedSubscriptionAvailable = 0x2A

    package enum Form: Sendable { case byte, twoBytes, fourBytes, variableByteInteger, text, binary, textPair }

    package var form: Form {
        switch self {
        case .payloadFormat, .requestProblemInformation, .requestResponseInformation, .maximumQoS, .retainAvailable,
            .wildcardSubscriptionAvailable, .subscriptionIdentifierAvailable, .sharedSubscriptionAvailable:
            .byte
        case .serverKeepAlive, .receiveMaximum, .topicAliasMaximum, .topicAlias: .twoBytes
        case .messageExpiryInterval, .sessionExpiryInterval, .willDelayInterval, .maximumPacketSize: .fourBytes
        case .subscriptionIdentifier: .variableByteInteger
        case .contentType, .responseTopic, .assignedClientIdentifier, .authenticationMethod, .responseInformation,
            .serverReference, .reasonString:
            .text
        case .correlationData, .authenticationData: .binary
        case .userProperty: .textPair
        }
    }

    /// Where the property may stand (table 2-4).
    package var places: PropertyPlaces {
        switch self {
        case .payloadFormat, .messageExpiryInterval, .contentType, .responseTopic, .correlationData: [.publish, .will]
        case .subscriptionIdentifier: [.publish, .subscribe]
        case .sessionExpiryInterval: [.connect, .connAck, .disconnect]
        case .authenticationMethod, .authenticationData: [.connect, .connAck, .auth]
        case .requestProblemInformation, .requestResponseInformation: .connect
        case .willDelayInterval: .will
        case .serverReference: [.connAck, .disconnect]
        case .reasonString: [.connAck, .acknowledgement, .subAck, .unsubAck, .disconnect, .auth]
        case .receiveMaximum, .topicAliasMaximum, .maximumPacketSize: [.connect, .connAck]
        case .topicAlias: .publish
        case .userProperty: .all
        case .assignedClientIdentifier, .serverKeepAlive, .responseInformation, .maximumQoS, .retainAvailable,
            .wildcardSubscriptionAvailable, .subscriptionIdentifierAvailable, .sharedSubscriptionAvailable:
            .connAck
        }
    }
}

/// Sets of the places that have properties: the packets, and the will in CONNECT.
package struct PropertyPlaces: OptionSet, Sendable {
    package let rawValue: UInt16

    package init(rawValue: UInt16) { self.rawValue = rawValue }

    package static let will = PropertyPlaces(rawValue: 1)
    package static let connect = PropertyPlaces(rawValue: 2)
    package static let connAck = PropertyPlaces(rawValue: 4)
    package static let publish = PropertyPlaces(rawValue: 8)
    /// PUBACK, PUBREC, PUBREL and PUBCOMP, which have the same.
    package static let acknowledgement = PropertyPlaces(rawValue: 16)
    package static let subscribe = PropertyPlaces(rawValue: 32)
    package static let subAck = PropertyPlaces(rawValue: 64)
    package static let unsubscribe = PropertyPlaces(rawValue: 128)
    package static let unsubAck = PropertyPlaces(rawValue: 256)
    package static let disconnect = PropertyPlaces(rawValue: 512)
    package static let auth = PropertyPlaces(rawValue: 1024)
    package static let all = PropertyPlaces(rawValue: 2047)
}
