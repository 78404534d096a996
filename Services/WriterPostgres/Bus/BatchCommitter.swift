// SPDX-License-Identifier: Apache-2.0
import Bus
import Core
import Logging
import Observability
import Postgres

/// Gets batches into the database whatever happens there, one at a time.
///
/// - The data is at fault (SQLSTATE classes 22, 23, 54): the batch is halved until the culprit stands alone; that one becomes a dead letter.
/// - The position is not where it was believed to be (another writer, or a commit whose answer was lost): it is read again, and what is stored
///   already is left out.
/// - Anything else: the same again after a pause, for ever. The consumer's window bounds what piles up meanwhile.
actor BatchCommitter {
    private let store: MessageStore
    private let partitions: Partitions
    private let stream: StreamID
    private let logger: Logger
    private let metrics: WriterMetrics
    private var position: UInt64 = 0

    init(
        store: MessageStore, partitions: Partitions, stream: StreamID, logger: Logger, metrics: WriterMetrics
    ) {
        self.store = store
        self.partitions = partitions
        self.stream = stream
        self.logger = logger
        self.metrics = metrics
    }

    /// Waits for the database and reads the stream's position.
    func open() async throws -> UInt64 {
        try await forEver { () throws(PostgresError) in try await readPosition() }
        return position
    }

    /// - Returns: the position behind the batch, up to which everything can be acknowledged.
    /// - Throws: `CancellationError`.
    func commit(_ batch: PreparedBatch) async throws -> UInt64 {
        // Ranges of entries still to be stored, the next one last. A range goes only when nothing of it is left to store.
        var open = [0..<batch.entries.count]
        while let range = open.popLast() {
            let rest = unstored(range, of: batch)
            guard !rest.isEmpty else { continue }
            do throws(PostgresError) {
                try await attempt(rest, of: batch)
                open.append(rest)
            } catch {
                if Task.isCancelled { throw CancellationError() }
                if !error.isDataFault {
                    try await recover(from: error)
                    open.append(rest)
                } else if rest.count > 1 {
                    let middle = rest.lowerBound + rest.count / 2
                    open.append(middle..<rest.upperBound)
                    open.append(rest.lowerBound..<middle)
                } else {
                    try await bury(rest.lowerBound, of: batch, error)
                    open.append(rest)
                }
            }
        }
        return position
    }

    /// The entries behind the position.
    private func unstored(_ range: Range<Int>, of batch: PreparedBatch) -> Range<Int> {
        var start = range.lowerBound
        while start < range.upperBound, batch.entries[start].message.sequence <= position { start += 1 }
        return start..<range.upperBound
    }

    private func attempt(_ range: Range<Int>, of batch: PreparedBatch) async throws(PostgresError) {
        let begin = ContinuousClock.now
        try await partitions.ensure(batch.days)
        switch try await store.store(range, of: batch, stream: stream, expected: position) {
        case .stored:
            position = batch.entries[range.upperBound - 1].message.sequence
            metrics.stored(range, of: batch, position: position, took: ContinuousClock.now - begin)
        case .conflict:
            metrics.conflicts.increment()
            try await readPosition()
        }
    }

    private func bury(_ index: Int, of batch: PreparedBatch, _ error: PostgresError) async throws {
        let message = batch.entries[index].message
        let letter = DeadLetter(
            message, reason: "database-\(error.sqlState?.rawValue ?? "value")",
            "PostgreSQL refuses it: \(error.message)")
        let outcome = try await forEver { () throws(PostgresError) in
            try await store.bury(letter, at: index, of: batch, stream: stream, expected: position)
        }
        if outcome == .stored {
            position = message.sequence
            metrics.rejected(letter.reason)
        } else {
            try await forEver { () throws(PostgresError) in try await readPosition() }
        }
    }

    private func recover(from error: PostgresError) async throws {
        metrics.failures.increment()
        logger.warning("a batch could not be stored; trying again", metadata: ["error": "\(error)"])
        try await Task.sleep(for: .milliseconds(100))
        try await forEver { () throws(PostgresError) in try await readPosition() }
    }

    private func readPosition() async throws(PostgresError) {
        position = max(position, try await store.position(of: stream))
    }

    /// Runs `body` until it succeeds.
    /// - Throws: `CancellationError`.
    private func forEver<Result: Sendable>(
        _ body: () async throws(PostgresError) -> Result
    ) async throws -> Result {
        var backOff = BackOff()
        while true {
            do throws(PostgresError) {
                return try await body()
            } catch {
                try Task.checkCancellation()
                metrics.failures.increment()
                logger.warning("the database does not answer; trying again", metadata: ["error": "\(error)"])
                try await Task.sleep(for: backOff.next())
            }
        }
    }
}

extension PostgresError {
    /// The data is at fault: class 22, 23, or 54 (a limit of the program, like an index entry that is too long).
    fileprivate var isDataFault: Bool { isDataError || sqlState?.errorClass == "54" }
}
