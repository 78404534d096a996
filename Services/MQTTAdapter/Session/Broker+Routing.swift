// SPDX-License-Identifier: Apache-2.0
import AdapterKit
import Bus
import Core
import Logging
import Messaging
import NIOCore
import Observability

/// Who gets what.
extension Broker {
    /// How long it is remembered that a session may not read a channel that its filters reach: a right that is given later takes so long to be seen.
    private static let refusalMemory: Int64 = 2_000_000_000

    // MARK: Subscriptions

    /// Adds a subscription in place of the session's former one with the same filter ([MQTT-3.8.4-3]).
    func add(_ subscription: Subscription, _ grant: Grant?) {
        let session = subscription.session
        if let former = session.subscriptions[subscription.filter.text] { remove(former, fromStore: false) }
        insert(subscription)
        if let grant { watch(subscription, grant, ChannelAddress(grant.channel)) }
        guard session.isPersistent else { return }
        save(
            .subscription(
                session.number,
                StoredSubscription(
                    filter: subscription.filter.text, options: subscription.options.byte(.v5),
                    identifier: subscription.identifier, channel: subscription.channel)))
        savePosition()
    }

    func insert(_ subscription: Subscription) {
        subscription.session.subscriptions[subscription.filter.text] = subscription
        // A session has one under each filter: the former was removed.
        trie.add(subscription, at: subscription.pattern, isNew: true)
        subscriptionCount += 1
        metrics.subscriptions.increment()
        generation += 1
    }

    func remove(_ subscription: Subscription, fromStore: Bool = true) {
        let session = subscription.session
        subscription.watch?.cancel()
        subscription.watch = nil
        guard session.subscriptions[subscription.filter.text] === subscription else { return }
        session.subscriptions[subscription.filter.text] = nil
        trie.remove(subscription, at: subscription.pattern)
        subscriptionCount -= 1
        metrics.subscriptions.decrement()
        generation += 1
        guard fromStore, session.isPersistent else { return }
        save(.removeSubscription(session.number, filter: subscription.filter.text))
    }

    /// Hears of it when the right is gone.
    func watch(_ subscription: Subscription, _ grant: Grant, _ address: ChannelAddress) {
        let bound = NIOLoopBound((self, subscription), eventLoop: eventLoop)
        let eventLoop = eventLoop
        subscription.watch = authenticator.watch(grant, reference: address) { error in
            eventLoop.execute {
                let (broker, subscription) = bound.value
                broker.lost(subscription, error)
            }
        }
    }

    /// The right is gone: the subscription ends, and a client that is connected is cut off, as it could not learn of it otherwise.
    func lost(_ subscription: Subscription, _ error: ServiceError) {
        let session = subscription.session
        guard session.subscriptions[subscription.filter.text] === subscription else { return }
        metrics.revoked.increment()
        remove(subscription)
        if let connection = session.connection, connection.phase == .connected {
            connection.end(.notAuthorized, error.message)
        }
    }

    // MARK: Routes

    /// What a topic name means to publishers.
    func topic(_ name: UnsafeRawBufferPointer) -> PublishTopic {
        if let topic = topics.find(name, generation: 0) { return topic }
        let topic = PublishTopic(name)
        topics.insert(topic, for: name, generation: 0)
        return topic
    }

    func route(for topic: PublishTopic, _ grant: Grant) -> Route {
        if let route = topic.route, route.channel == grant.channel {
            refresh(route)
            return route
        }
        let route = Route(channel: grant.channel, domain: grant.domain, subtopic: topic.path?.subtopic ?? "")
        topic.route = route
        refresh(route)
        return route
    }

    @inline(__always)
    func refresh(_ route: Route) {
        guard route.generation != generation || route.validUntil != .max else { return }
        guard route.generation != generation || route.validUntil <= now else { return }
        compile(route)
    }

    func compile(_ route: Route) {
        route.generation = generation
        route.validUntil = .max
        var alone: [(key: TargetKey, subscriptions: [Subscription])] = []
        var index: [TargetKey: Int] = [:]
        var shared: [ExactText: [Target]] = [:]
        for subscription in trie.matches(route.channelsTopic) + trie.matches(route.domainTopic) {
            if subscription.isOverAllChannels {
                switch mayRead(subscription.session, route.channel) {
                case .allowed, .asked: break
                case .refused(let until):
                    route.validUntil = min(route.validUntil, until)
                    continue
                }
            }
            let topic = subscription.path.topic(
                channel: route.channel, domain: route.domain, subtopic: route.subtopic)
            guard subscription.filter.shareName == nil else {
                shared[ExactText(subscription.filter.text), default: []].append(Target([subscription], topic: topic))
                continue
            }
            let key = TargetKey(session: subscription.session.number, topic: topic)
            if let place = index[key] {
                alone[place].subscriptions.append(subscription)
            } else {
                index[key] = alone.count
                alone.append((key, [subscription]))
            }
        }
        route.targets = alone.map { Target($0.subscriptions, topic: $0.key.topic) }
        route.groups = shared.sorted { $0.key.text < $1.key.text }.map { SharedGroup($0.key, $0.value) }
    }

    private struct TargetKey: Hashable {
        let session: SessionNumber
        let topic: [UInt8]
    }

    /// Whether a session may read a channel that one of its filters over all channels reaches; asks where it is not known.
    func mayRead(_ session: Session, _ channel: ChannelID) -> Session.ChannelRight {
        switch session.channelRights[channel] {
        case .allowed(let watch)?: return .allowed(watch)
        case .asked(let parked, let bytes)?: return .asked(parked: parked, bytes: bytes)
        case .refused(let until)? where until > now: return .refused(until: until)
        case .refused?, nil: break
        }
        let address = ChannelAddress(channel)
        switch authenticator.decide(session.identity, on: address, right: .subscribe) {
        case .allowed(let grant): settle(session, channel, .success(grant))
        case .refused(let error): settle(session, channel, .failure(error))
        case .ask:
            session.channelRights[channel] = .asked(parked: [], bytes: 0)
            ask(session.identity, Connection.Question(channel: address, right: .subscribe)) { [self] result in
                answered(session, channel, result)
            }
        }
        return session.channelRights[channel] ?? .refused(until: now)
    }

    private func settle(_ session: Session, _ channel: ChannelID, _ result: Result<Grant, ServiceError>) {
        guard case .success(let grant) = result else {
            session.channelRights[channel] = .refused(until: now + Self.refusalMemory)
            return
        }
        let bound = NIOLoopBound((self, session), eventLoop: eventLoop)
        let eventLoop = eventLoop
        let watch = authenticator.watch(grant, reference: ChannelAddress(channel)) { _ in
            eventLoop.execute {
                let (broker, session) = bound.value
                session.channelRights[channel] = nil
                broker.generation += 1
            }
        }
        session.channelRights[channel] = .allowed(watch)
    }

    /// The answer came: what waited for it goes on, or is let go of.
    private func answered(_ session: Session, _ channel: ChannelID, _ result: Result<Grant, ServiceError>) {
        guard case .asked(let parked, _)? = session.channelRights[channel] else { return }
        settle(session, channel, result)
        generation += 1
        session.pump()
        var isAllowed = false
        if case .success = result { isAllowed = true }
        for parked in parked {
            let message = parked.message
            if let share = parked.share {
                self.share(message, share)
                continue
            }
            guard isAllowed else { continue }
            let route = Route(channel: message.channel, domain: message.domain, subtopic: message.subtopic)
            compile(route)
            var templates = Templates()
            for target in route.targets where target.session === session && target.subscription.isOverAllChannels {
                session.deliver(message, by: target, &templates, isRetained: parked.isRetained)
            }
        }
        flushSoon()
    }

    // MARK: Messages

    /// A message of QoS 0 of one of the clients here, to those who do not get the packet as it came.
    func deliver(atMostOnce message: RawMessage, _ targets: [Target], _ route: Route) {
        guard !targets.isEmpty || !route.groups.isEmpty else { return }
        var envelope = ByteBuffer()
        message.encode(into: &envelope)
        // What was just encoded can be decoded.
        guard let message = try? Message(envelope: envelope, sequence: 0) else { return }
        deliver(message, targets, route.groups)
    }

    func deliver(_ message: Message, _ targets: [Target], _ groups: [SharedGroup]) {
        var templates = Templates(areUsedOnce: targets.count == 1 && groups.isEmpty)
        for target in targets { deliver(message, target, &templates) }
        for group in groups {
            if let type = group.targets.first?.contentType, type != message.contentType { continue }
            if let target = group.choose(for: message.sequence) { deliver(message, target, &templates) }
        }
    }

    private func deliver(_ message: Message, _ target: Target, _ templates: inout Templates) {
        guard let target = target.withoutOwn(message.session) else { return }
        if let contentType = target.contentType, contentType != message.contentType { return }
        guard message.sequence == 0 || message.sequence > target.from else { return }
        target.session.deliver(message, by: target, &templates)
    }

    // MARK: Retained messages

    /// - Throws: `tooManyRequests` when there is no room for one more.
    func checkRetained(_ channel: ChannelID, _ subtopic: String, _ payloadBytes: Int) throws(ServiceError) {
        guard payloadBytes > 0, !hasRoom(toRetain: channel, subtopic, payloadBytes) else { return }
        throw ServiceError(
            .tooManyRequests, reason: "too-many-retained", "There is no room for another retained message.")
    }

    private func hasRoom(toRetain channel: ChannelID, _ subtopic: String, _ payloadBytes: Int) -> Bool {
        retained.bytes + payloadBytes <= limits.maximumRetainedBytes
            && (retained.count < limits.maximumRetained || retained.contains(channel, subtopic))
    }

    /// Keeps the message for those who subscribe later, or forgets the one that is kept ([MQTT-3.3.1-5], [MQTT-3.3.1-6]).
    func retain(_ message: RawMessage, sequence: UInt64) {
        guard message.payload.readableBytes > 0 else {
            if retained.remove(message.channel, message.subtopic) {
                save(.removeRetained(message.channel, subtopic: message.subtopic))
            }
            return
        }
        // A will, or what was published while another took the room.
        guard hasRoom(toRetain: message.channel, message.subtopic, message.payload.readableBytes) else {
            return metrics.dropped("too-many-retained")
        }
        var envelope = ByteBuffer()
        message.encode(into: &envelope)
        guard let kept = retained.keep(envelope, sequence: sequence) else { return }
        save(.retained(kept))
    }

    /// - Parameter subscription: of a SUBSCRIBE that was just acknowledged; another may have replaced it already.
    func deliverRetained(to subscription: Subscription) {
        let session = subscription.session
        guard session.subscriptions[subscription.filter.text] != nil else { return }
        if subscription.path.form == .system { return deliverSystemTopics(to: subscription) }
        let channels = subscription.channel.map { [$0] } ?? retained.channels
        for channel in channels {
            let messages = retained.messages(channel, at: now).filter { message in
                let route = Route(channel: channel, domain: message.domain, subtopic: message.subtopic)
                return Self.matches(subscription, route)
            }
            guard !messages.isEmpty else { continue }
            if subscription.isOverAllChannels, case .refused = mayRead(session, channel) { continue }
            for message in messages {
                if let contentType = subscription.path.contentType, contentType != message.contentType { continue }
                let topic = subscription.path.topic(
                    channel: channel, domain: message.domain, subtopic: message.subtopic)
                // [MQTT-3.8.3-3]
                guard let target = Target([subscription], topic: topic).withoutOwn(message.session) else { continue }
                var templates = Templates()
                session.deliver(message, by: target, &templates, isRetained: true)
            }
        }
    }

    static func matches(_ subscription: Subscription, _ route: Route) -> Bool {
        var pattern = subscription.pattern
        var topic = subscription.path.form == .channels ? route.channelsTopic : route.domainTopic
        return pattern.withUTF8 { pattern in
            topic.withUTF8 {
                TopicRules.matches(filter: UnsafeRawBufferPointer(pattern), topic: UnsafeRawBufferPointer($0))
            }
        }
    }
}
