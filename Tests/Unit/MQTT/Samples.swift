// SPDX-License-Identifier: Apache-2.0
import MQTTAdapter
import NIOCore
import Testing

/// A packet and who sends it in which version.
struct Sample: Sendable, CustomTestStringConvertible {
    let packet: Packet
    let version: ProtocolVersion
    let sender: Sender

    init(_ packet: Packet, _ version: ProtocolVersion, from sender: Sender) {
        self.packet = packet
        self.version = version
        self.sender = sender
    }

    var bytes: [UInt8] { encode(packet, version) }
    var testDescription: String { "\(packet.type) \(version) \(sender)" }

    /// Every packet that a side may send in a version, with what it can have.
    static let all: [Sample] = ProtocolVersion.allCases.flatMap { version in
        [Sender.client, .server].flatMap { sender in
            PacketType.allCases.filter { $0.maySend(sender, version) }
                .flatMap { packets($0, version) }.map { Sample($0, version, from: sender) }
        }
    }

    private static func packets(_ type: PacketType, _ version: ProtocolVersion) -> [Packet] {
        let isNew = version == .v5
        func explained(_ properties: Properties = Properties()) -> Properties {
            var properties = properties
            guard isNew else { return Properties() }
            properties.reasonString = "why"
            properties.userProperties = [.init("a", "1"), .init("a", "2")]
            return properties
        }
        let acknowledgement = Acknowledgement(
            packetIdentifier: 0x1234, reasonString: isNew ? "why" : nil, userProperties: explained().userProperties)
        switch type {
        case .connect: return [.connect(fullConnect(version))]
        case .connAck:
            return [.connAck(ConnAck(sessionPresent: true, properties: isNew ? everyConnAckProperty : .init()))]
        case .publish:
            return QualityOfService.allCases.map { qos in
                .publish(
                    Publish(
                        topic: "a/\u{E9}", payload: ByteBuffer(string: "payload"), qos: qos, retain: true,
                        packetIdentifier: qos == .atMostOnce ? 0 : 0x0102,
                        properties: isNew ? everyMessageProperty : Properties()))
            }
        case .pubAck: return [.pubAck(acknowledgement), .pubAck(Acknowledgement(packetIdentifier: 1))]
        case .pubRec: return [.pubRec(acknowledgement)]
        case .pubRel: return [.pubRel(acknowledgement)]
        case .pubComp: return [.pubComp(acknowledgement)]
        case .subscribe:
            let filters = ["a/+/#", "$share/g/b"].compactMap { try? TopicFilter($0) }
            var properties = Properties()
            if isNew { properties.subscriptionIdentifiers = [268_435_455] }
            let requests = filters.map { Subscribe.Request($0, SubscriptionOptions(maximumQoS: .exactlyOnce)) }
            return [.subscribe(Subscribe(packetIdentifier: 7, requests: requests, properties: properties))]
        case .subAck:
            let reasons: [ReasonCode] = [.success, .grantedQoS1, .grantedQoS2, .unspecifiedError]
            return [.subAck(.init(packetIdentifier: 7, reasons: reasons, properties: explained()))]
        case .unsubscribe:
            let filters = ["a/+/#", "b"].compactMap { try? TopicFilter($0) }
            return [.unsubscribe(Unsubscribe(packetIdentifier: 8, filters: filters))]
        case .unsubAck:
            let reasons: [ReasonCode] = isNew ? [.success, .noSubscriptionExisted] : []
            return [.unsubAck(.init(packetIdentifier: 8, reasons: reasons, properties: explained()))]
        case .pingRequest: return [.pingRequest]
        case .pingResponse: return [.pingResponse]
        case .disconnect:
            return [.disconnect(isNew ? Disconnect(reason: .unspecifiedError, properties: explained()) : Disconnect())]
        case .auth:
            var properties = explained()
            properties.authenticationMethod = "SCRAM-SHA-256"
            properties.authenticationData = [0, 255]
            return [.auth(Auth(reason: .continueAuthentication, properties: properties))]
        }
    }

    static func fullConnect(_ version: ProtocolVersion) -> Connect {
        var will = Will(topic: "gone/\u{E9}", payload: ByteBuffer(bytes: [0, 255]), qos: .exactlyOnce, retain: true)
        var properties = Properties()
        if version == .v5 {
            will.properties = everyMessageProperty
            will.properties.willDelayInterval = 5
            properties.sessionExpiryInterval = 3600
            properties.receiveMaximum = 10
            properties.maximumPacketSize = 65_536
            properties.topicAliasMaximum = 20
            properties.requestResponseInformation = true
            properties.requestProblemInformation = false
            properties.userProperties = [.init("k", "v")]
            properties.authenticationMethod = "SCRAM-SHA-256"
            properties.authenticationData = [1, 2]
        }
        return Connect(
            version: version, cleanStart: false, keepAlive: 30, clientIdentifier: "dev1", will: will, userName: "user",
            password: [0, 255], properties: properties)
    }

    /// What PUBLISH and wills can have and servers pass on.
    static var everyMessageProperty: Properties {
        var properties = Properties()
        properties.payloadFormatIsText = true
        properties.messageExpiryInterval = 60
        properties.contentType = "text/plain"
        properties.responseTopic = "answers/1"
        properties.correlationData = [0, 1, 255]
        properties.userProperties = [.init("b", "2"), .init("a", "1"), .init("b", "1")]
        return properties
    }

    static var everyConnAckProperty: Properties {
        var properties = Properties()
        properties.sessionExpiryInterval = 60
        properties.receiveMaximum = 100
        properties.maximumQoSIsOne = true
        properties.retainAvailable = false
        properties.maximumPacketSize = 1_048_576
        properties.assignedClientIdentifier = "given-1"
        properties.topicAliasMaximum = 10
        properties.reasonString = "welcome"
        properties.userProperties = [.init("a", "1"), .init("a", "2")]
        properties.wildcardSubscriptionAvailable = true
        properties.subscriptionIdentifierAvailable = true
        properties.sharedSubscriptionAvailable = false
        properties.serverKeepAlive = 120
        properties.responseInformation = "answers/"
        properties.serverReference = "elsewhere.example"
        properties.authenticationMethod = "SCRAM-SHA-256"
        properties.authenticationData = [9]
        return properties
    }
}
