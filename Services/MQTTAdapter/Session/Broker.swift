// SPDX-License-Identifier: Apache-2.0
import AdapterKit
import Bus
import Core
import DequeModule
import Logging
import Messaging
import NIOCore
import Observability

/// Everything that the connections share: sessions, subscriptions, routes, retained messages, the way to the bus and to the store.
///
/// One event loop serves all of it, so nothing is locked and a message of QoS 0 goes from publisher to subscribers in one round of the loop. A machine with
/// many cores runs several adapters: they meet on the bus.
final class Broker {
    let eventLoop: any EventLoop
    let limits: BrokerLimits
    let clock: WallClock
    let authenticator: ThingAuthenticator
    let policy: IngestPolicy
    let bus: any Bus
    let store: any SessionStore
    let feed: MessageFeed
    let logger: Logger
    var metrics: BrokerMetrics
    /// This process, in the envelopes of messages that it has delivered itself.
    let instance = UInt64.random(in: 1 ... .max)

    // Sessions
    var sessions: [SessionKey: Session] = [:]
    private var connections: [ObjectIdentifier: Connection] = [:]
    var isDraining = false
    private var drained: EventLoopPromise<Void>?
    var authenticating = 0
    var awaitingAuthentication: Deque<(Connection, Connect, Credential)> = []
    var rightsAsked = 0
    var rightQuestions: Deque<RightQuestion> = []

    // Routing
    var trie = TopicTrie<Subscription>()
    /// Of everything that routes are worked out from.
    var generation: UInt64 = 1
    var routes = RouteCache<Route>(capacity: 65_536)
    var topics = RouteCache<PublishTopic>(capacity: 65_536)
    var subscriptionCount = 0
    var retained = RetainedMessages()

    // The bus
    var publishesInFlight = 0
    private var payloadCheck = PayloadCheck()
    private var waitingForBus: [Connection] = []
    /// The greatest number of a message that was published here and is on disk.
    var lastAcknowledged: UInt64 = 0
    /// Where the stream stood at least, as far as this process knows.
    var knownSequence: UInt64 = 0
    /// Whether a message is being handed to the bus now: an answer that comes meanwhile is a refusal before anything was sent.
    private(set) var isHandingOver = false
    /// Receptions of which an earlier process did not learn whether the bus has them, by message identifier; looked for in the stream.
    var doubts: [String: (session: Session, packetIdentifier: UInt16)] = [:]
    var waitingForDoubts: [Connection] = []
    var feedState = FeedState.idle
    var waitingForFeed: [Connection] = []

    // The store
    /// Sessions with entries that the store does not have.
    var unsavedSessions: [SessionNumber: Session] = [:]
    var isPositionScheduled = false
    /// Sessions that the store has.
    var keptSessions = 0
    /// What waits in the store for all of them.
    var storedBytes = 0
    /// Whether the last commit failed, or does not come to an end.
    var isStoreFailing = false
    /// Clients whose CONNECT waits for the store, and whether there was a session.
    var opening: [ObjectIdentifier: (connection: Connection, isPresent: Bool)] = [:]
    var retainedExpireAt: Int64 = 0
    /// Whether entries were saved behind the position that was saved last.
    var hasEntriesBeyondPosition = false
    var changes: [StoreChange] = []
    /// Memory of what waits, and of what is being committed.
    var changeBytes = 0
    var committingBytes = 0
    var committingSince = NIODeadline.now()
    /// How far the stream was followed, for the next commit.
    var followed: FollowedPosition?
    /// The feed waits for the store.
    var feedHeld: EventLoopPromise<Void>?
    var afterCommit: [() -> Void] = []
    var isCommitting = false
    var isCommitScheduled = false

    // Writing
    private var dirty: [Connection] = []
    private var isFlushScheduled = false
    private var sweep: RepeatedTask?

    init(
        eventLoop: any EventLoop, limits: BrokerLimits, clock: WallClock, authenticator: ThingAuthenticator,
        policy: IngestPolicy, bus: any Bus, store: any SessionStore, feed: MessageFeed, metrics: BrokerMetrics,
        logger: Logger
    ) {
        self.eventLoop = eventLoop
        self.limits = limits
        self.clock = clock
        self.authenticator = authenticator
        self.policy = policy
        self.bus = bus
        self.store = store
        self.feed = feed
        self.metrics = metrics
        self.logger = logger
    }

    /// Nanoseconds since 1970.
    var now: Int64 { clock.now() }

    func start() {
        let bound = NIOLoopBound(self, eventLoop: eventLoop)
        sweep = eventLoop.scheduleRepeatedTask(initialDelay: limits.sweepInterval, delay: limits.sweepInterval) { _ in
            bound.value.checkDeadlines()
        }
    }

    // MARK: Connections

    /// - Returns: false when there are as many as there may be.
    func add(_ connection: Connection) -> Bool {
        guard connections[ObjectIdentifier(connection)] == nil else { return true }
        guard connections.count < limits.maximumConnections, !isDraining else { return false }
        connections[ObjectIdentifier(connection)] = connection
        metrics.connections.increment()
        return true
    }

    func remove(_ connection: Connection) {
        guard connections.removeValue(forKey: ObjectIdentifier(connection)) != nil else { return }
        metrics.connections.decrement()
        opening[ObjectIdentifier(connection)] = nil
        finishDrainingIfDone()
    }

    private func checkDeadlines() {
        let now = NIODeadline.now()
        // Closing removes from the table: walk over a copy.
        for connection in Array(connections.values) { connection.checkDeadlines(now) }
        checkStore(now)
        expireSessions()
        flushSoon()
    }

    // MARK: Publishing

    var mayPublish: Bool { publishesInFlight < limits.maximumPublishesInFlight }

    /// QoS 0: at once, to whoever listens and into the stream.
    func publish(_ message: RawMessage) throws(BusError) {
        try bus.publishNow(
            headers: BusHeaders(),
            writeSubject: { Subjects.writeMessages(channel: message.channel, subtopic: message.subtopic, into: &$0) },
            writePayload: { message.encode(into: &$0) })
    }

    /// Hands the message to the bus; `completion` is called on this event loop, once.
    func publish(
        _ message: RawMessage, headers: BusHeaders,
        completion: @escaping (Result<PublishReceipt, BusError>) -> Void
    ) {
        publishesInFlight += 1
        let bound = NIOLoopBound((self, completion), eventLoop: eventLoop)
        let eventLoop = eventLoop
        let isNested = isHandingOver
        isHandingOver = true
        defer { isHandingOver = isNested }
        bus.publishDurably(
            headers: headers,
            writeSubject: { Subjects.writeMessages(channel: message.channel, subtopic: message.subtopic, into: &$0) },
            writePayload: { message.encode(into: &$0) },
            completion: { result in
                let finish: @Sendable () -> Void = {
                    let (broker, completion) = bound.value
                    broker.publishesInFlight -= 1
                    completion(result)
                    broker.flushSoon()
                }
                if eventLoop.inEventLoop { finish() } else { eventLoop.execute(finish) }
            })
    }

    func acknowledged(_ receipt: PublishReceipt) {
        lastAcknowledged = max(lastAcknowledged, receipt.sequence)
        knownSequence = max(knownSequence, receipt.sequence)
        if receipt.isDuplicate { metrics.duplicates.increment() }
    }

    /// Takes a connection's packets again when the bus takes messages again.
    func waitForBus(_ connection: Connection) {
        waitingForBus.append(connection)
        guard waitingForBus.count == 1 else { return }
        let bound = NIOLoopBound(self, eventLoop: eventLoop)
        eventLoop.scheduleTask(in: .milliseconds(1)) {
            let broker = bound.value
            let waiting = broker.waitingForBus
            broker.waitingForBus.removeAll()
            for connection in waiting { connection.resume() }
        }
    }

    func check(_ message: RawMessage) throws(ServiceError) {
        try payloadCheck.check(message.payload, as: message.contentType, receivedAt: message.created)
    }

    /// What a payload without a content type is: SenML or JSON if it is, else bytes.
    func guess(_ payload: ByteBuffer) -> ContentType {
        let first = payload.getInteger(at: payload.readerIndex, as: UInt8.self)
        guard first == UInt8(ascii: "[") || first == UInt8(ascii: "{") else { return .octetStream }
        if first == UInt8(ascii: "["), (try? payloadCheck.check(payload, as: .senmlJSON, receivedAt: now)) != nil {
            return .senmlJSON
        }
        return (try? payloadCheck.check(payload, as: .json, receivedAt: now)) != nil ? .json : .octetStream
    }

    // MARK: Writing

    func markDirty(_ connection: Connection) {
        dirty.append(connection)
        flushSoon()
    }

    /// At the end of this round of the event loop: what many reads and answers made is one write for each connection.
    func flushSoon() {
        guard !isFlushScheduled, !dirty.isEmpty else { return }
        isFlushScheduled = true
        let bound = NIOLoopBound(self, eventLoop: eventLoop)
        eventLoop.execute {
            let broker = bound.value
            broker.isFlushScheduled = false
            let dirty = broker.dirty
            broker.dirty.removeAll(keepingCapacity: dirty.count <= 4_096)
            for connection in dirty { connection.flush() }
        }
    }

    // MARK: The end

    /// Tells every client, keeps what must be kept, and is done when all connections are closed.
    func drain() -> EventLoopFuture<Void> {
        if let drained { return drained.futureResult }
        isDraining = true
        let promise = eventLoop.makePromise(of: Void.self)
        drained = promise
        for connection in Array(connections.values) {
            connection.end(.serverShuttingDown, "the server is shutting down")
        }
        releaseFeed()
        commit()
        finishDrainingIfDone()
        return promise.futureResult
    }

    func finishDrainingIfDone() {
        guard isDraining, connections.isEmpty, !isCommitting, changes.isEmpty, followed == nil, let drained else {
            return
        }
        sweep?.cancel()
        sweep = nil
        drained.succeed(())
    }
}
