// SPDX-License-Identifier: Apache-2.0
import AdapterKit
import Core
import NIOCore
import Observability

/// `$SYS/…`: of QoS 0 and as if retained, for the things that the operator names. Filters that begin with a wildcard do not reach it ([MQTT-4.7.2-1]).
extension Broker {
    func maySeeSystem(_ identity: ThingIdentity) -> Bool {
        guard operators.systemInterval != nil else { return false }
        return operators.systemReaders.contains(EntityID(identity.thing))
            || operators.systemReaders.contains(EntityID(identity.domain))
    }

    /// Begins to publish; nil where nobody may read.
    func startSystemTopics() -> RepeatedTask? {
        guard let interval = operators.systemInterval else { return nil }
        publishSystemTopics()
        let bound = NIOLoopBound(self, eventLoop: eventLoop)
        return eventLoop.scheduleRepeatedTask(initialDelay: interval, delay: interval) { _ in
            bound.value.publishSystemTopics()
        }
    }

    private func publishSystemTopics() {
        let seconds = Double(operators.systemInterval?.nanoseconds ?? 1_000_000_000) / 1e9
        for topic in system.update(reading(), seconds: seconds) {
            guard let value = system.values[topic] else { continue }
            var subscriptions: [SessionNumber: [Subscription]] = [:]
            for subscription in trie.matches(topic) where maySeeSystem(subscription.session.identity) {
                subscriptions[subscription.session.number, default: []].append(subscription)
            }
            for (_, subscriptions) in subscriptions {
                let retain = subscriptions.contains { $0.options.retainAsPublished }
                send(topic, value, to: subscriptions, retain: retain)
            }
        }
        flushSoon()
    }

    /// What there is, to a new subscription.
    func deliverSystemTopics(to subscription: Subscription) {
        guard maySeeSystem(subscription.session.identity) else { return }
        for (topic, value) in system.values.sorted(by: { $0.key < $1.key })
        where subscription.filter.matches(topic) {
            send(topic, value, to: [subscription], retain: true)
        }
    }

    /// - Parameter subscriptions: of one session.
    private func send(_ topic: String, _ value: String, to subscriptions: [Subscription], retain: Bool) {
        guard let connection = subscriptions.first?.session.connection else { return }
        guard connection.canTake else { return metrics.dropped("slow-client") }
        var publish = Publish(topic: topic, payload: ByteBuffer(string: value), qos: .atMostOnce, retain: retain)
        publish.properties.subscriptionIdentifiers = subscriptions.map(\.identifier).filter { $0 != 0 }
        connection.write(.publish(publish))
        metrics.sent.increment()
    }

    private func reading() -> SystemTopics.Reading {
        var reading = SystemTopics.Reading()
        reading.uptimeSeconds = max(0, now - startedAt) / 1_000_000_000
        reading.receivedBytes = closedBytes.received
        reading.sentBytes = closedBytes.sent
        for connection in connections.all {
            if connection.phase == .connected { reading.connected += 1 }
            reading.receivedBytes += connection.receivedBytes
            reading.sentBytes += connection.sentBytes
        }
        reading.kept = max(0, sessions.count - reading.connected)
        reading.accepted = metrics.accepted
        reading.received = metrics.receivedMessages
        reading.receivedPayloadBytes = metrics.receivedPayloadBytes
        reading.sent = metrics.sent.value
        reading.dropped = metrics.droppedMessages
        reading.subscriptions = subscriptionCount
        reading.retained = retained.count
        reading.retainedBytes = retained.bytes
        reading.stored = storedEntries
        reading.storedBytes = storedBytes
        reading.residentBytes = ProcessMetrics.residentBytes
        return reading
    }
}
