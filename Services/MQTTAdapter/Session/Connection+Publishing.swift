// SPDX-License-Identifier: Apache-2.0
import AdapterKit
import Bus
import Core
import Messaging
import NIOCore
import Observability

/// What a topic name means to publishers: read once, found by its bytes from then on.
final class PublishTopic {
    let bytes: [UInt8]
    /// nil: it is outside of the tree.
    let path: MessagePath?
    /// Where its messages went last; looked up again when a name leads to another channel.
    var route: Route?

    init(_ topic: UnsafeRawBufferPointer) {
        bytes = Array(topic)
        path = try? MessagePath.publish(topic, notation: .mqtt)
    }

    @inline(__always)
    func isNamed(_ topic: UnsafeRawBufferPointer) -> Bool {
        bytes.withUnsafeBytes { $0.count == topic.count && $0.elementsEqual(topic) }
    }
}

/// Consecutive packets of QoS 0 on one topic that may go out as they came: to each subscriber as one copy.
struct PublishRun {
    var topic: PublishTopic?
    var route: Route?
    var grant: Grant?
    var start = 0
    var end = 0
    var count = 0
    var largest = 0
}

extension Connection {
    func take(
        publish packet: UnsafeRawBufferPointer, _ head: PacketHead, at offset: Int, of buffer: ByteBuffer,
        _ run: inout PublishRun
    ) throws(Violation) -> Step {
        guard let session, let identity else { return .taken }
        let view = try PublishView(packet, head: head, version: version)
        let topic: PublishTopic
        if view.topicAlias != 0 {
            let name = try inboundAliases.resolve(view.topicAlias, topic: view.topic)
            topic = name.withUnsafeBytes { publishTopic($0) }
        } else {
            topic = publishTopic(view.topic)
        }
        guard let path = topic.path else {
            return refuse(view, session, .topicNameInvalid, "outside-tree")
        }
        let grant: Grant
        if let known = run.grant, run.topic === topic {
            grant = known
        } else {
            switch decide(identity, Question(channel: ChannelAddress(path), right: .publish)) {
            case .allowed(let found): grant = found
            case .refused(let error): return refuse(view, session, error)
            case .ask: return .waits
            }
        }
        do throws(ServiceError) {
            try broker.policy.checkSize(view.payload.count)
            try broker.policy.checkRate(grant)
        } catch {
            return refuse(view, session, error)
        }
        let incoming = Incoming(view: view, grant: grant, path: path, topic: topic, session: session)
        if view.qos == .atMostOnce {
            return takeAtMostOnce(incoming, at: offset, of: buffer, &run)
        }
        return try takeAcknowledged(incoming, at: offset, of: buffer)
    }

    /// A PUBLISH that is allowed.
    struct Incoming {
        let view: PublishView
        let grant: Grant
        let path: MessagePath
        let topic: PublishTopic
        let session: Session
    }

    private func publishTopic(_ name: UnsafeRawBufferPointer) -> PublishTopic {
        if let lastTopic, lastTopic.isNamed(name) { return lastTopic }
        let topic = broker.topic(name)
        lastTopic = topic
        return topic
    }

    /// Decides from memory; what it does not know is asked for, and the packet waits.
    func decide(_ identity: ThingIdentity, _ question: Question) -> AccessDecision {
        let decision = broker.authenticator.decide(identity, on: question.channel, right: question.right)
        guard case .ask = decision else { return decision }
        switch answers.removeValue(forKey: question) {
        case .success(let grant): return .allowed(grant)
        case .failure(let error): return .refused(error)
        case nil: break
        }
        ask(identity, [question])
        return .ask
    }

    /// Asks `things`, and takes the packet again when all answers are there.
    func ask(_ identity: ThingIdentity, _ questions: [Question]) {
        var missing = questions.count
        for question in questions {
            broker.ask(identity, question) { [self] result in
                answers[question] = result
                missing -= 1
                if missing == 0 { resume() }
            }
        }
    }

    /// The message for the bus; its payload shares the storage of what was read.
    private func message(_ incoming: Incoming, at offset: Int, of buffer: ByteBuffer) -> RawMessage {
        let view = incoming.view
        let payload = view.payload.count
        let end = buffer.readerIndex + offset + view.packet.count
        let slice = buffer.getSlice(at: end - payload, length: payload) ?? ByteBuffer()
        return RawMessage(
            domain: incoming.grant.domain, channel: incoming.grant.channel, subtopic: incoming.path.subtopic,
            publisher: incoming.grant.thing, transport: .mqtt,
            contentType: statedType(incoming) ?? .octetStream, created: broker.clock.now(), payload: slice,
            mqtt: MQTTDetails(
                qos: view.qos.rawValue, retain: view.retain,
                deliveredBy: view.qos == .atMostOnce ? broker.instance : 0,
                session: incoming.session.number.rawValue, properties: passedOn(view)))
    }

    /// What the publisher says it is; nil without a word of it.
    private func statedType(_ incoming: Incoming) -> ContentType? {
        if let type = incoming.path.contentType { return type }
        guard version == .v5, let name = incoming.view.contentType else { return nil }
        return ContentType(mediaType: name)
    }

    /// What is said to be SenML or JSON must be; what nobody says anything of is what it looks like, as devices that speak MQTT 3.1.1 cannot say.
    private func check(_ incoming: Incoming, _ message: inout RawMessage) throws(ServiceError) {
        if statedType(incoming) == nil {
            message.contentType = broker.guess(message.payload)
        } else {
            try broker.check(message)
        }
    }

    /// The properties of MQTT 5 that subscribers get, as they came.
    private func passedOn(_ view: PublishView) -> ByteBuffer {
        guard !view.propertiesRange.isEmpty else { return ByteBuffer() }
        var properties = ByteBuffer()
        view.forEachProperty { property in
            if property.identifier != .topicAlias, property.identifier != .subscriptionIdentifier {
                properties.writeBytes(UnsafeRawBufferPointer(rebasing: view.packet[property.range]))
            }
            return true
        }
        return properties
    }

    // MARK: QoS 0

    private func takeAtMostOnce(
        _ incoming: Incoming, at offset: Int, of buffer: ByteBuffer, _ run: inout PublishRun
    ) -> Step {
        let view = incoming.view
        var message = message(incoming, at: offset, of: buffer)
        do throws(ServiceError) {
            try check(incoming, &message)
            if view.retain { try broker.checkRetained(message) }
        } catch {
            return refuse(view, incoming.session, error)
        }
        if view.retain, !broker.keepsUp(for: self) { return .waits }
        do throws(BusError) {
            try broker.publish(message)
        } catch {
            if case .overloaded = error {
                broker.waitForBus(self)
                return .waits
            }
            broker.metrics.refused(ServiceError(publishing: error).reason)
            return .taken
        }
        broker.metrics.received(view.qos, bytes: view.payload.count)
        let route = broker.route(for: incoming.topic, incoming.grant)
        if view.retain { broker.retain(message, sequence: 0) }
        guard !route.isEmpty else {
            end(&run, of: buffer)
            run.topic = incoming.topic
            run.grant = incoming.grant
            return .taken
        }
        let isPlain = view.packet[0] == 0x30 && view.topicAlias == 0 && view.isMinimal
        let continues = run.topic === incoming.topic && run.route === route && run.end == offset
        if !(isPlain && continues) { end(&run, of: buffer) }
        if isPlain {
            if run.count == 0 {
                run = PublishRun(topic: incoming.topic, route: route, grant: incoming.grant, start: offset)
            }
            run.end = offset + view.packet.count
            run.count += 1
            run.largest = max(run.largest, view.packet.count)
        } else {
            broker.deliver(atMostOnce: message, route.targets, route)
        }
        return .taken
    }

    private func end(_ run: inout PublishRun, of buffer: ByteBuffer) {
        buffer.withUnsafeReadableBytes { finish(&run, $0) }
    }

    /// Hands a run to its subscribers.
    func finish(_ run: inout PublishRun, _ bytes: UnsafeRawBufferPointer) {
        guard run.count > 0, let route = run.route, let topic = run.topic, let grant = run.grant else { return }
        let packets = UnsafeRawBufferPointer(rebasing: bytes[run.start..<run.end])
        var others: [Target] = []
        for target in route.targets {
            guard let connection = target.session.connection else { continue }
            if target.isPlain, connection.version == version, run.largest <= connection.maximumPacketSize,
                target.topic == topic.bytes,
                !target.subscription.isOverAllChannels
                    || target.session.mayReadNow(route.channel)
            {
                connection.sendAtMostOnce(packets, count: run.count)
            } else {
                others.append(target)
            }
        }
        if !others.isEmpty || !route.groups.isEmpty {
            deliver(each: packets, to: others, route, Incoming.Source(topic: topic, grant: grant))
        }
        run = PublishRun()
        run.topic = topic
        run.grant = grant
    }

    /// To those who get the packets of a run in another form than they came.
    private func deliver(
        each packets: UnsafeRawBufferPointer, to targets: [Target], _ route: Route, _ source: Incoming.Source
    ) {
        guard let session, let path = source.topic.path else { return }
        let copy = ByteBuffer(bytes: packets)
        var offset = 0
        copy.withUnsafeReadableBytes { bytes in
            // They were read before: whatever is wrong now ends the walk.
            while offset < bytes.count, case .packet(let head)? = try? scanner.scan(bytes, from: offset) {
                let packet = UnsafeRawBufferPointer(rebasing: bytes[offset..<offset + head.packetLength])
                guard let view = try? PublishView(packet, head: head, version: version) else { return }
                let incoming = Incoming(
                    view: view, grant: source.grant, path: path, topic: source.topic, session: session)
                var message = message(incoming, at: offset, of: copy)
                // It was checked before.
                try? check(incoming, &message)
                broker.deliver(atMostOnce: message, targets, route)
                offset += head.packetLength
            }
        }
    }

    // MARK: QoS 1 and 2

    private func takeAcknowledged(
        _ incoming: Incoming, at offset: Int, of buffer: ByteBuffer
    ) throws(Violation) -> Step {
        let (view, session) = (incoming.view, incoming.session)
        let isStored = view.retain || (session.isPersistent && view.qos == .exactlyOnce)
        guard broker.keepsUp(for: self, isNeeded: isStored) else { return .waits }
        guard broker.mayPublish else {
            broker.waitForBus(self)
            return .waits
        }
        guard broker.isCertain(view, session, for: self) else { return .waits }
        // MQTT 3.1.1 has no receive maximum: the client is held to one by not reading on.
        if version == .v311, session.unsettled >= Int(broker.limits.receiveMaximum) {
            waitsForAnswers = true
            return .waits
        }
        var message = message(incoming, at: offset, of: buffer)
        do throws(ServiceError) {
            try check(incoming, &message)
            if view.retain { try broker.checkRetained(message) }
        } catch {
            return refuse(view, session, error)
        }
        guard case .new(let ticket) = try session.receiver.published(view.packetIdentifier, qos: view.qos) else {
            answer()
            return .taken
        }
        broker.metrics.received(view.qos, bytes: view.payload.count)
        session.unsettled += 1
        session.take(message, ticket: ticket, view.packetIdentifier, view.qos)
        return .taken
    }

    /// Sends the acknowledgements whose turn it is.
    func answer() {
        guard let session else { return }
        while let answer = session.receiver.nextAnswer() {
            acknowledge(answer.type, answer.packetIdentifier, answer.reason)
        }
        if waitsForAnswers, session.unsettled < Int(broker.limits.receiveMaximum) / 2 {
            waitsForAnswers = false
            resume()
        }
    }

    /// PUBREL.
    func release(_ identifier: UInt16, _ session: Session) {
        let reason = session.receiver.released(identifier)
        session.openReceptions.remove(identifier)
        guard session.receptions.removeValue(forKey: identifier) != nil else {
            return acknowledge(.pubComp, identifier, reason)
        }
        broker.save(.removeReception(session.number, packetIdentifier: identifier))
        // Once the client has PUBCOMP it may use the identifier for another message.
        broker.whenSaved { [weak self] in self?.acknowledge(.pubComp, identifier, reason) }
    }

    // MARK: Refusals

    private func refuse(_ view: PublishView, _ session: Session, _ error: ServiceError) -> Step {
        refuse(view, session, ReasonCode(publishing: error), error.reason)
    }

    /// QoS 0 can only be dropped; QoS 1 and 2 are answered in MQTT 5, and end the connection in 3.1.1, whose acknowledgement has no way to say no.
    private func refuse(_ view: PublishView, _ session: Session, _ reason: ReasonCode, _ slug: String) -> Step {
        broker.metrics.refused(slug)
        guard version == .v5 else {
            if view.qos != .atMostOnce || broker.limits.refusedPublishCloses {
                end(reason, slug)
            }
            return .taken
        }
        guard view.qos != .atMostOnce else {
            if broker.limits.refusedPublishCloses { end(reason, slug) }
            return .taken
        }
        do throws(Violation) {
            if case .new(let ticket) = try session.receiver.published(view.packetIdentifier, qos: view.qos) {
                session.receiver.settled(ticket: ticket, view.packetIdentifier, reason: reason)
            }
        } catch {
            end(error.reason, error.description)
        }
        answer()
        return .taken
    }
}

extension Connection.Incoming {
    /// What the packets of a run have in common.
    struct Source {
        let topic: PublishTopic
        let grant: Grant
    }
}

extension ReasonCode {
    /// How a refused PUBLISH is answered: one of those that PUBACK and PUBREC may have (MQTT 5 table 3-4).
    init(publishing error: ServiceError) {
        switch error.kind {
        case .unauthenticated, .forbidden: self = .notAuthorized
        case .notFound: self = .topicNameInvalid
        case .malformed, .unprocessable, .unsupportedMediaType: self = .payloadFormatInvalid
        case .payloadTooLarge, .tooManyRequests: self = .quotaExceeded
        case .unavailable: self = error.reason == "storage-budget-spent" ? .quotaExceeded : .implementationSpecificError
        case .conflict, .internalFailure: self = .unspecifiedError
        }
    }
}
