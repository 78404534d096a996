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
    let operators: OperatorSettings
    let clock: WallClock
    let authenticator: ThingAuthenticator
    let policy: IngestPolicy
    let bus: any Bus
    let store: any SessionStore
    let feed: MessageFeed
    let logger: Logger
    let metrics: BrokerMetrics
    /// This process, as the origin of messages that it has delivered itself.
    let instance: UInt64

    // Sessions
    var sessions = SessionTable()
    private(set) var connections = ConnectionTable()
    var isDraining = false
    private var drained: EventLoopPromise<Void>?
    var authenticating = 0
    var awaitingAuthentication: Deque<(Connection, Connect, ClientProof)> = []
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
    private var batch = PublishBatch()
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
    var delivery = DeliveryState()

    // The store
    /// Sessions with entries that the store does not have.
    var unsavedSessions: [SessionNumber: Session] = [:]
    var isPositionScheduled = false
    /// Sessions that the store has.
    var keptSessions = 0
    /// What waits in the store for all of them.
    var storedBytes = 0
    var storedEntries = 0
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
    var followed: StreamPosition?
    /// The feed waits for the store.
    var feedHeld: EventLoopPromise<Void>?
    var afterCommit: [() -> Void] = []
    var isCommitting = false
    var isCommitScheduled = false

    // Operators
    var system = SystemTopics()
    let startedAt: Int64
    /// Of connections that are gone.
    private(set) var closedBytes = (received: 0, sent: 0)
    private var systemTask: RepeatedTask?

    // Writing
    private var dirty: [Connection] = []
    private var isFlushScheduled = false
    private var sweep: RepeatedTask?

    init(
        eventLoop: any EventLoop, limits: BrokerLimits, operators: OperatorSettings, clock: WallClock,
        authenticator: ThingAuthenticator, policy: IngestPolicy, bus: any Bus, instance: UInt64,
        store: any SessionStore, feed: MessageFeed, metrics: BrokerMetrics, logger: Logger
    ) {
        self.instance = instance
        self.eventLoop = eventLoop
        self.limits = limits
        self.operators = operators
        startedAt = clock.now()
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
        systemTask = startSystemTopics()
    }

    // MARK: Connections

    /// Connections beyond the limit that are let speak, to be told of another server.
    private static let surplusConnections = 1_000

    /// Whether there are more than there may be.
    var isOverfull: Bool { connections.count > limits.maximumConnections }

    /// - Returns: false when there are as many as there may be.
    func add(_ connection: Connection) -> Bool {
        guard !connections.contains(connection) else { return true }
        let surplus = operators.serverReference == nil ? 0 : Self.surplusConnections
        guard connections.count < limits.maximumConnections + surplus, !isDraining else { return false }
        connection.isSurplus = connections.count >= limits.maximumConnections
        connections.insert(connection)
        metrics.connections.increment()
        return true
    }

    func remove(_ connection: Connection) {
        guard connections.remove(connection) else { return }
        closedBytes.received += connection.receivedBytes
        closedBytes.sent += connection.sentBytes
        metrics.connections.decrement()
        opening[ObjectIdentifier(connection)] = nil
        finishDrainingIfDone()
    }

    private func checkDeadlines() {
        let now = NIODeadline.now()
        // Closing removes from the table: these are those that are there now.
        check(connections.all[...], max(256, connections.count / 128), now)
        checkStore(now)
        expireSessions()
        flushSoon()
    }

    /// A part at a time, with the sockets looked after in between: messages do not wait until all are through.
    private func check(_ connections: ArraySlice<Connection>, _ part: Int, _ now: NIODeadline) {
        for connection in connections.prefix(part) { connection.checkDeadlines(now) }
        flushSoon()
        let rest = connections.dropFirst(part)
        guard !rest.isEmpty else { return }
        let bound = NIOLoopBound((self, rest), eventLoop: eventLoop)
        // What is executed at once would come before the sockets.
        eventLoop.scheduleTask(in: .milliseconds(1)) {
            let (broker, rest) = bound.value
            broker.check(rest, part, now)
        }
    }

    // MARK: Publishing

    /// Whether another message of QoS 1 or 2 may go to the bus now. Without a connection to it: it may, and is refused.
    var mayPublish: Bool {
        guard publishesInFlight < limits.maximumPublishesInFlight else { return false }
        do throws(BusError) {
            try bus.checkPublishNow()
        } catch {
            return error != .overloaded
        }
        return true
    }

    /// QoS 0: into the stream with what else this read brings; the caller has seen that the bus takes something (``Bus/Bus/checkPublishNow()``).
    func publishSoon(_ subject: BusSubject, _ writePayload: (inout ByteBuffer) -> Void) {
        batch.append(subject, origin: instance, writePayload: writePayload)
        if batch.bytes >= Self.batchBytes { publishBatch() }
    }

    /// Hands over what was gathered; every read ends with it, so that it is before whatever the next one brings.
    func publishBatch() {
        guard !batch.isEmpty else { return }
        do throws(BusError) {
            try bus.publishNow(&batch)
        } catch {
            metrics.refused(ServiceError(publishing: error).reason, batch.count)
            batch.removeAll()
        }
    }

    private static let batchBytes = 128 << 10

    /// Hands the message to the bus; `completion` is called once, on any thread. It counts ``publishesInFlight`` down.
    func publish(
        _ message: RawMessage, headers: BusHeaders,
        completion: @escaping @Sendable (Result<PublishReceipt, BusError>) -> Void
    ) {
        publishBatch()
        publishesInFlight += 1
        let isNested = isHandingOver
        isHandingOver = true
        defer { isHandingOver = isNested }
        bus.publishDurably(message, headers: headers, completion: completion)
    }

    /// As ``publish(_:headers:completion:)``.
    func publish(
        _ form: StreamForm, _ payload: UnsafeRawBufferPointer, created: Int64,
        completion: @escaping @Sendable (Result<PublishReceipt, BusError>) -> Void
    ) {
        publishBatch()
        publishesInFlight += 1
        bus.publishDurably(
            form.subject, writePayload: { form.template.encode(payload, created: created, into: &$0) },
            completion: completion)
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

    /// Checks what a payload is said to be: SenML or JSON.
    /// - Throws: `malformed`.
    func check(
        _ payload: UnsafeRawBufferPointer, as contentType: ContentType, receivedAt: Int64
    ) throws(ServiceError) {
        try payloadCheck.check(payload, as: contentType, receivedAt: receivedAt)
    }

    func guess(_ payload: UnsafeRawBufferPointer, receivedAt: Int64) -> ContentType {
        payloadCheck.guess(payload, receivedAt: receivedAt)
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
        for connection in connections.all {
            connection.drain()
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
        systemTask?.cancel()
        systemTask = nil
        drained.succeed(())
    }
}
