// SPDX-License-Identifier: Apache-2.0
import Bus
import Core
import NIOCore
import Postgres

/// Stores batches exactly once: rows, dead letters and the stream's position in one transaction.
struct MessageStore: Sendable {
    let pool: PostgresPool
    let clock: WallClock

    enum Outcome: Sendable, Equatable {
        case stored
        /// The position was not where it was believed to be: nothing was stored.
        case conflict
    }

    /// How far the stream is stored; makes the row for one that was not seen before.
    func position(of stream: StreamID) async throws(PostgresError) -> UInt64 {
        let number = try await pool.perform { session throws(PostgresError) -> Int64 in
            try session.execute(
                "INSERT INTO positions (stream, sequence) VALUES (\(stream), 0) ON CONFLICT DO NOTHING")
            guard let row = try session.execute("SELECT sequence FROM positions WHERE stream = \(stream)").first else {
                throw PostgresError(.protocolViolation, "the position that was just written is not there")
            }
            return try row.decode(Int64.self, at: 0)
        }
        return UInt64(clamping: number)
    }

    /// Stores the entries of `range`, if `expected` is still the stream's position.
    func store(
        _ range: Range<Int>, of batch: PreparedBatch, stream: StreamID, expected: UInt64
    ) async throws(PostgresError) -> Outcome {
        try await store(
            range, of: batch, deadLetters: Array(batch.deadLetters(of: range)), tables: MessageTable.allCases,
            stream: stream, expected: expected)
    }

    /// Stores one entry that the server refuses as a dead letter instead.
    func bury(
        _ letter: DeadLetter, at index: Int, of batch: PreparedBatch, stream: StreamID, expected: UInt64
    ) async throws(PostgresError) -> Outcome {
        try await store(
            index..<(index + 1), of: batch, deadLetters: [letter], tables: [], stream: stream, expected: expected)
    }

    private func store(
        _ range: Range<Int>, of batch: PreparedBatch, deadLetters: [DeadLetter], tables: [MessageTable],
        stream: StreamID, expected: UInt64
    ) async throws(PostgresError) -> Outcome {
        guard let last = range.last, batch.entries.indices.contains(last) else { return .stored }
        let next = Int64(clamping: batch.entries[last].message.sequence)
        let now = clock.now()
        return try await pool.perform { session throws(PostgresError) in
            try session.begin()
            do throws(PostgresError) {
                // First, because it holds up any other writer until this one has committed.
                let moved = try session.execute(
                    """
                    UPDATE positions SET sequence = \(next)
                    WHERE stream = \(stream) AND sequence = \(Int64(clamping: expected))
                    """)
                guard moved.affectedRows == 1 else {
                    try session.rollBack()
                    return .conflict
                }
                for table in tables {
                    try session.copy(
                        table.copyStatement, batch.buffer(table), from: batch.mark(table, at: range.lowerBound),
                        through: batch.mark(table, at: range.upperBound))
                }
                for letter in deadLetters { try session.insert(letter, stream: stream, at: now) }
                try session.commit()
                return .stored
            } catch {
                // The first error is the one to report; a connection on which not even this works is replaced.
                if session.transactionStatus != .idle { try? session.rollBack() }
                throw error
            }
        }
    }
}

extension PostgresSession {
    fileprivate func insert(_ letter: DeadLetter, stream: StreamID, at now: Int64) throws(PostgresError) {
        try execute(
            """
            INSERT INTO dead_letters (stream, sequence, record, reason, message, subject, envelope, at, channel, publisher)
            VALUES (\(stream), \(Int64(clamping: letter.message.sequence)), \(letter.record), \(letter.reason),
                \(letter.explanation), \(letter.message.subject), \(letter.message.payload), \(now),
                \(letter.channel as ChannelID?), \(letter.publisher as ThingID?))
            ON CONFLICT DO NOTHING
            """)
    }
}
