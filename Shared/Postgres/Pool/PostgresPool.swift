// SPDX-License-Identifier: Apache-2.0
import Core
import Logging
import Synchronization

/// A bounded set of connections that are made when they are needed and replaced, for ever, when they break.
///
/// Each connection has a thread of its own, so nothing here blocks Swift's concurrency pool. A caller that finds no free connection waits, at
/// most ``PostgresConfiguration/acquireTimeout`` and in a queue of at most ``PostgresConfiguration/maximumWaiters`` (policy: refuse with
/// ``PostgresError/Kind/unavailable``, which is worth a retry).
///
///     let pool = PostgresPool(configuration: configuration, logger: logger)
///     let names = try await pool.withConnection { connection in
///         try await connection.execute("SELECT name FROM things WHERE domain = \(domain)")
///             .map { row throws(PostgresError) in try row.decode(String.self, at: 0) }
///     }
public final class PostgresPool: Sendable {
    public let configuration: PostgresConfiguration
    let logger: Logger
    private let state = Mutex(State())

    private struct Waiter {
        var identifier: UInt64
        var continuation: CheckedContinuation<Result<PostgresConnection, PostgresError>, Never>
    }

    private struct State {
        /// All of them, idle, lent and connecting.
        var connections: [ObjectIdentifier: PostgresConnection] = [:]
        /// The last one returned is lent first: its memory is warm, and the rest can go stale together.
        var idle: [PostgresConnection] = []
        var waiters: [Waiter] = []
        var nextWaiter: UInt64 = 0
        var connecting: Set<ObjectIdentifier> = []
        var isClosed = false
        var statistics = PostgresStatistics()
    }

    public init(configuration: PostgresConfiguration, logger: Logger = Logger(label: "postgres")) {
        self.configuration = configuration
        self.logger = logger
    }

    deinit { shutDown() }

    // MARK: Using connections

    /// Lends a connection to `body`.
    ///
    /// A transaction that `body` leaves open is rolled back; a connection that broke is replaced.
    /// - Throws: ``PostgresError/Kind/unavailable`` when none became free in time; what `body` throws.
    public func withConnection<Result>(
        on actor: isolated (any Actor)? = #isolation, _ body: (PostgresConnection) async throws -> Result
    ) async throws -> Result {
        let connection = try await acquire()
        do {
            let result = try await body(connection)
            await release(connection)
            return result
        } catch {
            await release(connection)
            throw error
        }
    }

    /// Lends a connection to `body` between BEGIN and COMMIT; rolls back when it throws.
    ///
    /// - Parameters:
    ///   - isolation: see ``PostgresIsolation``.
    ///   - maximumAttempts: above 1, `body` is run again after a serialization failure, a deadlock or a connection that failed before the commit;
    ///     it must then have no other effects than those in the database.
    /// - Throws: ``PostgresError/Kind/connectionLost`` when the connection broke during COMMIT and the outcome is unknown.
    public func withTransaction<Result>(
        _ isolation: PostgresIsolation = .readCommitted, readOnly: Bool = false, maximumAttempts: Int = 1,
        on actor: isolated (any Actor)? = #isolation, _ body: (PostgresConnection) async throws -> Result
    ) async throws -> Result {
        var attempt = 1
        while true {
            do {
                return try await withConnection { connection in
                    try await connection.perform { session throws(PostgresError) in
                        try session.begin(isolation, readOnly: readOnly)
                    }
                    let result = try await body(connection)
                    try await connection.perform { session throws(PostgresError) in try session.commit() }
                    return result
                }
            } catch let error as PostgresError
                where attempt < maximumAttempts && error.isRetriable && !error.isOutcomeUnknown
            {
                attempt += 1
            }
        }
    }

    /// One statement on whichever connection is free.
    @discardableResult
    public func execute(_ sql: SQL) async throws(PostgresError) -> PostgresResult {
        try await perform { session throws(PostgresError) in try session.execute(sql) }
    }

    /// Runs `body` on the thread of whichever connection is free; see ``PostgresConnection/perform(_:)``.
    public func perform<Result: Sendable>(
        _ body: @escaping @Sendable (PostgresSession) throws(PostgresError) -> Result
    ) async throws(PostgresError) -> Result {
        let connection = try await acquire()
        do throws(PostgresError) {
            let result = try await connection.perform(body)
            await release(connection)
            return result
        } catch {
            await release(connection)
            throw error
        }
    }

    // MARK: Life

    /// Asks the server every ``PostgresConfiguration/healthInterval`` whether it is there, until the task is cancelled; then closes the pool.
    ///
    /// Using the pool does not need it: it keeps ``isHealthy`` right when nobody else asks.
    public func run() async {
        while !Task.isCancelled {
            await checkHealth()
            try? await Task.sleep(for: configuration.healthInterval)
        }
        close()
    }

    /// One question to the server; the answer is in ``statistics``.
    @discardableResult
    public func checkHealth() async -> Bool {
        do {
            try await execute("SELECT 1")
            state.withLock { $0.statistics.isHealthy = true }
        } catch {
            // A pool whose connections are all busy says nothing about the server.
            let isOutage = error.kind != .unavailable || state.withLock { !$0.connecting.isEmpty }
            if isOutage { noteFailure(error) }
        }
        return isHealthy
    }

    /// Whether the last thing heard of the server was good.
    public var isHealthy: Bool { state.withLock { $0.statistics.isHealthy } }

    /// Counters and gauges since the start, for metrics and health.
    public var statistics: PostgresStatistics {
        state.withLock { state in
            var statistics = state.statistics
            statistics.connections = state.connections.count - state.connecting.count
            statistics.idle = state.idle.count
            statistics.waiting = state.waiters.count
            return statistics
        }
    }

    /// Refuses new callers and closes what is idle; connections that are lent are closed when they come back.
    public func close() { shutDown() }

    private func shutDown() {
        let (connections, waiters) = state.withLock { state in
            state.isClosed = true
            let unused = state.idle + state.connecting.compactMap { state.connections[$0] }
            state.idle.removeAll()
            state.connecting.removeAll()
            for connection in unused { state.connections[ObjectIdentifier(connection)] = nil }
            defer { state.waiters.removeAll() }
            return (unused, state.waiters)
        }
        for connection in connections { connection.close() }
        for waiter in waiters { waiter.continuation.resume(returning: .failure(Self.closed)) }
    }

    private static let closed = PostgresError(.closed, "the pool is closed")
}

// MARK: - Lending

extension PostgresPool {
    func acquire() async throws(PostgresError) -> PostgresConnection {
        while true {
            let connection = try await obtain()
            if connection.isAlive { return connection }
            // The server has closed it while nobody used it.
            reconnect(connection)
        }
    }

    private enum Step {
        case answer(Result<PostgresConnection, PostgresError>)
        /// Queued; a new connection is begun when there is one.
        case wait(PostgresConnection?)
    }

    private func obtain() async throws(PostgresError) -> PostgresConnection {
        let identifier = state.withLock { state in
            state.nextWaiter += 1
            return state.nextWaiter
        }
        if let connection = takeIdle() { return connection }
        // Unstructured because it must not be awaited: it ends with its sleep, which is cancelled as soon as there is a connection.
        let timer = Task { [weak self, timeout = configuration.acquireTimeout] in
            guard (try? await Task.sleep(for: timeout)) != nil else { return }
            self?.giveUp(identifier, PostgresError(.unavailable, "no connection became free within \(timeout)"))
        }
        defer { timer.cancel() }
        let outcome = await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                switch enqueue(Waiter(identifier: identifier, continuation: continuation)) {
                case .answer(let answer): continuation.resume(returning: answer)
                case .wait(let connection?): start(connection)
                case .wait(nil): break
                }
            }
        } onCancel: {
            giveUp(identifier, PostgresError(.cancelled, "the task was cancelled"))
        }
        return try outcome.get()
    }

    private func takeIdle() -> PostgresConnection? {
        state.withLock { state in
            guard !state.isClosed, let connection = state.idle.popLast() else { return nil }
            state.statistics.acquired += 1
            return connection
        }
    }

    private func enqueue(_ waiter: Waiter) -> Step {
        state.withLock { state in
            guard !state.isClosed else { return .answer(.failure(Self.closed)) }
            guard !Task.isCancelled else {
                return .answer(.failure(PostgresError(.cancelled, "the task was cancelled")))
            }
            if let connection = state.idle.popLast() {
                state.statistics.acquired += 1
                return .answer(.success(connection))
            }
            guard state.waiters.count < configuration.maximumWaiters else {
                state.statistics.refused += 1
                return .answer(
                    .failure(
                        PostgresError(.unavailable, "\(state.waiters.count) callers wait for a connection already")))
            }
            state.waiters.append(waiter)
            // One connection under way for each waiter is enough.
            guard state.connections.count < configuration.maximumConnections,
                state.connecting.count < state.waiters.count
            else { return .wait(nil) }
            let connection = PostgresConnection(configuration: configuration)
            state.connections[ObjectIdentifier(connection)] = connection
            state.connecting.insert(ObjectIdentifier(connection))
            return .wait(connection)
        }
    }

    private func giveUp(_ identifier: UInt64, _ error: PostgresError) {
        let waiter: Waiter? = state.withLock { state in
            guard let index = state.waiters.firstIndex(where: { $0.identifier == identifier }) else { return nil }
            if error.kind == .unavailable { state.statistics.timedOut += 1 }
            return state.waiters.remove(at: index)
        }
        guard let waiter else { return }
        let reason = state.withLock { $0.statistics.isHealthy ? nil : $0.statistics.lastFailure }
        var error = error
        if let reason { error.message += "; last failure: \(reason)" }
        waiter.continuation.resume(returning: .failure(error))
    }

    func release(_ connection: PostgresConnection) async {
        switch connection.condition {
        case .clean: put(connection)
        case .broken: reconnect(connection)
        case .dirty:
            // Unstructured so that the roll-back is not cancelled with the task that left the transaction open.
            let isClean = await Task {
                (try? await connection.perform { session throws(PostgresError) in try session.rollBack() }) != nil
            }.value
            if isClean { put(connection) } else { reconnect(connection) }
        }
    }

    /// Gives a good connection to whoever waits longest, or keeps it.
    private func put(_ connection: PostgresConnection) {
        let waiter: Waiter? = state.withLock { state in
            if state.isClosed {
                state.connections[ObjectIdentifier(connection)] = nil
                return nil
            }
            guard !state.waiters.isEmpty else {
                state.idle.append(connection)
                return nil
            }
            state.statistics.acquired += 1
            return state.waiters.removeFirst()
        }
        if let waiter {
            waiter.continuation.resume(returning: .success(connection))
        } else if state.withLock({ $0.isClosed }) {
            connection.close()
        }
    }
}

// MARK: - Connecting

extension PostgresPool {
    private func reconnect(_ connection: PostgresConnection) {
        let isClosed = state.withLock { state in
            if state.isClosed {
                state.connections[ObjectIdentifier(connection)] = nil
            } else {
                state.connecting.insert(ObjectIdentifier(connection))
                state.statistics.reconnects += 1
            }
            return state.isClosed
        }
        guard !isClosed else { return connection.close() }
        start(connection)
    }

    private func start(_ connection: PostgresConnection) {
        connection.connect(
            backOff: configuration.backOff,
            failed: { [weak self] error in self?.noteFailure(error) },
            completion: { [weak self] connection in
                guard let self else { return }
                let wasHealthy = state.withLock { state in
                    state.connecting.remove(ObjectIdentifier(connection))
                    defer { state.statistics.isHealthy = true }
                    return state.statistics.isHealthy || state.statistics.lastFailure == nil
                }
                if !wasHealthy { logger.info("PostgreSQL is back") }
                put(connection)
            })
    }

    private func noteFailure(_ error: PostgresError) {
        let isFirst = state.withLock { state in
            defer {
                state.statistics.isHealthy = false
                state.statistics.lastFailure = error.description
                state.statistics.failures += 1
            }
            return state.statistics.isHealthy || state.statistics.lastFailure == nil
        }
        if isFirst {
            logger.warning("PostgreSQL is away; trying again for ever", metadata: ["error": "\(error)"])
        }
    }
}
