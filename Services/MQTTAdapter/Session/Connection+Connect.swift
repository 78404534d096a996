// SPDX-License-Identifier: Apache-2.0
import AdapterKit
import Core
import NIOCore
import Observability

/// CONNECT and what it is answered with (MQTT 5 sections 3.1, 3.2 and 4.12).
extension Connection {
    func connect(_ bytes: UnsafeRawBufferPointer, _ head: PacketHead) throws(Violation) -> Step {
        // Known before the rest is read: a refusal is in the client's terms.
        if Self.readsNewAnswers(bytes, head) { version = .v5 }
        guard case .connect(let connect) = try Packet(bytes, head: head, version: version, from: .client) else {
            throw .notConnected
        }
        version = connect.version
        scanner.version = connect.version
        if connect.properties.authenticationMethod != nil {
            refuseConnect(.badAuthenticationMethod, "no enhanced authentication is offered")
            return .taken
        }
        if isSurplus, broker.isOverfull {
            refuseConnect(
                .useAnotherServer, "this server has as many connections as it takes", slug: "too-many-connections")
            return .taken
        }
        if let size = connect.properties.maximumPacketSize { maximumPacketSize = Int(size) }
        explains = connect.properties.requestProblemInformation ?? true
        guard connect.clientIdentifier.utf8.count <= Self.maximumIdentifierBytes else {
            refuseConnect(.clientIdentifierNotValid, "the client identifier is longer than 256 bytes")
            return .taken
        }
        do throws(ProofRefusal) {
            let proof = try proof(connect)
            become(.authenticating)
            broker.authenticate(self, connect, proof)
        } catch {
            refuseConnect(error.reason, error.text, slug: error.slug)
        }
        return .taken
    }

    /// Whether CONNACK is to have the form of MQTT 5. A version that is to come is taken to know it. Bridges of some servers set the highest bit of the level;
    /// what they understand is not known, so they get what all versions before 5 have.
    private static func readsNewAnswers(_ bytes: UnsafeRawBufferPointer, _ head: PacketHead) -> Bool {
        // A name of four bytes with its length, then the level.
        let level = head.length + 6
        guard level < bytes.count, bytes[head.length] == 0, bytes[head.length + 1] == 4 else { return false }
        return (ProtocolVersion.v5.rawValue...0x7F).contains(bytes[level])
    }

    /// The specification asks for 23 at least ([MQTT-3.1.3-5]).
    private static let maximumIdentifierBytes = 256

    /// `things` has said who it is, or that it is nobody.
    func authenticated(
        _ connect: Connect, _ proof: ClientProof, _ result: Result<ThingIdentity, ServiceError>
    ) {
        guard phase == .authenticating else { return }
        switch result {
        case .failure(let error):
            refuseConnect(ReasonCode(connecting: error), error.message, slug: error.reason)
        case .success(let identity):
            self.identity = identity
            watch(identity, proof)
            broker.open(self, connect, identity)
        }
    }

    /// The session is there: the client is told, and gets what waits for it.
    func connected(_ connect: Connect, _ session: Session, isPresent: Bool, assigned: Bool) {
        guard phase == .authenticating else { return }
        let limits = broker.limits
        keepAlive = KeepAlive(
            requested: connect.keepAlive, maximum: limits.maximumKeepAliveSeconds, version: version)
        var acknowledgement = ConnAck(sessionPresent: isPresent)
        if version == .v5 {
            inboundAliases = InboundTopicAliases(maximum: limits.topicAliasMaximum)
            outboundAliases = OutboundTopicAliases(
                maximum: min(connect.properties.topicAliasMaximum ?? 0, limits.outboundTopicAliasMaximum))
            var properties = Properties()
            properties.receiveMaximum = limits.receiveMaximum
            properties.topicAliasMaximum = limits.topicAliasMaximum
            properties.maximumPacketSize = UInt32(clamping: limits.maximumPacketBytes)
            properties.serverKeepAlive = keepAlive.serverKeepAlive
            if assigned { properties.assignedClientIdentifier = session.clientIdentifier }
            if session.expiry.seconds != connect.properties.sessionExpiryInterval ?? 0 {
                properties.sessionExpiryInterval = session.expiry.seconds
            }
            acknowledgement.properties = properties
        }
        guard write(.connAck(acknowledgement)) else {
            session.will = nil
            return refuseConnect(.packetTooLarge, "CONNACK exceeds the client's maximum packet size")
        }
        become(.connected)
        connectedAt = broker.now
        scanner.maximumPacketSize = limits.maximumPacketBytes
        broker.metrics.connected(version, listener)
        let asked = version == .v5 ? Int(connect.properties.receiveMaximum ?? .max) : Int(UInt16.max)
        session.sender.connected(receiveMaximum: min(asked, limits.maximumInFlight))
        session.pump()
        resume()
        broker.flushSoon()
    }

    func refuseConnect(_ violation: Violation) {
        refuseConnect(violation.reason, violation.description, slug: "violation")
    }

    /// CONNACK with a reason and the end ([MQTT-3.1.4-2], [MQTT-3.2.2-7]); in 3.1.1 without one where it has no code for it.
    func refuseConnect(_ reason: ReasonCode, _ text: String, slug: String? = nil) {
        broker.metrics.refused(slug ?? reason.name.replacing(" ", with: "-"), on: listener)
        if version == .v5 || ConnectReturnCode(reason) != nil {
            var acknowledgement = ConnAck(reason: reason)
            if version == .v5 {
                acknowledgement.properties.reasonString = text
                if reason == .useAnotherServer {
                    acknowledgement.properties.serverReference = broker.operators.serverReference
                }
            }
            write(.connAck(acknowledgement))
        }
        closeNow()
    }

    /// The server ends: the client is told, and where else to go if that is known.
    func drain() {
        let reason: ReasonCode = broker.operators.serverReference == nil ? .serverShuttingDown : .useAnotherServer
        let text = "the server is shutting down"
        // No DISCONNECT before CONNACK ([MQTT-3.14.0-1]).
        if phase == .authenticating { refuseConnect(reason, text, slug: "shutting-down") } else { end(reason, text) }
    }

    func disconnected(_ packet: Disconnect, _ session: Session) throws(Violation) {
        try session.expiry.disconnected(packet, maximum: broker.limits.maximumSessionExpirySeconds)
        if SessionExpiry.discardsWill(packet) { session.will = nil }
        broker.metrics.ended(packet.reason, on: listener)
        closeNow(savesFirst: session.isKept && !session.isPersistent)
    }
}

extension ReasonCode {
    /// How a CONNECT is refused (MQTT 5 table 3-1).
    init(connecting error: ServiceError) {
        switch error.kind {
        case .unauthenticated, .malformed, .notFound: self = .badUserNameOrPassword
        case .forbidden: self = .notAuthorized
        case .tooManyRequests: self = .serverBusy
        case .unavailable: self = error.reason == "authorization-queue-full" ? .serverBusy : .serverUnavailable
        case .conflict, .payloadTooLarge, .unsupportedMediaType, .unprocessable, .internalFailure:
            self = .unspecifiedError
        }
    }
}
