// SPDX-License-Identifier: Apache-2.0

extension ReasonCode {
    /// The packets in which the code may stand (table 2-6 of MQTT 5).
    package var packets: [PacketType] {
        switch self {
        case .success: [.connAck, .pubAck, .pubRec, .pubRel, .pubComp, .subAck, .unsubAck, .disconnect, .auth]
        case .grantedQoS1, .grantedQoS2: [.subAck]
        case .disconnectWithWill, .serverShuttingDown, .keepAliveTimeout, .sessionTakenOver, .receiveMaximumExceeded,
            .topicAliasInvalid, .messageRateTooHigh, .administrativeAction, .maximumConnectTime:
            [.disconnect]
        case .noMatchingSubscribers: [.pubAck, .pubRec]
        case .noSubscriptionExisted: [.unsubAck]
        case .continueAuthentication, .reauthenticate: [.auth]
        case .unspecifiedError, .implementationSpecificError, .notAuthorized:
            [.connAck, .pubAck, .pubRec, .subAck, .unsubAck, .disconnect]
        case .malformedPacket, .protocolError, .serverBusy, .badAuthenticationMethod, .packetTooLarge,
            .retainNotSupported, .qosNotSupported, .useAnotherServer, .serverMoved, .connectionRateExceeded:
            [.connAck, .disconnect]
        case .unsupportedProtocolVersion, .clientIdentifierNotValid, .badUserNameOrPassword, .serverUnavailable,
            .banned:
            [.connAck]
        case .topicFilterInvalid: [.subAck, .unsubAck, .disconnect]
        case .topicNameInvalid, .payloadFormatInvalid: [.connAck, .pubAck, .pubRec, .disconnect]
        case .packetIdentifierInUse: [.pubAck, .pubRec, .subAck, .unsubAck]
        case .packetIdentifierNotFound: [.pubRel, .pubComp]
        case .quotaExceeded: [.connAck, .pubAck, .pubRec, .subAck, .disconnect]
        case .sharedSubscriptionsNotSupported, .subscriptionIdentifiersNotSupported, .wildcardSubscriptionsNotSupported:
            [.subAck, .disconnect]
        }
    }

    /// Whether `sender` may use the code in `packet` (sections 3.x.2.1 and 3.x.3).
    package func mayStand(in packet: PacketType, from sender: Sender) -> Bool {
        guard packets.contains(packet) else { return false }
        guard packet == .disconnect || packet == .auth else { return true }
        switch self {
        case .disconnectWithWill, .reauthenticate: return sender == .client
        // AUTH with success ends a re-authentication: the server's word (section 3.15.2.1). DISCONNECT with success is the client's.
        case .success: return packet == .auth ? sender == .server : sender == .client
        case .unspecifiedError, .malformedPacket, .protocolError, .implementationSpecificError, .topicNameInvalid,
            .receiveMaximumExceeded, .topicAliasInvalid, .packetTooLarge, .messageRateTooHigh, .quotaExceeded,
            .administrativeAction, .payloadFormatInvalid, .continueAuthentication:
            return true
        default: return sender == .server
        }
    }
}
