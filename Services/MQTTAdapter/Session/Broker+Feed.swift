// SPDX-License-Identifier: Apache-2.0
import Bus
import Core
import Logging
import Messaging
import NIOCore
import Observability

/// The stream of messages, as the feed hands it over.
extension Broker {
    /// Handing out what the stream brings.
    struct DeliveryState {
        /// A client that got something and is behind.
        weak var behind: Connection?
        /// After a wait in vain nobody is waited for until then.
        var impatientUntil = NIODeadline.uptimeNanoseconds(0)
        /// Publishers that wait until what was acknowledged is handed out.
        var waiting: [Connection] = []
        /// Of the batch that is being handed out.
        var last: Last?

        struct Last {
            let subject: String
            let route: Route
            var view: RawMessageView?
        }
    }

    enum FeedState: Equatable {
        case idle
        case running(StreamPosition)
    }

    /// The stream serves everybody: of its time, no more than one part in so many is spent on clients that do not catch up.
    private static let pauseFactor = 20

    /// How often the position is saved while messages come.
    private static let positionInterval: TimeAmount = .milliseconds(50)

    var wantsFeed: Bool { subscriptionCount > 0 || !waitingForFeed.isEmpty }

    /// Whether the stream is followed, so that nothing published from now on is missed; if not yet, the connection's packet waits.
    func feedRuns(for connection: Connection) -> Bool {
        if case .running = feedState { return true }
        waitingForFeed.append(connection)
        feed.wake()
        return false
    }

    func feedBegan(at position: StreamPosition) {
        feedState = .running(position)
        let waiting = waitingForFeed
        waitingForFeed = []
        for connection in waiting { connection.resume() }
    }

    /// The bus gives numbers again: it has another stream of that name than before, or one that was cut back.
    func streamBeganAnew(at position: StreamPosition) {
        feedState = .running(position)
        lastAcknowledged = 0
        knownSequence = position.sequence
        for session in sessions.all {
            for subscription in session.subscriptions.values { subscription.from = 0 }
        }
        generation += 1
        schedulePosition()
        releaseUndelivered()
    }

    func feedEnded() {
        feedState = .idle
        releaseUndelivered()
        if wantsFeed { feed.wake() }
    }

    /// Hands out what is new. The future is done when more may come: the store has kept up, and so have clients that are waited for (``Pressure``).
    func deliver(_ batch: [StreamMessage], through position: StreamPosition) -> EventLoopFuture<Void> {
        let promise = eventLoop.makePromise(of: Void.self)
        deliver(batch[...], through: position, promise)
        return promise.futureResult
    }

    private func deliver(
        _ batch: ArraySlice<StreamMessage>, through position: StreamPosition, _ done: EventLoopPromise<Void>
    ) {
        var rest = batch
        delivery.behind = nil
        while delivery.behind == nil, let message = rest.popFirst() { deliver(message) }
        // It holds the batch.
        delivery.last = nil
        if let next = rest.first {
            feedState = .running(StreamPosition(stream: position.stream, sequence: next.sequence - 1))
        } else {
            feedState = .running(position)
            knownSequence = max(knownSequence, position.sequence)
        }
        schedulePosition()
        releaseUndelivered()
        flushSoon()
        let goOn = { [self] in
            keptUp().assumeIsolated().whenComplete { [self] _ in
                deliverRest(rest, through: position, done)
            }
        }
        guard let behind = delivery.behind else { return goOn() }
        let began = NIODeadline.now()
        behind.hold { [self] in
            let waited = NIODeadline.now() - began
            if waited >= limits.patience { delivery.impatientUntil = .now() + waited * Self.pauseFactor }
            goOn()
        }
    }

    private func deliverRest(
        _ rest: ArraySlice<StreamMessage>, through position: StreamPosition, _ done: EventLoopPromise<Void>
    ) {
        guard !rest.isEmpty else { return done.succeed(()) }
        // Not at once: the store's answer may come from the middle of other work.
        let bound = NIOLoopBound(self, eventLoop: eventLoop)
        eventLoop.execute { bound.value.deliver(rest, through: position, done) }
    }

    /// A client has got something from the stream: the rest waits if it is behind.
    func noteBacklog(of connection: Connection) {
        connection.flushIfLarge()
        guard delivery.behind == nil, connection.isPressed, NIODeadline.now() >= delivery.impatientUntil else { return }
        delivery.behind = connection
    }

    /// Whether what was acknowledged to publishers on this route has been handed out, but for a bounded rest; if not, the connection's packet waits.
    func deliveryKeepsUp(for connection: Connection, _ route: Route) -> Bool {
        guard !route.isEmpty, undelivered > limits.maximumUndelivered, connection.session?.isOwed != true else {
            return true
        }
        delivery.waiting.append(connection)
        return false
    }

    private var undelivered: UInt64 {
        guard case .running(let position) = feedState, lastAcknowledged > position.sequence else { return 0 }
        return lastAcknowledged - position.sequence
    }

    private func releaseUndelivered() {
        guard !delivery.waiting.isEmpty, undelivered <= limits.maximumUndelivered / 2 else { return }
        let waiting = delivery.waiting
        delivery.waiting = []
        for connection in waiting { connection.resume() }
    }

    private func deliver(_ stored: StreamMessage) {
        guard let route = route(of: stored) else { return metrics.dropped("unreadable") }
        refresh(route)
        guard !route.isEmpty else { return }
        guard let view = view(of: stored) else { return metrics.dropped("unreadable") }
        let message = Message(view, sequence: stored.sequence, isShared: true)
        // It may have lain there for long ([MQTT-3.3.2-5]).
        if message.expirySeconds != nil, message.isExpired(at: now) { return metrics.dropped("expired") }
        deliver(message, route.targets, route.groups)
    }

    private func view(of stored: StreamMessage) -> RawMessageView? {
        guard let view = try? RawMessageView(decoding: stored.payload, after: delivery.last?.view) else { return nil }
        delivery.last?.view = view
        return view
    }

    private func route(of stored: StreamMessage) -> Route? {
        // Messages come in runs, and those of a run share their subject's String.
        if let last = delivery.last, last.subject == stored.subject { return last.route }
        var subject = stored.subject
        let found = subject.withUTF8 { bytes -> Route? in
            let bytes = UnsafeRawBufferPointer(bytes)
            if let route = routes.find(bytes, generation: 0) { return route }
            guard let view = try? RawMessageView(decoding: stored.payload) else { return nil }
            let route = Route(channel: view.channel, domain: view.domain, subtopic: view.subtopic)
            routes.insert(route, for: bytes, generation: 0)
            return route
        }
        delivery.last = found.map { DeliveryState.Last(subject: stored.subject, route: $0) }
        return found
    }

    /// Messages that the stream no longer has, or never had: sequence numbers that a crash skipped are none.
    func missed(_ count: UInt64, through position: UInt64) {
        metrics.gaps.increment()
        logger.warning("messages are missing in the stream", metadata: ["count": "\(count)", "through": "\(position)"])
    }

    private func schedulePosition() {
        guard !isPositionScheduled, keptSessions > 0 else { return }
        isPositionScheduled = true
        let bound = NIOLoopBound(self, eventLoop: eventLoop)
        eventLoop.scheduleTask(in: Self.positionInterval) {
            bound.value.isPositionScheduled = false
            bound.value.savePosition()
        }
    }

    /// Together with what has been handed to sessions and not acknowledged by clients: nothing in between can be lost.
    func savePosition() {
        for session in unsavedSessions.values { session.saveEntries() }
        unsavedSessions.removeAll(keepingCapacity: true)
        if case .running(let position) = feedState { save(.position(position)) }
        hasEntriesBeyondPosition = false
    }
}
