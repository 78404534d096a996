// SPDX-License-Identifier: Apache-2.0
import AdapterKit
import Bus
import Core
import Messaging
import NIOCore
import Observability

extension Connection {
    func take(
        publish view: PublishView, at offset: Int, of buffer: ByteBuffer, _ run: inout PublishRun
    ) throws(Violation) -> Step {
        guard let session, let identity else { return .taken }
        let topic: PublishTopic
        if view.topicAlias != 0 {
            let name = try inboundAliases.resolve(view.topicAlias, topic: view.topic)
            topic = name.withUnsafeBytes { publishTopic($0) }
        } else {
            topic = publishTopic(view.topic)
        }
        guard let path = topic.path else {
            let refusal = ReservedTopics.refusal(publishing: topic.bytes, by: identity.thing)
            return refuse(view, session, refusal.reason, refusal.slug)
        }
        let grant: Grant
        if let known = run.grant, run.topic === topic {
            grant = known
        } else {
            switch decide(identity, Question(channel: ChannelAddress(path), right: .publish)) {
            case .allowed(let found):
                grant = found
                if view.qos != .atMostOnce {
                    // What comes behind it on the same topic is allowed as well.
                    end(&run, of: buffer)
                    run.begin(topic, nil, found, nil)
                }
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
        return try takeAcknowledged(incoming, at: offset, of: buffer, &run)
    }

    /// Takes a packet that differs in nothing but its payload from the one before, as most do that come together.
    ///
    /// - Returns: false when it is to be looked at more closely.
    @inline(__always)
    func continues(_ view: PublishView, at offset: Int, _ run: inout PublishRun) -> Bool {
        // QoS 0, not retained; without properties.
        guard view.packet[0] == 0x30, view.isMinimal, view.propertiesRange.isEmpty, let route = run.route,
            run.count == 0 || run.end == offset, let form = run.form, run.topic?.isNamed(view.topic) == true,
            form.fits(view.payload, broker, run.arrivedAt), !broker.policy.limitsRates,
            view.payload.count <= broker.policy.maximumPayloadBytes
        else { return false }
        let time = run.nextTime()
        broker.publishSoon(form.subject) { form.template.encode(view.payload, created: time, into: &$0) }
        run.received.messages += 1
        run.received.bytes += view.payload.count
        if !route.isEmpty { run.add(view.packet, at: offset) }
        return true
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
    private func message(
        _ incoming: Incoming, _ contentType: ContentType, at offset: Int, of buffer: ByteBuffer
    ) -> RawMessage {
        let view = incoming.view
        let payload = view.payload.count
        let end = buffer.readerIndex + offset + view.packet.count
        let slice = buffer.getSlice(at: end - payload, length: payload) ?? ByteBuffer()
        return RawMessage(
            domain: incoming.grant.domain, channel: incoming.grant.channel, subtopic: incoming.path.subtopic,
            publisher: incoming.grant.thing, transport: .mqtt, contentType: contentType, created: broker.now,
            payload: slice,
            mqtt: MQTTDetails(
                qos: view.qos.rawValue, retain: view.retain, session: incoming.session.number.rawValue,
                properties: passedOn(view)))
    }

    /// What the publisher says it is; nil without a word of it.
    private func statedType(_ incoming: Incoming) -> ContentType? {
        if let type = incoming.path.contentType { return type }
        guard version == .v5, let name = incoming.view.contentType else { return nil }
        return ContentType(mediaType: name)
    }

    /// What is said to be SenML or JSON must be; what nobody says anything of is what it looks like, as devices that speak MQTT 3.1.1 cannot say.
    ///
    /// - Parameter receivedAt: nanoseconds since 1970.
    private func contentType(_ incoming: Incoming, _ receivedAt: Int64) throws(ServiceError) -> ContentType {
        guard let stated = statedType(incoming) else {
            return broker.guess(incoming.view.payload, receivedAt: receivedAt)
        }
        try broker.check(incoming.view.payload, as: stated, receivedAt: receivedAt)
        return stated
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
        let form: StreamForm
        do throws(ServiceError) {
            form = try streamForm(incoming, try contentType(incoming, run.arrivedAt))
            if view.retain { try broker.checkRetained(incoming.grant.channel, form.subtopic, view.payload.count) }
        } catch {
            return refuse(view, incoming.session, error)
        }
        if view.retain, !broker.keepsUp(for: self) { return .waits }
        let route = broker.route(for: incoming.topic, incoming.grant)
        if run.route !== route {
            if waitsFor(route.pressed) { return .waits }
            do throws(BusError) {
                try broker.bus.checkPublishNow()
            } catch {
                if case .overloaded = error {
                    broker.waitForBus(self)
                    return .waits
                }
                broker.metrics.refused(ServiceError(publishing: error).reason)
                return .taken
            }
        }
        let isPlain = view.packet[0] == 0x30 && view.topicAlias == 0 && view.isMinimal
        if view.propertiesRange.isEmpty, !view.retain {
            let time = run.nextTime()
            broker.publishSoon(form.subject) { form.template.encode(view.payload, created: time, into: &$0) }
            if !isPlain, !route.isEmpty {
                end(&run, of: buffer)
                broker.deliver(
                    atMostOnce: message(incoming, form.contentType, at: offset, of: buffer), route.targets, route)
            }
        } else {
            let message = message(incoming, form.contentType, at: offset, of: buffer)
            broker.publishSoon(form.subject) { message.encode(into: &$0) }
            if view.retain { broker.retain(message, sequence: 0) }
            if !isPlain, !route.isEmpty {
                end(&run, of: buffer)
                broker.deliver(atMostOnce: message, route.targets, route)
            }
        }
        run.received.messages += 1
        run.received.bytes += view.payload.count
        let continues = run.topic === incoming.topic && run.route === route
        if !continues || (run.count > 0 && run.end != offset) { end(&run, of: buffer) }
        if run.count == 0 { run.begin(incoming.topic, route, incoming.grant, form) }
        run.form = form
        if isPlain, !route.isEmpty { run.add(view.packet, at: offset) }
        return .taken
    }

    /// What the message is in the bus's form, payload and time apart; mostly that of the one before.
    private func streamForm(
        _ incoming: Incoming, _ contentType: ContentType
    ) throws(ServiceError) -> StreamForm {
        if let form = lastForm, form.serves(incoming, contentType) { return form }
        do throws(BusError) {
            let form = try StreamForm(incoming, contentType)
            lastForm = form
            return form
        } catch {
            throw ServiceError(publishing: error)
        }
    }

    /// Whether the packet is to wait until a client that is behind has caught up.
    private func waitsFor(_ client: Connection?) -> Bool {
        // A client whose acknowledgements are awaited is read on, and one that publishes to itself would wait for itself.
        guard let client, client !== self, session?.isOwed != true else { return false }
        client.hold { [weak self] in self?.resume() }
        return true
    }

    private func end(_ run: inout PublishRun, of buffer: ByteBuffer) {
        buffer.withUnsafeReadableBytes { finish(&run, $0) }
    }

    /// Hands a run to its subscribers.
    func finish(_ run: inout PublishRun, _ bytes: UnsafeRawBufferPointer) {
        if run.received.messages > 0 {
            broker.metrics.received(.atMostOnce, bytes: run.received.bytes, count: run.received.messages)
            run.received = (0, 0)
        }
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
        run.begin(topic, nil, grant, run.form)
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
                // It was checked before.
                let contentType = (try? contentType(incoming, broker.now)) ?? .octetStream
                broker.deliver(
                    atMostOnce: message(incoming, contentType, at: offset, of: copy), targets, route)
                offset += head.packetLength
            }
        }
    }

    // MARK: QoS 1 and 2

    private func takeAcknowledged(
        _ incoming: Incoming, at offset: Int, of buffer: ByteBuffer, _ run: inout PublishRun
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
        guard broker.deliveryKeepsUp(for: self, broker.route(for: incoming.topic, incoming.grant)) else {
            return .waits
        }
        let form: StreamForm
        do throws(ServiceError) {
            form = try streamForm(incoming, try contentType(incoming, run.arrivedAt))
            if view.retain { try broker.checkRetained(incoming.grant.channel, form.subtopic, view.payload.count) }
        } catch {
            return refuse(view, session, error)
        }
        guard case .new(let ticket) = try session.receiver.published(view.packetIdentifier, qos: view.qos) else {
            answer()
            return .taken
        }
        broker.metrics.received(view.qos, bytes: view.payload.count)
        session.unsettled += 1
        if view.qos == .atLeastOnce, !view.retain, view.propertiesRange.isEmpty {
            session.take(
                form, view.payload, created: run.nextTime(), ticket: ticket, view.packetIdentifier)
        } else {
            let message = message(incoming, form.contentType, at: offset, of: buffer)
            session.take(message, ticket: ticket, view.packetIdentifier, view.qos)
        }
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
