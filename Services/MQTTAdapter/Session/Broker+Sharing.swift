// SPDX-License-Identifier: Apache-2.0
import DequeModule
import Messaging
import Observability

/// Shared subscriptions (MQTT 5 section 4.8.2): what a member leaves undone is another's.
extension Broker {
    /// Hands a message to a member of the shared subscription `filter`, as if it had just come.
    func share(_ message: Message, _ filter: ExactText) {
        guard !message.isExpired(at: now) else { return metrics.dropped("expired") }
        let route = Route(channel: message.channel, domain: message.domain, subtopic: message.subtopic)
        compile(route)
        // Who came later may have it as well: nobody has had it yet.
        guard let target = route.groups.first(where: { $0.filter == filter })?.choose(for: 0) else {
            return metrics.dropped("unsubscribed")
        }
        var templates = Templates()
        target.session.deliver(message, by: target, &templates)
    }

    /// Gives up a message that waited for a session.
    ///
    /// - Returns: false when it did not come by a shared subscription: nobody else is to get it.
    @discardableResult
    func leave(_ outgoing: Session.Outgoing) -> Bool {
        guard outgoing.form.isShared else { return false }
        share(outgoing.message, ExactText(outgoing.filter))
        return true
    }

    /// A session has ended: others get what it was sent with QoS 1 and did not acknowledge, what waited for it, and what waited for its rights. A message of
    /// QoS 2 that was begun is nobody else's ([MQTT-4.8.2-5]). What is in the store is read before the store forgets the session.
    func leaveShares(_ session: Session, _ parked: [Session.Parked]) {
        for inFlight in session.sender.inFlight where inFlight.qos == .atLeastOnce {
            if let outgoing = inFlight.message { leave(outgoing) }
        }
        for outgoing in session.queue { leave(outgoing) }
        for parked in parked {
            if let filter = parked.share { share(parked.message, filter) }
        }
        guard session.isSpilled, session.isKept else { return forget(session) }
        leaveStored(session)
    }

    private func leaveStored(_ session: Session) {
        load(session) { [self] result in
            guard case .success(let entries) = result, !entries.isEmpty else { return forget(session) }
            for entry in entries {
                session.loadedOrder = max(session.loadedOrder, entry.order)
                // What is in flight was seen to.
                guard session.storedOrders[entry.order] == nil, let outgoing = session.restore(entry) else { continue }
                leave(outgoing)
            }
            leaveStored(session)
            flushSoon()
        }
    }
}

extension Session {
    /// What waits for a right and came by a shared subscription.
    var parkedByShare: [Parked] {
        channelRights.values.flatMap { right -> [Parked] in
            guard case .asked(let parked, _) = right else { return [] }
            return parked.filter { $0.share != nil }
        }
    }
}
