// SPDX-License-Identifier: Apache-2.0
import AdapterKit
import Core
import DequeModule
import Messaging
import NIOCore
import Observability

/// Whose session it is: client identifiers mean something within their thing only, so that no tenant can take another's session over.
struct SessionKey: Hashable, Sendable {
    let thing: ThingID
    let clientIdentifier: String

    static func == (left: Self, right: Self) -> Bool {
        left.thing == right.thing && ExactText(left.clientIdentifier) == ExactText(right.clientIdentifier)
    }

    func hash(into hasher: inout Hasher) {
        hasher.combine(thing)
        hasher.combine(ExactText(clientIdentifier))
    }
}

/// What the server knows of a client beyond its connection (section 4.1): subscriptions, messages in flight both ways, messages that wait, the will.
///
/// Used on the broker's event loop only.
final class Session {
    /// A message that waits, or is in flight.
    struct Outgoing {
        let order: UInt64
        let message: Message
        let qos: QualityOfService
        let retain: Bool
        let form: DeliveryForm

        var topic: [UInt8] { form.topic }
        var identifiers: [UInt32] { form.identifiers }
        var filter: String { form.filter }

        /// What it is counted as: the envelope and what surrounds it.
        var bytes: Int { Session.bytes(message.envelope) }
    }

    /// What is known of a channel that the session's filters over all channels may reach.
    enum ChannelRight {
        /// Asked for; what comes meanwhile waits, up to ``parkedBytes``.
        case asked(parked: [Parked], bytes: Int)
        case allowed(LiveSession)
        /// Until a change of rights, or for a while.
        case refused(until: Int64)
    }

    struct Parked {
        let message: Message
        let isRetained: Bool
        /// The filter of the shared subscription that it came by: another member gets it if this one may not; nil: none.
        let share: ExactText?
    }

    static let parkedBytes = 256 << 10

    static func bytes(_ envelope: ByteBuffer) -> Int { envelope.readableBytes + overhead }
    private static let overhead = 96

    let number: SessionNumber
    let key: SessionKey
    let identity: ThingIdentity
    let broker: Broker
    var version: ProtocolVersion
    var expiry: SessionExpiry
    /// nil while there is no connection. A connection is closed before its session goes on with another.
    private(set) var connection: Connection?
    /// When the last connection ended: nanoseconds since 1970; nil: there is one.
    var closedAt: Int64?
    var will: Will?
    /// When a will whose delay runs is published: nanoseconds since 1970.
    var willAt: Int64?
    var subscriptions = ExactTable<Subscription>()
    var channelRights: [ChannelID: ChannelRight] = [:]
    var receiver: PublishReceiver
    /// QoS 2 messages that the client published and has not released, as the store has them.
    var receptions: [UInt16: StoredReception] = [:]
    /// Those of them that were sent to the bus without an answer: it may have them, so they are not refused any more.
    var openReceptions: Set<UInt16> = []
    /// Messages of the client that the bus has not answered yet.
    var unsettled = 0
    var sender = PublishSender<Outgoing>()
    /// Sent, acknowledged by PUBREC, and not yet by PUBCOMP.
    var releasedOrders: [UInt16: UInt64] = [:]
    /// Not sent yet.
    var queue: Deque<Outgoing> = []
    var queuedBytes = 0
    var nextOrder: UInt64 = 1
    /// Entries of the queue or in flight that the store does not have.
    var unsaved: [UInt64: (entry: Outgoing, packetIdentifier: UInt16)] = [:]
    /// Whether messages wait in the store, behind those in memory.
    var isSpilled = false
    var isLoading = false
    /// The last entry that was put behind those in memory, into the store.
    private var spilledOrder: UInt64 = 0
    /// The last entry that was brought back from the store.
    var loadedOrder: UInt64 = 0
    /// In the store, in memory as well or not.
    var storedEntries = 0
    var storedBytes = 0

    init(
        number: SessionNumber, key: SessionKey, identity: ThingIdentity, broker: Broker, version: ProtocolVersion,
        expiry: SessionExpiry, receiver: PublishReceiver
    ) {
        self.number = number
        self.key = key
        self.identity = identity
        self.broker = broker
        self.version = version
        self.expiry = expiry
        self.receiver = receiver
    }

    /// Whether the client has yet to acknowledge what it was sent.
    var isOwed: Bool { sender.outstanding > 0 }

    var isConnected: Bool { connection != nil }
    /// Whether it outlives its connection, and so the process.
    var isPersistent: Bool { expiry.seconds > 0 }
    /// Whether the store has it: also one whose client has just said that it ends with its connection.
    var isKept = false

    func attach(_ connection: Connection) {
        self.connection = connection
        closedAt = nil
        willAt = nil
    }

    /// Its connection ended; what is in flight is sent again on the next.
    func detach(at now: Int64) {
        connection = nil
        closedAt = now
        sender.disconnected()
        receiver.disconnected()
        guard isPersistent else { return }
        // What waits goes to the store: nobody knows for how long.
        saveEntries()
        if !queue.isEmpty {
            isSpilled = true
            loadedOrder = queue.first.map { $0.order - 1 } ?? loadedOrder
            for outgoing in queue { storedOrders[outgoing.order] = nil }
            queue.removeAll()
            queuedBytes = 0
        }
    }

    // MARK: Messages for the client

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
        parked.append(Parked(message: message, isRetained: isRetained, share: share))
        channelRights[message.channel] = .asked(parked: parked, bytes: bytes)
        return true
    }

    private func enqueue(
        _ message: Message, by target: Target, _ qos: QualityOfService, _ retain: Bool, _ templates: inout Templates
    ) {
        guard connection != nil || isPersistent else { return }
        let outgoing = Outgoing(
            order: nextOrder, message: message, qos: qos, retain: retain, form: target.form)
        nextOrder += 1
        if isSpilled || connection == nil { return spill(outgoing) }
        if let connection, queue.isEmpty, sender.canSend, connection.canTake {
            let template = templates.template(message, target, connection.version, qos, retain, broker.now)
            return send(outgoing, template, on: connection)
        }
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

    /// Sends what waits, as far as the client and its socket take it.
    func pump() {
        guard let connection else { return }
        while connection.canTake, let resend = sender.nextResend() {
            switch resend {
            case .publish(let identifier, let qos, let outgoing):
                let template = PublishTemplate(
                    outgoing.message, topic: outgoing.topic, version: connection.version, qos: qos,
                    retain: outgoing.retain, subscriptionIdentifiers: outgoing.identifiers, now: broker.now)
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
                outgoing.message, topic: outgoing.topic, version: connection.version, qos: outgoing.qos,
                retain: outgoing.retain, subscriptionIdentifiers: outgoing.identifiers, now: broker.now)
            send(outgoing, template, on: connection)
        }
        if queue.isEmpty, isSpilled, !isLoading, sender.canSend { load() }
        connection.releaseHeld()
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

    private func send(_ outgoing: Outgoing, _ template: PublishTemplate, on connection: Connection) {
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

    // MARK: Acknowledgements of the client

    func acknowledged(_ identifier: UInt16) throws(Violation) {
        try settle(sender.acknowledged(identifier), identifier)
    }

    func received(_ identifier: UInt16, reason: ReasonCode) throws(Violation) {
        try settle(sender.received(identifier, reason: reason), identifier)
    }

    func completed(_ identifier: UInt16) throws(Violation) {
        let outcome = sender.completed(identifier)
        if case .finished = outcome, let order = releasedOrders.removeValue(forKey: identifier) {
            forget(order)
        }
        try settle(outcome, identifier)
    }

    private func settle(_ outcome: PublishSender<Outgoing>.Outcome, _ identifier: UInt16) throws(Violation) {
        switch outcome {
        case .finished(let outgoing):
            if let outgoing { forget(outgoing.order) }
            pump()
        case .release(let reason, let outgoing):
            guard isPersistent else {
                connection?.acknowledge(.pubRel, identifier, reason)
                return
            }
            if let outgoing {
                releasedOrders[identifier] = outgoing.order
                broker.save(.released(number, order: outgoing.order))
            }
            // It must never be sent again, whatever happens ([MQTT-4.3.3-6]), and all go out in one order ([MQTT-4.6.0-4]).
            broker.whenSaved { [weak connection] in connection?.acknowledge(.pubRel, identifier, reason) }
        case .ignored: break
        case .protocolError: throw .acknowledgesAnotherQoS
        }
    }

    // MARK: The store

    /// Entries that the store has and that wait in memory or are in flight: their orders, and what each is counted as.
    private(set) var storedOrders: [UInt64: Int] = [:]

    private func save(_ outgoing: Outgoing, packetIdentifier: UInt16, isInMemory: Bool = true) {
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

    private func note(unsaved outgoing: Outgoing, _ packetIdentifier: UInt16) {
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
    private func forget(_ order: UInt64) {
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

    private func load() {
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
        guard let message = try? Message(copying: entry.envelope, sequence: entry.sequence) else {
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

/// What was written of a message for one session serves the next that gets it in the same form.
struct Templates {
    private var last: PublishTemplate?
    private var key: (topic: [UInt8], version: ProtocolVersion, qos: QualityOfService, retain: Bool)?

    mutating func template(
        _ message: Message, _ target: Target, _ version: ProtocolVersion, _ qos: QualityOfService, _ retain: Bool,
        _ now: Int64
    ) -> PublishTemplate {
        let isShared = target.identifiers.isEmpty
        if isShared, let last, let key, key.version == version, key.qos == qos, key.retain == retain,
            key.topic == target.topic
        {
            return last
        }
        let template = PublishTemplate(
            message, topic: target.topic, version: version, qos: qos, retain: retain,
            subscriptionIdentifiers: target.identifiers, now: now)
        if isShared {
            last = template
            key = (target.topic, version, qos, retain)
        }
        return template
    }
}
