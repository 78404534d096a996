// SPDX-License-Identifier: Apache-2.0
import AdapterKit
import Core
import Messaging
import NIOCore
import Observability

/// What the store has of the messages for the client, and what it is still to get.
extension Session {
    func save(_ outgoing: Outgoing, packetIdentifier: UInt16, isInMemory: Bool = true) {
        if isInMemory { storedOrders[outgoing.order] = outgoing.bytes }
        count(1, outgoing.bytes)
        broker.save(
            .entry(
                number,
                StoredEntry(
                    order: outgoing.order, sequence: outgoing.message.sequence, qos: outgoing.qos,
                    retain: outgoing.retain, filter: outgoing.filter, subscriptionIdentifiers: outgoing.identifiers,
                    packetIdentifier: packetIdentifier, envelope: outgoing.message.envelope)))
    }

    func note(unsaved outgoing: Outgoing, _ packetIdentifier: UInt16) {
        unsaved[outgoing.order] = (outgoing, packetIdentifier)
        broker.unsavedSessions[number] = self
    }

    /// Hands the store what it does not have.
    func saveEntries() {
        guard isPersistent, !unsaved.isEmpty else { return }
        for (_, (outgoing, identifier)) in unsaved.sorted(by: { $0.key < $1.key }) {
            save(outgoing, packetIdentifier: identifier)
        }
        unsaved.removeAll()
    }

    /// A message is done with.
    func forget(_ order: UInt64) {
        guard isKept else { return }
        guard unsaved.removeValue(forKey: order) == nil else { return }
        guard let bytes = storedOrders.removeValue(forKey: order) else { return }
        count(-1, -bytes)
        broker.save(.removeEntry(number, order: order))
    }

    /// The store has let go of all of them.
    func forgetEntries() {
        unsaved = [:]
        storedOrders = [:]
        count(-storedEntries, -storedBytes)
    }

    private func count(_ entries: Int, _ bytes: Int) {
        storedEntries += entries
        storedBytes += bytes
        broker.storedBytes += bytes
        broker.storedEntries += entries
    }

    func load() {
        isLoading = true
        let spilledBefore = spilledOrder
        broker.load(self) { [weak self] result in
            guard let self else { return }
            self.isLoading = false
            guard case .success(let entries) = result else { return }
            guard self.isConnected else { return }
            // What was spilled since the store was asked may not be among them.
            if entries.isEmpty, self.spilledOrder == spilledBefore { self.isSpilled = false }
            for entry in entries {
                self.loadedOrder = max(self.loadedOrder, entry.order)
                // What is in flight is in the store as well.
                guard self.storedOrders[entry.order] == nil, let outgoing = self.restore(entry) else { continue }
                self.queue.append(outgoing)
                self.queuedBytes += outgoing.bytes
            }
            self.pump()
        }
    }

    /// - Returns: nil for an entry that can no longer be read; it is forgotten, and counted.
    func restore(_ entry: StoredEntry) -> Outgoing? {
        storedOrders[entry.order] = Self.bytes(entry.envelope)
        guard let message = try? Message(envelope: entry.envelope, sequence: entry.sequence, isShared: true) else {
            broker.metrics.dropped("unreadable")
            forget(entry.order)
            return nil
        }
        // The subscription may be gone; its filter still says what the topic looked like.
        let path =
            subscriptions[entry.filter]?.path
            ?? (try? TopicFilter(entry.filter)).flatMap { try? SubscriptionPath($0.pattern, domain: identity.domain) }
        let topic =
            path?.topic(channel: message.channel, domain: message.domain, subtopic: message.subtopic)
            ?? Array(
                Route(channel: message.channel, domain: message.domain, subtopic: message.subtopic)
                    .channelsTopic.utf8)
        return Outgoing(
            order: entry.order, message: message, qos: entry.qos, retain: entry.retain,
            form: DeliveryForm(
                topic: topic, identifiers: entry.subscriptionIdentifiers, filter: entry.filter))
    }

    /// What the store kept of a session of an earlier process.
    func restore(_ queue: StoredState.Queue) {
        nextOrder = queue.lastOrder + 1
        count(queue.entries, queue.bytes + queue.entries * Self.overhead)
        var inFlight: [PublishSender<Outgoing>.InFlight] = []
        var firstWaiting = queue.lastOrder + 1
        for entry in queue.inFlight {
            firstWaiting = max(firstWaiting, entry.order)
            guard let outgoing = restore(entry) else { continue }
            if entry.isReleased { releasedOrders[entry.packetIdentifier] = entry.order }
            inFlight.append(
                PublishSender<Outgoing>.InFlight(
                    packetIdentifier: entry.packetIdentifier, qos: entry.qos,
                    phase: entry.isReleased ? .released : .published, message: entry.isReleased ? nil : outgoing))
        }
        if !inFlight.isEmpty, let restored = PublishSender<Outgoing>(restoring: inFlight) { sender = restored }
        isSpilled = queue.entries > queue.inFlight.count
        // Entries that were in flight are passed over when the rest is loaded.
        loadedOrder = 0
    }
}
