// SPDX-License-Identifier: Apache-2.0

/// What went wrong between the service and PostgreSQL.
///
/// `description` holds the server's primary message, never parameters or row contents (`DETAIL` is kept apart in ``detail``, because the
/// server puts values there).
public struct PostgresError: Error, Sendable, Equatable {
    public enum Kind: Sendable, Equatable {
        /// The server answered with an error; its code.
        case server(SQLState)
        /// There was no connection, or it broke before the statement was sent in full: nothing has happened.
        case connectionFailed
        /// The connection broke while the statement ran: it may or may not have happened.
        case connectionLost
        /// No connection became free in time, or too many wait already (policy: refuse).
        case unavailable
        /// The task was cancelled; the statement was cancelled on the server.
        case cancelled
        /// A value that the server could not store: NUL in text, invalid UTF-8, a field beyond 1 GiB.
        case invalidValue
        /// What came back does not fit the Swift type that was asked for.
        case decoding
        /// A migration that was applied differs from the one in the program, or the numbers are out of order.
        case migration
        /// The transaction was rolled back although nothing threw: an error inside it was ignored.
        case transactionAborted
        /// The server said something libpq did not expect.
        case protocolViolation
        /// The pool has been closed.
        case closed
    }

    public var kind: Kind
    /// For the log: safe to print.
    public var message: String
    /// The server's DETAIL; may hold values of rows.
    public var detail: String?
    /// The violated constraint's name, with which a service tells its own rules apart.
    public var constraint: String?
    public var table: String?
    public var column: String?

    public init(
        _ kind: Kind, _ message: String, detail: String? = nil, constraint: String? = nil, table: String? = nil,
        column: String? = nil
    ) {
        self.kind = kind
        self.message = message
        self.detail = detail
        self.constraint = constraint
        self.table = table
        self.column = column
    }

    /// The server's code; nil when the error is not the server's.
    public var sqlState: SQLState? {
        guard case .server(let state) = kind else { return nil }
        return state
    }

    /// Worth another try with the same input: the connection, the server or a competing transaction is the cause, not the data.
    public var isRetriable: Bool {
        switch kind {
        case .server(let state): state.isRetriable
        case .connectionFailed, .connectionLost, .unavailable: true
        case .cancelled, .invalidValue, .decoding, .migration, .transactionAborted, .protocolViolation, .closed: false
        }
    }

    /// The statement may have happened although there is no answer: a commit under this error has to be looked up.
    public var isOutcomeUnknown: Bool { kind == .connectionLost }

    /// The data is at fault, and will be the next time too.
    public var isDataError: Bool { kind == .invalidValue || sqlState?.isDataError == true }

    public var isUniqueViolation: Bool { sqlState == .uniqueViolation }
    public var isForeignKeyViolation: Bool { sqlState == .foreignKeyViolation }
    public var isCheckViolation: Bool { sqlState == .checkViolation }
}

extension PostgresError: CustomStringConvertible {
    public var description: String {
        let code =
            switch kind {
            case .server(let state): state.rawValue
            default: "\(kind)"
            }
        return constraint.map { "\(code): \(message) [\($0)]" } ?? "\(code): \(message)"
    }
}
