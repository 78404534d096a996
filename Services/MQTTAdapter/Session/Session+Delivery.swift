// SPDX-License-Identifier: Apache-2.0
import DequeModule
import NIOCore
import Observability

/// Messages for the client: sent at once, or waiting in memory, behind that in the store.
extension Session {
    /// Hands one message to the session by one target of its route.
    ///
    /// - Parameter templates: what was written for the message before, for other sessions.
    func deliver(_ message: Message, by target: Target, _ templates: inout Templates, isRetained: Bool = false) {
        if target.subscription.isOverAllChannels, park(message, isRetained, target.subscription.filter) { return }
        let qos = min(message.qos, target.qos)
        let retain = isRetained || (target.retainAsPublished && message.retain)
        guard qos != .atMostOnce else {
            guard let connection else { return }
            let template = templates.template(message, target, connection.version, qos, retain, broker.now)
            connection.sendAtMostOnce(template)
            return broker.noteBacklog(of: connection)
        }
        enqueue(message, by: target, qos, retain, &templates)
    }

    /// Keeps a message while it is asked whether the session may read its channel.
    private func park(_ message: Message, _ isRetained: Bool, _ filter: TopicFilter) -> Bool {
        guard case .asked(var parked, var bytes)? = channelRights[message.channel] else { return false }
        let share = filter.shareName == nil ? nil : ExactText(filter.text)
        // By another of its filters it is there already; all of them get it when the answer comes.
        if let last = parked.last, last.message === message, last.share == share { return true }
        bytes += message.envelope.readableBytes
        guard bytes <= Self.parkedBytes else {
            broker.metrics.dropped("right-not-known")
            return true
        }
        message.keep()
        parked.append(Parked(message: message, isRetained: isRetained, share: share))
        channelRights[message.channel] = .asked(parked: parked, bytes: bytes)
        return true
    }

    private func enqueue(
        _ message: Message, by target: Target, _ qos: QualityOfService, _ retain: Bool, _ templates: inout Templates
    ) {
        guard connection != nil || isPersistent else { return }
        let order = nextOrder
        nextOrder += 1
        if let connection, !isSpilled, queue.isEmpty, sender.canSend, connection.canTake {
            // What ends with its connection is never sent again, and nobody else gets it.
            if !isPersistent, !isKept, !target.form.isShared {
                return sendOnce(message, by: target, qos, retain, &templates, on: connection)
            }
            let template = templates.template(message, target, connection.version, qos, retain, broker.now)
            return send(
                Outgoing(order: order, message: message, qos: qos, retain: retain, form: target.form), template,
                on: connection)
        }
        let outgoing = Outgoing(order: order, message: message, qos: qos, retain: retain, form: target.form)
        if isSpilled || connection == nil { return spill(outgoing) }
        guard queuedBytes + outgoing.bytes <= broker.limits.queueMemoryBytes else {
            if isPersistent { return spill(outgoing) }
            broker.metrics.slowConsumers.increment()
            connection?.end(.quotaExceeded, "the client does not take messages as fast as they come")
            return
        }
        queue.append(outgoing)
        queuedBytes += outgoing.bytes
        if isPersistent { note(unsaved: outgoing, 0) }
        if let connection { broker.noteBacklog(of: connection) }
    }

    /// Puts a message behind those in memory, into the store.
    private func spill(_ outgoing: Outgoing) {
        guard storedBytes + outgoing.bytes <= broker.limits.queueStoreBytes,
            broker.storedBytes + outgoing.bytes <= broker.limits.queuesStoreBytes
        else {
            broker.metrics.dropped("queue-full")
            return
        }
        if !isSpilled {
            isSpilled = true
            loadedOrder = outgoing.order - 1
        }
        spilledOrder = outgoing.order
        save(outgoing, packetIdentifier: 0, isInMemory: false)
    }

    /// Takes what came by a shared subscription out of what waits in memory.
    func takeWaiting(by filter: ExactText) -> Deque<Outgoing> {
        let taken = queue.filter { ExactText($0.filter) == filter }
        queue.removeAll { ExactText($0.filter) == filter }
        for outgoing in taken {
            queuedBytes -= outgoing.bytes
            forget(outgoing.order)
        }
        return taken
    }
}
