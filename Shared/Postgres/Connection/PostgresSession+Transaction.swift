// SPDX-License-Identifier: Apache-2.0

/// What concurrent transactions may see of each other (PostgreSQL documentation, section 13.2).
public enum PostgresIsolation: Sendable {
    case readCommitted
    case repeatableRead
    case serializable
}

extension PostgresSession {
    public func begin(_ isolation: PostgresIsolation = .readCommitted, readOnly: Bool = false) throws(PostgresError) {
        switch (isolation, readOnly) {
        case (.readCommitted, false): try executeScript("BEGIN")
        case (.readCommitted, true): try executeScript("BEGIN READ ONLY")
        case (.repeatableRead, false): try executeScript("BEGIN ISOLATION LEVEL REPEATABLE READ")
        case (.repeatableRead, true): try executeScript("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
        case (.serializable, false): try executeScript("BEGIN ISOLATION LEVEL SERIALIZABLE")
        case (.serializable, true): try executeScript("BEGIN ISOLATION LEVEL SERIALIZABLE READ ONLY")
        }
    }

    /// - Throws: ``PostgresError/Kind/transactionAborted`` when the server rolled back instead; ``PostgresError/Kind/connectionLost`` when
    ///   nobody knows.
    public func commit() throws(PostgresError) {
        let tag = try executeScript("COMMIT").commandTag
        guard tag == "COMMIT" else {
            throw PostgresError(.transactionAborted, "the server answered COMMIT with \(tag)")
        }
    }

    public func rollBack() throws(PostgresError) {
        try executeScript("ROLLBACK")
    }

    /// Runs `body` between BEGIN and COMMIT, and rolls back when it throws.
    public func transaction<Result>(
        _ isolation: PostgresIsolation = .readCommitted, readOnly: Bool = false,
        _ body: (PostgresSession) throws(PostgresError) -> Result
    ) throws(PostgresError) -> Result {
        try begin(isolation, readOnly: readOnly)
        do throws(PostgresError) {
            let result = try body(self)
            try commit()
            return result
        } catch {
            // The first error is the one to report; a connection on which not even this works is replaced by the pool.
            if transactionStatus != .idle, isConnected { try? rollBack() }
            throw error
        }
    }
}
