// SPDX-License-Identifier: Apache-2.0
import CPQ
import Core
import Synchronization

/// One connection, driven on a thread of its own; lent by ``PostgresPool/withConnection(_:)`` and good for that long.
///
/// Statements run in the order in which they were asked for. Cancelling the task that waits cancels the statement on the server.
public final class PostgresConnection: Sendable {
    private let thread = JobThread()
    private let confined: Confined
    private let abandonment = Abandonment()
    private let cancellation = Cancellation()

    /// The session, which only the connection's thread (or, between two jobs, the one holder of the connection) touches.
    private struct Confined: @unchecked Sendable {
        let session: PostgresSession
    }

    init(configuration: PostgresConfiguration) {
        confined = Confined(session: PostgresSession(configuration: configuration, abandonment: abandonment))
        thread.start()
    }

    deinit { thread.stop() }

    // MARK: Statements

    /// Runs one statement and returns its rows.
    @discardableResult
    public func execute(_ sql: SQL, prepared: Bool = true) async throws(PostgresError) -> PostgresResult {
        try await perform { session throws(PostgresError) in try session.execute(sql, prepared: prepared) }
    }

    /// Runs text from source code that may hold several statements and takes no parameters.
    public func executeScript(_ text: StaticString) async throws(PostgresError) {
        try await perform { session throws(PostgresError) in _ = try session.executeScript(text) }
    }

    /// Sends rows with COPY; see ``PostgresSession/copy(_:_:from:through:)``.
    @discardableResult
    public func copy(_ sql: SQL, _ buffer: CopyBuffer) async throws(PostgresError) -> Int {
        try await perform { session throws(PostgresError) in try session.copy(sql, buffer) }
    }

    /// Runs `body` on the connection's thread, where it may block: several statements cost one change of thread together.
    ///
    /// `body` must not keep the session.
    public func perform<Result: Sendable>(
        _ body: @escaping @Sendable (PostgresSession) throws(PostgresError) -> Result
    ) async throws(PostgresError) -> Result {
        guard !Task.isCancelled else { throw PostgresError(.cancelled, "the task was cancelled") }
        let job = cancellation.newJob()
        let outcome: Swift.Result<Result, PostgresError> = await withTaskCancellationHandler {
            await withUnsafeContinuation { continuation in
                let accepted = thread.submit { [self] in
                    continuation.resume(returning: run(job, body))
                }
                if !accepted {
                    continuation.resume(returning: .failure(PostgresError(.closed, "the connection is closed")))
                }
            }
        } onCancel: {
            cancel(job)
        }
        return try outcome.get()
    }

    private func run<Result: Sendable>(
        _ job: UInt64, _ body: (PostgresSession) throws(PostgresError) -> Result
    ) -> Swift.Result<Result, PostgresError> {
        cancellation.begin(job, handle: confined.session.handle)
        defer { cancellation.end() }
        do throws(PostgresError) {
            return .success(try body(confined.session))
        } catch {
            if error.sqlState == .queryCanceled, cancellation.wasRequested(job) {
                return .failure(PostgresError(.cancelled, "the task was cancelled"))
            }
            return .failure(error)
        }
    }

    // MARK: Cancellation

    /// libpq's cancel request opens a connection of its own and blocks, hence the extra thread.
    private func cancel(_ job: UInt64) {
        guard let request = cancellation.request(job) else { return }
        let abandonment = abandonment
        let cancellation = cancellation
        JobThread.detach {
            if !request.send() { abandonment.abandon() }
            cancellation.finishRequest()
        }
    }

    // MARK: For the pool

    /// Connects, for ever, on the connection's thread; `completion` is not called when the connection was closed before it succeeded.
    func connect(
        backOff: BackOff, failed: @escaping @Sendable (PostgresError) -> Void,
        completion: @escaping @Sendable (PostgresConnection) -> Void
    ) {
        _ = thread.submit { [weak self, thread] in
            var backOff = backOff
            while !thread.isStopped {
                guard let self else { return }
                do throws(PostgresError) {
                    try self.confined.session.connect()
                    completion(self)
                    return
                } catch {
                    failed(error)
                }
                guard thread.pause(for: backOff.next()) else { return }
            }
        }
    }

    enum Condition: Sendable { case clean, dirty, broken }

    /// Only between jobs, by the connection's one holder: whether the next one can have it as it is.
    var condition: Condition {
        guard confined.session.isConnected else { return .broken }
        return switch confined.session.transactionStatus {
        case .idle: .clean
        case .inTransaction, .inFailedTransaction: .dirty
        case .active, .unknown: .broken
        }
    }

    /// Only between jobs, by the connection's one holder: whether the server is still there.
    var isAlive: Bool { confined.session.isAlive }

    /// Lets the thread disconnect and end.
    func close() {
        _ = thread.submit { [confined] in confined.session.disconnect() }
        thread.stop()
    }
}
