// SPDX-License-Identifier: Apache-2.0
import CPQ
import Core
import NIOCore

#if canImport(Glibc)
    @preconcurrency import Glibc
#else
    import Darwin
#endif

/// One libpq connection, synchronously: each call blocks its thread until the server has answered.
///
/// Lives on the thread of its ``PostgresConnection``; ``PostgresConnection/perform(_:)`` lends it for a run of statements without a thread
/// change between them. Never keep it beyond that call.
public final class PostgresSession {
    private let configuration: PostgresConfiguration
    private(set) var handle: OpaquePointer?
    /// Set from another thread when the server does not react to a cancellation.
    private let abandonment: Abandonment
    private var statements: StatementCache

    init(configuration: PostgresConfiguration, abandonment: Abandonment) {
        self.configuration = configuration
        self.abandonment = abandonment
        statements = StatementCache(capacity: configuration.maximumPreparedStatements)
    }

    deinit { disconnect() }

    /// Where the connection stands between BEGIN and COMMIT.
    public enum TransactionStatus: Sendable {
        case idle, active, inTransaction, inFailedTransaction, unknown
    }

    public var transactionStatus: TransactionStatus {
        guard let handle else { return .unknown }
        return switch PQtransactionStatus(handle) {
        case PQTRANS_IDLE: .idle
        case PQTRANS_ACTIVE: .active
        case PQTRANS_INTRANS: .inTransaction
        case PQTRANS_INERROR: .inFailedTransaction
        default: .unknown
        }
    }

    var isConnected: Bool { handle.map { PQstatus($0) == CONNECTION_OK } ?? false }

    // MARK: Statements

    /// Runs one statement.
    /// - Parameter prepared: false for statements that are not worth a place in the cache (DDL, one-off text).
    @discardableResult
    public func execute(_ sql: SQL, prepared: Bool = true) throws(PostgresError) -> PostgresResult {
        if let failure = sql.parameters.failure { throw failure }
        guard prepared else { return try send(sql, statement: nil) }
        let key = StatementCache.Key(text: sql.text, types: sql.parameters.types)
        do throws(PostgresError) {
            return try send(sql, statement: try prepare(key))
        } catch {
            // The table changed under the plan, or someone deallocated it: forget it, and try again where nothing is lost by it.
            guard error.sqlState == .featureNotSupported || error.sqlState == .invalidStatementName else { throw error }
            try forget(key)
            guard transactionStatus == .idle else { throw error }
            return try send(sql, statement: try prepare(key))
        }
    }

    /// Runs text from source code that may hold several statements and takes no parameters; the last result is returned.
    @discardableResult
    public func executeScript(_ text: StaticString) throws(PostgresError) -> PostgresResult {
        let sent = text.withUTF8Buffer { _ in
            text.utf8Start.withMemoryRebound(to: CChar.self, capacity: text.utf8CodeUnitCount) { start in
                // A static string ends with a zero byte.
                handle.map { PQsendQuery($0, start) } ?? 0
            }
        }
        guard sent == 1 else { throw connectionError(.connectionFailed) }
        return try result()
    }

    private func send(_ sql: SQL, statement: String?) throws(PostgresError) -> PostgresResult {
        guard let handle else { throw connectionError(.connectionFailed) }
        let slots = sql.parameters.slots
        let formats = [Int32](repeating: 1, count: slots.count)
        let lengths = slots.map { Int32(clamping: max($0.length, 0)) }
        guard slots.count <= 65_535, sql.parameters.bytes.readableBytes <= 1 << 30 else {
            throw PostgresError(.invalidValue, "more than 65,535 parameters or 1 GiB of them")
        }
        let sent = sql.parameters.bytes.withUnsafeReadableBytes { bytes in
            // A parameter of length 0 needs some address that is not NULL.
            let base = bytes.baseAddress ?? UnsafeRawPointer(bitPattern: 1)
            let values = slots.map { slot in
                slot.length < 0 ? nil : base.map { ($0 + slot.offset).assumingMemoryBound(to: CChar.self) }
            }
            if let statement {
                return PQsendQueryPrepared(
                    handle, statement, Int32(slots.count), values, lengths, formats, 1)
            }
            let types = sql.parameters.types.map { Oid($0.rawValue) }
            return PQsendQueryParams(handle, sql.text, Int32(slots.count), types, values, lengths, formats, 1)
        }
        guard sent == 1 else { throw connectionError(.connectionFailed) }
        return try result()
    }

    private func prepare(_ key: StatementCache.Key) throws(PostgresError) -> String {
        if let name = statements.name(for: key) { return name }
        guard let handle else { throw connectionError(.connectionFailed) }
        let (name, evicted) = statements.insert(key)
        if let evicted { try deallocate(evicted) }
        let types = key.types.map { Oid($0.rawValue) }
        do throws(PostgresError) {
            guard PQsendPrepare(handle, name, key.text, Int32(types.count), types) == 1 else {
                throw connectionError(.connectionFailed)
            }
            _ = try result()
        } catch {
            statements.remove(key)
            throw error
        }
        return name
    }

    private func forget(_ key: StatementCache.Key) throws(PostgresError) {
        guard let name = statements.remove(key), transactionStatus != .inFailedTransaction else { return }
        try deallocate(name)
    }

    /// Names are ours (`s1`, `s2`, …): nothing to quote.
    private func deallocate(_ name: String) throws(PostgresError) {
        guard let handle, PQsendQuery(handle, "DEALLOCATE \(name)") == 1 else {
            throw connectionError(.connectionFailed)
        }
        do throws(PostgresError) { _ = try result() } catch {
            // It was gone already: just as well.
            guard error.sqlState == .invalidStatementName else { throw error }
        }
    }

    // MARK: Waiting for the server

    /// Flushes what was sent and collects all results up to the end of the command; the first error wins.
    func result() throws(PostgresError) -> PostgresResult {
        try flush()
        var last: PostgresResult?
        var failure: PostgresError?
        while let next = try nextResult() {
            switch PQresultStatus(next) {
            case PGRES_COMMAND_OK, PGRES_TUPLES_OK, PGRES_EMPTY_QUERY, PGRES_COPY_IN:
                let isCopy = PQresultStatus(next) == PGRES_COPY_IN
                last = PostgresResult(next)
                if isCopy, failure == nil, let last { return last }
            case PGRES_COPY_OUT, PGRES_COPY_BOTH:
                PQclear(next)
                disconnect()
                throw PostgresError(.protocolViolation, "COPY TO is not supported here")
            default:
                failure = failure ?? PostgresError(result: next)
                PQclear(next)
            }
        }
        if let failure {
            guard isConnected else {
                throw PostgresError(.connectionLost, failure.message)
            }
            throw failure
        }
        guard let last else { throw connectionError(.connectionLost) }
        return last
    }

    /// nil: the command is done.
    private func nextResult() throws(PostgresError) -> OpaquePointer? {
        guard let handle else { throw connectionError(.connectionLost) }
        while PQisBusy(handle) == 1 {
            try wait(for: Int16(POLLIN))
            guard PQconsumeInput(handle) == 1 else {
                // What the server said before it went away may still be among the results.
                return PQgetResult(handle)
            }
        }
        return PQgetResult(handle)
    }

    func flush() throws(PostgresError) {
        guard let handle else { throw connectionError(.connectionFailed) }
        while true {
            switch PQflush(handle) {
            case 0: return
            case 1:
                try wait(for: Int16(POLLIN | POLLOUT))
                // The server may be sending while we are: reading keeps both from waiting for each other.
                guard PQconsumeInput(handle) == 1 else { throw connectionError(.connectionLost) }
            default: throw connectionError(.connectionLost)
            }
        }
    }

    /// Waits until the socket is ready; gives the connection up when the server has not answered long after it should have.
    func wait(for events: Int16) throws(PostgresError) {
        guard let handle else { throw connectionError(.connectionLost) }
        var descriptor = pollfd(fd: PQsocket(handle), events: events, revents: 0)
        let limit = configuration.statementTimeout.map { $0 + Self.answerGrace }
        var waited: Duration = .zero
        while true {
            // Once a second: has the connection been given up?
            let ready = poll(&descriptor, 1, 1_000)
            if ready > 0 { return }
            if ready < 0, errno != EINTR { throw connectionError(.connectionLost) }
            waited += .seconds(1)
            if abandonment.isAbandoned || waited > limit ?? waited {
                disconnect()
                throw PostgresError(.connectionLost, "the server does not answer")
            }
        }
    }

    /// How long after the statement timeout, which the server itself enforces, a silent server is taken for dead.
    private static let answerGrace: Duration = .seconds(15)

    /// The connection's own words for why something could not be sent or read.
    func connectionError(_ kind: PostgresError.Kind) -> PostgresError {
        guard let handle else { return PostgresError(.connectionFailed, "not connected") }
        let message = PQerrorMessage(handle).map { String(cString: $0).firstLine } ?? "connection lost"
        return PostgresError(kind, message.isEmpty ? "connection lost" : message)
    }
}

// MARK: - Connecting

extension PostgresSession {
    /// One attempt.
    func connect() throws(PostgresError) {
        disconnect()
        abandonment.reset()
        let settings: [(String, String)] = [
            ("application_name", configuration.applicationName),
            ("client_encoding", "UTF8"),
            ("connect_timeout", "\(configuration.connectTimeoutSeconds)"),
            ("keepalives_idle", "15"), ("keepalives_interval", "5"), ("keepalives_count", "3"),
            ("tcp_user_timeout", "30000"),
            // The URL last, expanded: what it says wins over the defaults above.
            ("dbname", configuration.url),
        ]
        let connection = withCStrings(settings.map(\.0)) { keywords in
            withCStrings(settings.map(\.1)) { values in PQconnectdbParams(keywords, values, 1) }
        }
        handle = connection
        guard isConnected else {
            let error = connectionError(.connectionFailed)
            disconnect()
            throw error
        }
        // Notices go nowhere: by default libpq prints them to the standard error stream.
        _ = PQsetNoticeProcessor(connection, { _, _ in }, nil)
        guard PQsetnonblocking(connection, 1) == 0 else { throw connectionError(.connectionFailed) }
        do throws(PostgresError) { try prepareSession() } catch {
            disconnect()
            throw error
        }
    }

    /// Sets what every connection of the pool has in common.
    private func prepareSession() throws(PostgresError) {
        var statement: SQL = "SET TIME ZONE 'UTC'"
        func add(_ more: SQL) { statement = .joined([statement, more], separator: "; ") }
        if let role = configuration.role { add("SET ROLE \(role)") }
        if let schema = configuration.schema { add("SET search_path TO \(schema)") }
        add("SET statement_timeout = \(literal: configuration.statementTimeout.milliseconds)")
        add("SET idle_in_transaction_session_timeout = \(literal: configuration.idleInTransactionTimeout.milliseconds)")
        if !configuration.synchronousCommit { add("SET synchronous_commit = off") }
        guard let handle, PQsendQuery(handle, statement.text) == 1 else { throw connectionError(.connectionFailed) }
        _ = try result()
    }

    func disconnect() {
        if let handle { PQfinish(handle) }
        handle = nil
        statements.removeAll()
    }

    /// Whether the server has closed an idle connection; costs one system call and does not block.
    var isAlive: Bool {
        guard let handle, isConnected else { return false }
        var descriptor = pollfd(fd: PQsocket(handle), events: Int16(POLLIN), revents: 0)
        guard poll(&descriptor, 1, 0) != 0 else { return true }
        return PQconsumeInput(handle) == 1 && isConnected
    }
}

/// Calls `body` with a NULL-terminated array of C strings.
private func withCStrings(
    _ strings: [String], _ body: (UnsafePointer<UnsafePointer<CChar>?>) -> OpaquePointer?
) -> OpaquePointer? {
    let copies = strings.map { strdup($0) }
    defer { for copy in copies { free(copy) } }
    let pointers: [UnsafePointer<CChar>?] = copies.map { $0.map { UnsafePointer($0) } } + [nil]
    return pointers.withUnsafeBufferPointer { $0.baseAddress.flatMap(body) }
}

extension Duration? {
    /// 0, the server's word for "no limit", for nil.
    fileprivate var milliseconds: Int64 {
        guard let self else { return 0 }
        let (seconds, attoseconds) = self.components
        return min(max(seconds, 0), 2_000_000) * 1_000 + attoseconds / 1_000_000_000_000_000
    }
}

extension String {
    /// libpq ends messages with a line break and sometimes says more on further lines.
    var firstLine: String { String(prefix { $0 != "\n" }) }
}
