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
                if !tables.isEmpty { try session.point(to: batch.lastPlaces(of: range)) }
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
    /// Makes these the last messages of their channels and subtopics: batches come in the order of the log.
    ///
    /// Nearly always all have rows already; to update those takes half of the time that inserting what conflicts does. Nobody else inserts, as the
    /// position's row is held.
    fileprivate func point(to places: [(place: StoredPlace, sequence: UInt64)]) throws(PostgresError) {
        guard !places.isEmpty else { return }
        let rows: SQL = """
            unnest(\(places.map(\.place.resource.channel)), \(places.map(\.place.resource.subtopic)),
                \(places.map { Int64(clamping: $0.sequence) }), \(places.map(\.place.created)),
                \(places.map(\.place.table.name.name)), \(places.map(\.place.times.lowerBound)),
                \(places.map(\.place.times.upperBound)))
            """
        let updated = try execute(
            """
            UPDATE last_messages AS old SET sequence = new.sequence, created = new.created, kind = new.kind,
                first_time = new.first_time, last_time = new.last_time
            FROM \(rows) AS new (channel, subtopic, sequence, created, kind, first_time, last_time)
            WHERE old.channel = new.channel AND old.subtopic = new.subtopic
            """)
        guard updated.affectedRows < places.count else { return }
        try execute(
            """
            INSERT INTO last_messages (channel, subtopic, sequence, created, kind, first_time, last_time)
            SELECT * FROM \(rows) ON CONFLICT DO NOTHING
            """)
    }

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
