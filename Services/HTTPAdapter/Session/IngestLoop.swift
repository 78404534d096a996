// SPDX-License-Identifier: Apache-2.0
import AdapterKit
import Bus
import Core
import Messaging
import NIOCore
import Observability

/// Everything that the connections of one event loop share: its own bus connection, composed bytes, counters, the sweep for deadlines. Used on that
/// loop only, so nothing of it is locked.
final class IngestLoop {
    let eventLoop: any EventLoop
    let limits: ConnectionLimits
    let clock: WallClock
    let authenticator: ThingAuthenticator
    let policy: IngestPolicy
    let bus: any Bus
    let documents: ServiceDocuments
    let authorizer: LiveAuthorizer
    let live: LiveLoop
    var composer: ResponseComposer
    var metrics: IngestMetrics
    var payloadCheck = PayloadCheck()
    private(set) var isDraining = false
    /// Bodies that are held, in bytes.
    var heldBytes = 0
    private(set) var publishesInFlight = 0
    /// Of ``publishesInFlight``, what the gauge has been told.
    private var publishesReported = 0
    /// Where answers are composed; kept, so that its memory is used again.
    var scratch = ByteBuffer()
    /// This loop's share of ``ConnectionLimits/maximumConnections``.
    private let maximumConnections: Int
    private var connections: [ObjectIdentifier: any ServedConnection] = [:]
    private var dirty: [ConnectionHandler] = []
    private var sweep: RepeatedTask?
    private var drained: EventLoopPromise<Void>?

    init(
        eventLoop: any EventLoop, share: Int, limits: ConnectionLimits, clock: WallClock,
        authenticator: ThingAuthenticator, policy: IngestPolicy, bus: any Bus, documents: ServiceDocuments,
        authorizer: LiveAuthorizer, live: LiveLoop, metrics: MetricsRegistry
    ) {
        self.eventLoop = eventLoop
        self.limits = limits
        self.clock = clock
        self.authenticator = authenticator
        self.policy = policy
        self.bus = bus
        self.documents = documents
        self.authorizer = authorizer
        self.live = live
        composer = ResponseComposer(clock: clock)
        self.metrics = IngestMetrics(registry: metrics)
        maximumConnections = max(1, limits.maximumConnections / max(1, share))
    }

    func start() {
        let bound = NIOLoopBound(self, eventLoop: eventLoop)
        sweep = eventLoop.scheduleRepeatedTask(initialDelay: limits.sweepInterval, delay: limits.sweepInterval) { _ in
            bound.value.checkDeadlines()
        }
    }

    // MARK: Connections

    /// - Returns: false when there are as many as there may be.
    func add(_ connection: any ServedConnection) -> Bool {
        guard connections.count < maximumConnections, !isDraining else { return false }
        connections[ObjectIdentifier(connection)] = connection
        metrics.connections.increment()
        return true
    }

    func remove(_ connection: any ServedConnection) {
        guard connections.removeValue(forKey: ObjectIdentifier(connection)) != nil else { return }
        metrics.connections.decrement()
        finishDrainingIfDone()
    }

    /// The same connection goes on as another protocol's.
    func replace(_ former: any ServedConnection, by connection: any ServedConnection) {
        guard connections.removeValue(forKey: ObjectIdentifier(former)) != nil else { return }
        connections[ObjectIdentifier(connection)] = connection
        if isDraining { connection.drain() }
    }

    /// One acknowledgement of the bus often answers requests of many connections: their answers are written together, one write a connection, behind the
    /// read that brought them.
    func writeSoon(_ connection: ConnectionHandler) {
        dirty.append(connection)
        guard dirty.count == 1 else { return }
        let bound = NIOLoopBound(self, eventLoop: eventLoop)
        eventLoop.execute { bound.value.writeDirty() }
    }

    private func writeDirty() {
        let connections = dirty
        dirty.removeAll(keepingCapacity: true)
        for connection in connections { connection.writeAnswers() }
    }

    private func checkDeadlines() {
        // The gauge is one for all event loops: told of the difference, and not for every message.
        metrics.inFlight.increment(by: Double(publishesInFlight - publishesReported))
        publishesReported = publishesInFlight
        live.reportQueued()
        let now = NIODeadline.now()
        // Closing removes from the table: walk over a copy.
        for connection in Array(connections.values) { connection.checkDeadlines(now: now) }
    }

    // MARK: Publishing

    var mayPublish: Bool { publishesInFlight < limits.maximumPublishesInFlight }

    /// Hands the message to the bus; `completion` is called on this event loop, once.
    func publish(
        _ message: RawMessage, headers: BusHeaders,
        completion: @escaping (Result<PublishReceipt, BusError>) -> Void
    ) {
        publishesInFlight += 1
        let bound = NIOLoopBound((self, completion), eventLoop: eventLoop)
        let eventLoop = eventLoop
        bus.publishDurably(message, headers: headers) { result in
            let finish: @Sendable () -> Void = {
                let (loop, completion) = bound.value
                loop.published()
                completion(result)
            }
            if eventLoop.inEventLoop { finish() } else { eventLoop.execute(finish) }
        }
    }

    private func published() {
        publishesInFlight -= 1
    }

    // MARK: The end

    /// Closes what is idle, lets what is under way be answered, and cuts what is left at the drain's deadline.
    func drain() -> EventLoopFuture<Void> {
        if let drained { return drained.futureResult }
        isDraining = true
        let promise = eventLoop.makePromise(of: Void.self)
        drained = promise
        for connection in Array(connections.values) { connection.drain() }
        finishDrainingIfDone()
        let bound = NIOLoopBound(self, eventLoop: eventLoop)
        eventLoop.scheduleTask(in: limits.drainTimeout) { bound.value.cutOff() }
        return promise.futureResult
    }

    private func cutOff() {
        for connection in Array(connections.values) { connection.close() }
        finishDrainingIfDone()
    }

    private func finishDrainingIfDone() {
        guard isDraining, connections.isEmpty, let drained else { return }
        sweep?.cancel()
        sweep = nil
        drained.succeed(())
    }
}
