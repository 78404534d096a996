// SPDX-License-Identifier: Apache-2.0

// Fixed header and data types
extension Violation {
    package static let reservedType = Violation(.malformedPacket, "section 2.1.2", "packet type 0 is reserved")
    package static let authIn311 = Violation(.malformedPacket, "section 2.1.2", "packet type 15 is reserved in 3.1.1")
    package static let reservedFlags = Violation(.malformedPacket, "MQTT-2.1.3-1", "reserved flags are not as listed")
    package static let lengthTooLong = Violation(
        .malformedPacket, "section 1.5.5", "a variable byte integer has more than four bytes")
    package static let lengthNotMinimal = Violation(
        .malformedPacket, "MQTT-1.5.5-1", "a variable byte integer has more bytes than it needs")
    package static let packetTooLarge = Violation(
        .packetTooLarge, "MQTT-3.2.2-15", "the packet exceeds the maximum packet size")
    package static let truncated = Violation(.malformedPacket, "section 1.5", "a field ends beyond its packet")
    package static let surplus = Violation(.malformedPacket, "section 2.1.4", "bytes are left behind the last field")
    package static let invalidText = Violation(.malformedPacket, "MQTT-1.5.4-1", "a string is not well-formed UTF-8")
    package static let nullInText = Violation(.malformedPacket, "MQTT-1.5.4-2", "a string contains U+0000")
    package static let zeroPacketIdentifier = Violation(
        .protocolError, "MQTT-2.2.1-3", "the packet identifier is zero")
    package static let wrongDirection = Violation(
        .protocolError, "section 2.1.2", "the packet goes the other way only")
    package static let unknownReason = Violation(
        .protocolError, "section 2.4", "the reason code does not belong in this packet")
}

// Properties
extension Violation {
    package static let unknownProperty = Violation(.malformedPacket, "section 2.2.2.2", "there is no such property")
    package static let misplacedProperty = Violation(
        .malformedPacket, "section 2.2.2.2", "the property does not belong in this packet")
    package static let repeatedProperty = Violation(
        .protocolError, "section 2.2.2.2", "a property that may stand once stands twice")
    package static let propertyValue = Violation(
        .protocolError, "section 2.2.2.2", "a property's value is out of its range")
    package static let zeroAlias = Violation(.topicAliasInvalid, "MQTT-3.3.2-8", "a topic alias is zero")
    package static let aliasBeyondMaximum = Violation(
        .topicAliasInvalid, "MQTT-3.3.2-9", "a topic alias exceeds the topic alias maximum")
    package static let unknownAlias = Violation(
        .protocolError, "section 3.3.2.3.4", "a topic alias was not set on this connection")
    package static let responseTopic = Violation(
        .topicNameInvalid, "MQTT-3.3.2-14", "a response topic is empty or contains wildcards")
    package static let authenticationData = Violation(
        .protocolError, "section 3.1.2.11.10", "authentication data without an authentication method")
    package static let clientSubscriptionIdentifier = Violation(
        .protocolError, "MQTT-3.3.4-6", "a client's PUBLISH has a subscription identifier")
}

// CONNECT and CONNACK
extension Violation {
    package static let protocolName = Violation(
        .unsupportedProtocolVersion, "MQTT-3.1.2-1", "the protocol name is not MQTT")
    package static let protocolLevel = Violation(
        .unsupportedProtocolVersion, "MQTT-3.1.2-2", "the protocol version is neither 3.1.1 nor 5")
    package static let connectReserved = Violation(
        .malformedPacket, "MQTT-3.1.2-3", "the reserved flag of CONNECT is set")
    package static let willQoSWithoutWill = Violation(
        .malformedPacket, "MQTT-3.1.2-11", "a will QoS without the will flag")
    package static let willQoSThree = Violation(.malformedPacket, "MQTT-3.1.2-12", "the will QoS is 3")
    package static let willRetainWithoutWill = Violation(
        .malformedPacket, "MQTT-3.1.2-13", "will retain without the will flag")
    package static let passwordWithoutUserName = Violation(
        .malformedPacket, "section 3.1.2.9", "a password without a user name (MQTT-3.1.2-22 of 3.1.1)")
    package static let emptyIdentifierKept = Violation(
        .clientIdentifierNotValid, "section 3.1.3.1",
        "an empty client identifier without clean session (MQTT-3.1.3-8 of 3.1.1)")
    package static let identifierTooLong = Violation(
        .clientIdentifierNotValid, "MQTT-3.1.3-8", "the client identifier is longer than this server accepts")
    package static let connAckReserved = Violation(
        .malformedPacket, "MQTT-3.2.2-1", "reserved acknowledge flags of CONNACK are set")
    package static let sessionPresentOnFailure = Violation(
        .protocolError, "MQTT-3.2.2-6", "session present on a refused connection")
    package static let sessionExpiryRaised = Violation(
        .protocolError, "section 3.14.2.2.2", "DISCONNECT sets a session expiry that CONNECT had not")
    package static let serverSessionExpiry = Violation(
        .protocolError, "MQTT-3.14.2-2", "a server's DISCONNECT has a session expiry")
    package static let authenticationMethodMissing = Violation(
        .protocolError, "section 3.15.2.2.2", "AUTH without an authentication method")
}

// PUBLISH, SUBSCRIBE and UNSUBSCRIBE
extension Violation {
    package static let qosThree = Violation(.malformedPacket, "MQTT-3.3.1-4", "both QoS bits are set")
    package static let duplicateAtMostOnce = Violation(
        .malformedPacket, "MQTT-3.3.1-2", "DUP is set on a QoS 0 PUBLISH")
    package static let emptyTopic = Violation(
        .protocolError, "section 3.3.2.1", "an empty topic name without a topic alias (MQTT-4.7.3-1)")
    package static let wildcardInTopic = Violation(
        .topicNameInvalid, "MQTT-3.3.2-2", "a topic name contains wildcards")
    package static let noFilter = Violation(.protocolError, "MQTT-3.8.3-2", "there is no topic filter")
    package static let noFilterToRemove = Violation(.protocolError, "MQTT-3.10.3-2", "there is no topic filter")
    package static let emptyFilter = Violation(.malformedPacket, "MQTT-4.7.3-1", "a topic filter is empty")
    package static let multiLevelWildcard = Violation(
        .topicFilterInvalid, "MQTT-4.7.1-1", "# is not the last level, or not alone in it")
    package static let singleLevelWildcard = Violation(
        .topicFilterInvalid, "MQTT-4.7.1-2", "+ is not alone in its level")
    package static let tooManyLevels = Violation(
        .topicFilterInvalid, "section 4.7.1.1", "a topic filter has more levels than this server takes")
    package static let shareName = Violation(
        .topicFilterInvalid, "MQTT-4.8.2-2", "a share name is empty or contains wildcards")
    package static let shareFilter = Violation(
        .topicFilterInvalid, "MQTT-4.8.2-2", "a shared subscription has no topic filter")
    package static let noLocalShared = Violation(
        .protocolError, "MQTT-3.8.3-4", "no local on a shared subscription")
    package static let subscriptionReserved = Violation(
        .malformedPacket, "MQTT-3.8.3-5", "reserved bits of the subscription options are set")
    package static let subscriptionQoSThree = Violation(
        .protocolError, "section 3.8.3.1", "the maximum QoS of a subscription is 3")
    package static let retainHandlingThree = Violation(
        .protocolError, "section 3.8.3.1", "the retain handling of a subscription is 3")
    package static let noReason = Violation(.malformedPacket, "MQTT-3.8.4-6", "there is no reason code")
    package static let receiveMaximumExceeded = Violation(
        .receiveMaximumExceeded, "MQTT-3.3.4-9", "more QoS 1 and 2 messages than the receive maximum")
}

// The order of packets
extension Violation {
    package static let notConnected = Violation(
        .protocolError, "MQTT-3.1.0-1", "the first packet is not CONNECT")
    package static let connectedTwice = Violation(
        .protocolError, "MQTT-3.1.0-2", "a second CONNECT on one connection")
    package static let authenticationNotBegun = Violation(
        .protocolError, "MQTT-4.12.0-6", "AUTH without an authentication method in CONNECT")
    package static let acknowledgesAnotherQoS = Violation(
        .protocolError, "section 4.3", "an acknowledgement of another QoS than the message was sent with")
}
