// SPDX-License-Identifier: Apache-2.0
import AdapterKit
import Bus
import Core
import DequeModule
import Messaging
import NIOCore
import Observability

/// Sessions begin, go on, are taken over and end (MQTT 5 sections 3.1.2.4, 3.1.4 and 4.1).
extension Broker {
    /// Keys that are looked up at the same time: a fleet that comes back at once is let in at the rate that `things` and the store sustain, the rest waits.
    private static let authenticatedAtOnce = 256
    /// How often expired retained messages are cleared away; nobody gets them meanwhile.
    private static let retainedInterval: Int64 = 60_000_000_000

    func authenticate(_ connection: Connection, _ connect: Connect, _ proof: ClientProof) {
        guard authenticating < Self.authenticatedAtOnce else {
            connection.isQueued = true
            return awaitingAuthentication.append((connection, connect, proof))
        }
        connection.isQueued = false
        connection.openedAt = .now()
        authenticating += 1
        let bound = NIOLoopBound((self, connection), eventLoop: eventLoop)
        let eventLoop = eventLoop
        let done: @Sendable (Result<ThingIdentity, ServiceError>) -> Void = { result in
            eventLoop.execute {
                let (broker, connection) = bound.value
                connection.authenticated(connect, proof, result)
                broker.authenticating -= 1
                broker.authenticateNext()
            }
        }
        switch proof {
        case .key(let credential): authenticator.identify(credential, completion: done)
        case .certificate(let thing): authenticator.identify(thing, completion: done)
        case .both(let thing, let credential):
            authenticator.identify(credential) { done(ServiceError.check($0, certified: thing)) }
        }
    }

    private func authenticateNext() {
        while let (connection, connect, proof) = awaitingAuthentication.popFirst() {
            guard connection.phase == .authenticating else { continue }
            return authenticate(connection, connect, proof)
        }
    }

    /// Gives a client that is known its session.
    func open(_ connection: Connection, _ connect: Connect, _ identity: ThingIdentity) {
        let expiry = SessionExpiry(connect, maximum: limits.maximumSessionExpirySeconds)
        guard !isStoreFailing || expiry.seconds == 0 else {
            return refuseKeeping(connection)
        }
        let isAssigned = connect.clientIdentifier.isEmpty
        let identifier =
            isAssigned ? "martlet-" + String(UInt64.random(in: 1 ... .max), radix: 36) : connect.clientIdentifier
        let key = SessionKey(thing: identity.thing, clientIdentifier: identifier)
        // [MQTT-3.1.4-3]
        if let other = sessions[key]?.connection {
            other.end(.sessionTakenOver, "another connection has the same client identifier")
        }
        // What is over is over, also before the next sweep finds it.
        if let former = sessions[key] { expire(former, at: now) }
        if connect.cleanStart, let former = sessions[key] { end(former) }
        let isPresent = sessions[key] != nil
        let session =
            sessions[key]
            ?? Session(
                number: .random(), identity: identity, clientIdentifier: identifier, broker: self,
                version: connection.version, expiry: expiry,
                receiver: PublishReceiver(receiveMaximum: receiveMaximum(connection.version)))
        sessions.insert(session)
        session.version = connection.version
        session.expiry = expiry
        session.will = connect.will
        session.attach(connection)
        connection.session = session
        if session.isPersistent { keep(session) } else { forget(session) }
        if session.isPersistent { opening[ObjectIdentifier(connection)] = (connection, isPresent) }
        whenKept(session, connection) { [weak self] connection in
            self?.opening[ObjectIdentifier(connection)] = nil
            connection.connected(connect, session, isPresent: isPresent, assigned: isAssigned)
        }
    }

    /// MQTT 3.1.1 has none: see ``Session/unsettled``.
    func receiveMaximum(_ version: ProtocolVersion) -> Int {
        version == .v5 ? Int(limits.receiveMaximum) : Int(UInt16.max)
    }

    /// A connection is gone; its session may go on.
    func ended(_ session: Session, _ connection: Connection) {
        guard session.connection === connection else { return }
        session.detach(at: now)
        guard session.isPersistent else { return end(session) }
        if let will = session.will {
            let time = session.expiry.willTime(will, closedAt: now)
            if time <= now { publishWill(of: session) } else { session.willAt = time }
        }
        keep(session)
        generation += 1
    }

    /// The session itself is over ([MQTT-3.1.2-23]).
    func end(_ session: Session) {
        if session.will != nil { publishWill(of: session) }
        let shares = session.subscriptions.values.contains { $0.filter.shareName != nil }
        for subscription in Array(session.subscriptions.values) { remove(subscription, fromStore: false) }
        let parked = session.parkedByShare
        for case .allowed(let watch) in session.channelRights.values { watch.cancel() }
        session.channelRights = [:]
        sessions.remove(session)
        guard shares else { return forget(session) }
        leaveShares(session, parked)
    }

    private func keep(_ session: Session) {
        if !session.isKept {
            session.isKept = true
            keptSessions += 1
        }
        save(.session(stored(session)))
    }

    func forget(_ session: Session) {
        guard session.isKept else { return }
        session.isKept = false
        keptSessions -= 1
        session.forgetEntries()
        save(.removeSession(session.number))
    }

    /// Ends what has waited for its client long enough, and publishes wills whose delay is over.
    func expireSessions() {
        let now = now
        if now >= retainedExpireAt {
            retainedExpireAt = now + Self.retainedInterval
            for (channel, subtopic) in retained.expire(at: now) { save(.removeRetained(channel, subtopic: subtopic)) }
        }
        for session in sessions.all { expire(session, at: now) }
    }

    private func expire(_ session: Session, at now: Int64) {
        guard !session.isConnected else { return }
        if let willAt = session.willAt, willAt <= now { publishWill(of: session) }
        if let closedAt = session.closedAt, let end = session.expiry.end(closedAt: closedAt), end <= now {
            self.end(session)
        }
    }

    // MARK: Wills

    private func publishWill(of session: Session) {
        guard let will = session.will else { return }
        session.will = nil
        guard let path = try? MessagePath.publish(will.topic, notation: .mqtt) else {
            return metrics.refused("will-outside-tree")
        }
        let address = ChannelAddress(path)
        let publish: (Result<Grant, ServiceError>) -> Void = { [self] result in
            switch result {
            case .success(let grant): self.publish(will, path, grant, session.number)
            case .failure(let error): metrics.refused("will-" + error.reason)
            }
        }
        switch authenticator.decide(session.identity, on: address, right: .publish) {
        case .allowed(let grant): publish(.success(grant))
        case .refused(let error): publish(.failure(error))
        case .ask: ask(session.identity, Connection.Question(channel: address, right: .publish), publish)
        }
        if session.isKept { keep(session) }
    }

    private func publish(_ will: Will, _ path: MessagePath, _ grant: Grant, _ session: SessionNumber) {
        var contentType = path.contentType ?? will.properties.contentType.flatMap { ContentType(mediaType: $0) }
        if contentType == nil { contentType = will.payload.withUnsafeReadableBytes { guess($0, receivedAt: now) } }
        var properties = will.properties
        properties.willDelayInterval = nil
        var encoded = ByteBuffer()
        properties.write(into: &encoded)
        let message = RawMessage(
            domain: grant.domain, channel: grant.channel, subtopic: path.subtopic, publisher: grant.thing,
            transport: .mqtt, contentType: contentType ?? .octetStream, created: now, payload: will.payload,
            mqtt: MQTTDetails(
                qos: will.qos.rawValue, retain: will.retain, session: session.rawValue,
                properties: encoded.withoutLength()))
        let bound = NIOLoopBound((self, message), eventLoop: eventLoop)
        let eventLoop = eventLoop
        publish(message, headers: BusHeaders()) { result in
            eventLoop.execute {
                let (broker, message) = bound.value
                broker.published(will: message, result)
            }
        }
    }

    private func published(will message: RawMessage, _ result: Result<PublishReceipt, BusError>) {
        publishesInFlight -= 1
        switch result {
        case .success(let receipt):
            acknowledged(receipt)
            if message.mqtt?.retain == true { retain(message, sequence: receipt.sequence) }
            metrics.wills.increment()
        case .failure(let error): metrics.refused("will-" + ServiceError(publishing: error).reason)
        }
        flushSoon()
    }

    // MARK: The store's form

    func stored(_ session: Session) -> StoredSession {
        StoredSession(
            number: session.number, thing: session.identity.thing, domain: session.identity.domain,
            clientIdentifier: session.clientIdentifier, version: session.version,
            expirySeconds: session.expiry.seconds, closedAt: session.closedAt, will: session.will.map(Self.stored))
    }

    private static func stored(_ will: Will) -> StoredWill {
        var properties = will.properties
        let delay = properties.willDelayInterval ?? 0
        properties.willDelayInterval = nil
        let publish = Publish(
            topic: will.topic, payload: will.payload, qos: will.qos, retain: will.retain,
            packetIdentifier: will.qos == .atMostOnce ? 0 : 1, properties: properties)
        var buffer = ByteBuffer()
        Packet.publish(publish).encode(into: &buffer, version: .v5)
        return StoredWill(publish: buffer, delaySeconds: delay)
    }

    private static func will(_ stored: StoredWill) -> Will? {
        stored.publish.withUnsafeReadableBytes { bytes in
            let scanner = PacketScanner(maximumPacketSize: PacketScanner.largestPacket, version: .v5)
            guard case .packet(let head)? = try? scanner.scan(bytes),
                case .publish(let publish)? = try? Packet(bytes, head: head, version: .v5, from: .client)
            else { return nil }
            var properties = publish.properties
            properties.willDelayInterval = stored.delaySeconds
            return Will(
                topic: publish.topic, payload: publish.payload, qos: publish.qos, retain: publish.retain,
                properties: properties)
        }
    }

    /// Takes up what an earlier process left. Those that were connected when it died count as cut off now.
    func restore(_ state: StoredState) {
        for kept in state.sessions {
            let identity = ThingIdentity(remembered: kept.thing, domain: kept.domain)
            let receptions = state.receptions[kept.number] ?? []
            let session = Session(
                number: kept.number, identity: identity, clientIdentifier: kept.clientIdentifier, broker: self,
                version: kept.version,
                expiry: SessionExpiry(seconds: kept.expirySeconds),
                receiver: PublishReceiver(
                    receiveMaximum: receiveMaximum(kept.version),
                    holding: receptions.filter(\.isStored).map(\.packetIdentifier)))
            session.isKept = true
            keptSessions += 1
            for reception in receptions {
                session.receptions[reception.packetIdentifier] = reception
                if !reception.isStored { doubts[reception.messageID] = (session, reception.packetIdentifier) }
            }
            session.closedAt = kept.closedAt ?? now
            session.will = kept.will.flatMap(Self.will)
            if let will = session.will, let closedAt = session.closedAt {
                session.willAt = session.expiry.willTime(will, closedAt: closedAt)
            }
            sessions.insert(session)
            for subscription in state.subscriptions[kept.number] ?? [] { restore(subscription, session) }
            if let queue = state.queues[kept.number] { session.restore(queue) }
            if kept.closedAt == nil { keep(session) }
        }
        for message in state.retained { retained.restore(message) }
        if let position = state.position, subscriptionCount > 0 { feed.resume(at: position) }
        if subscriptionCount > 0 { feed.wake() }
    }

    private func restore(_ kept: StoredSubscription, _ session: Session) {
        guard let filter = try? TopicFilter(kept.filter),
            let path = try? SubscriptionPath(filter.pattern, domain: session.identity.domain)
        else { return metrics.dropped("unreadable") }
        let subscription = Subscription(
            session: session, filter: filter, path: path,
            options: SubscriptionOptions(stored: kept.options), identifier: kept.identifier,
            found: kept.channel.map { ($0, session.identity.domain) })
        insert(subscription)
        if let channel = kept.channel { confirm(subscription, on: channel) }
    }

    /// A right that an earlier process knew of: it may be gone.
    private func confirm(_ subscription: Subscription, on channel: ChannelID) {
        let address = ChannelAddress(channel)
        ask(subscription.session.identity, Connection.Question(channel: address, right: .subscribe)) { [self] result in
            guard subscription.session.subscriptions[subscription.filter.text] === subscription else { return }
            switch result {
            case .success(let grant): watch(subscription, grant, address)
            case .failure(let error):
                switch error.kind {
                case .unavailable, .tooManyRequests, .internalFailure:
                    // Nothing is known: what was allowed goes on, and is asked about again.
                    let bound = NIOLoopBound((self, subscription), eventLoop: eventLoop)
                    eventLoop.scheduleTask(in: .seconds(1)) {
                        let (broker, subscription) = bound.value
                        broker.confirm(subscription, on: channel)
                    }
                default: lost(subscription, error)
                }
            }
        }
    }
}

extension SessionExpiry {
    /// As a store kept it.
    init(seconds: UInt32) {
        var properties = Properties()
        properties.sessionExpiryInterval = seconds
        self.init(Connect(version: .v5, properties: properties))
    }
}

extension SubscriptionOptions {
    /// The options byte of MQTT 5, as a store kept it.
    init(stored byte: UInt8) {
        self = (try? SubscriptionOptions(byte, .v5)) ?? SubscriptionOptions()
    }
}

extension ByteBuffer {
    /// Properties without the length before them.
    fileprivate func withoutLength() -> ByteBuffer {
        var copy = self
        while let byte = copy.readInteger(as: UInt8.self), byte >= 0x80 {}
        return copy
    }
}
