// SPDX-License-Identifier: Apache-2.0
import Core
import Messaging
import Observability

/// What waits goes out, as far as the client and its socket take it.
extension Session {
    /// Sends what waits, as far as the client and its socket take it.
    func pump() {
        guard let connection else { return }
        while connection.canTake, let resend = sender.nextResend() {
            switch resend {
            case .publish(let identifier, let qos, let outgoing):
                let template = PublishTemplate(
                    PublishLayout(
                        outgoing.message, topic: outgoing.topic, version: connection.version, qos: qos,
                        retain: outgoing.retain, subscriptionIdentifiers: outgoing.identifiers, now: broker.now))
                guard template.count <= connection.maximumPacketSize else {
                    // The last connection took more ([MQTT-3.1.2-25]).
                    broker.metrics.dropped("too-large-for-client")
                    sender.discarded(identifier)
                    forget(outgoing.order)
                    continue
                }
                connection.send(template, packetIdentifier: identifier, isDuplicate: true)
            case .release(let identifier): connection.acknowledge(.pubRel, identifier)
            }
        }
        while connection.canTake, sender.canSend, let outgoing = queue.first {
            if let reason = obstacle(to: outgoing) {
                if reason == .rightNotKnown { break }
                queue.removeFirst()
                queuedBytes -= outgoing.bytes
                forget(outgoing.order)
                if reason == .expired || !broker.leave(outgoing) { broker.metrics.dropped(reason.rawValue) }
                continue
            }
            queue.removeFirst()
            queuedBytes -= outgoing.bytes
            let template = PublishTemplate(
                PublishLayout(
                    outgoing.message, topic: outgoing.topic, version: connection.version, qos: outgoing.qos,
                    retain: outgoing.retain, subscriptionIdentifiers: outgoing.identifiers, now: broker.now))
            send(outgoing, template, on: connection)
        }
        if queue.isEmpty, isSpilled, !isLoading, sender.canSend { load() }
        connection.releaseHeld()
    }

    private enum Obstacle: String {
        /// [MQTT-3.3.2-5]
        case expired
        /// Its subscription is gone, maybe because the right is.
        case unsubscribed
        case rightGone = "right-gone"
        /// `things` is asked; what waits goes on with the answer.
        case rightNotKnown = "right-not-known"
    }

    /// Why a message that has waited may not be sent, or not now.
    private func obstacle(to outgoing: Outgoing) -> Obstacle? {
        if outgoing.message.isExpired(at: broker.now) { return .expired }
        guard let subscription = subscriptions[outgoing.filter] ?? another(for: outgoing) else { return .unsubscribed }
        guard subscription.isOverAllChannels else { return nil }
        return switch broker.mayRead(self, outgoing.message.channel) {
        case .allowed: nil
        case .asked: .rightNotKnown
        case .refused: .rightGone
        }
    }

    /// Another subscription that brings the message under the same topic: it came by both.
    private func another(for outgoing: Outgoing) -> Subscription? {
        let message = outgoing.message
        return subscriptions.values.first { subscription in
            subscription.filter.shareName == nil
                && subscription.path.topic(
                    channel: message.channel, domain: message.domain, subtopic: message.subtopic) == outgoing.topic
                && Broker.matches(
                    subscription,
                    Route(channel: message.channel, domain: message.domain, subtopic: message.subtopic))
        }
    }

    /// Sends what need not be kept until it is acknowledged.
    func sendOnce(
        _ message: Message, by target: Target, _ qos: QualityOfService, _ retain: Bool, _ templates: inout Templates,
        on connection: Connection
    ) {
        if templates.areUsedOnce, connection.takesPlainTopics {
            let layout = PublishLayout(
                message, topic: target.topic, version: connection.version, qos: qos, retain: retain,
                subscriptionIdentifiers: target.identifiers, now: broker.now)
            guard layout.count <= connection.maximumPacketSize else {
                return broker.metrics.dropped("too-large-for-client")
            }
            guard let identifier = sender.accepted(nil, qos: qos) else { return }
            return connection.send(layout, packetIdentifier: identifier)
        }
        let template = templates.template(message, target, connection.version, qos, retain, broker.now)
        // [MQTT-3.1.2-24]
        guard template.count <= connection.maximumPacketSize else {
            return broker.metrics.dropped("too-large-for-client")
        }
        guard let identifier = sender.accepted(nil, qos: qos) else { return }
        connection.send(template, packetIdentifier: identifier)
    }

    func send(_ outgoing: Outgoing, _ template: PublishTemplate, on connection: Connection) {
        // [MQTT-3.1.2-24]: what is too large for the client is let go of.
        guard template.count <= connection.maximumPacketSize else {
            broker.metrics.dropped("too-large-for-client")
            return forget(outgoing.order)
        }
        guard let identifier = sender.accepted(outgoing, qos: outgoing.qos) else { return }
        guard isPersistent else { return connection.send(template, packetIdentifier: identifier) }
        guard outgoing.qos == .exactlyOnce else {
            if storedOrders[outgoing.order] != nil {
                broker.save(.sent(number, order: outgoing.order, packetIdentifier: identifier))
            } else {
                note(unsaved: outgoing, identifier)
            }
            return connection.send(template, packetIdentifier: identifier)
        }
        // Under which identifier it was sent must be known whatever happens: under another it would be a second message.
        unsaved[outgoing.order] = nil
        if storedOrders[outgoing.order] != nil {
            broker.save(.sent(number, order: outgoing.order, packetIdentifier: identifier))
        } else {
            save(outgoing, packetIdentifier: identifier)
        }
        broker.whenSaved { [weak connection] in
            connection?.send(template, packetIdentifier: identifier)
        }
    }

    /// Whether a message of a channel that a filter over all channels reaches may go out now.
    func mayReadNow(_ channel: ChannelID) -> Bool {
        if case .allowed? = channelRights[channel] { return true }
        return false
    }
}
