// SPDX-License-Identifier: Apache-2.0
import Bus
import Core
import Logging
import Observability
import Postgres

/// From one consumer to the database: builds the next batch while the one before it is committed.
struct WriterPipeline: Sendable {
    let consumer: any BusConsumer
    let committer: BatchCommitter
    let gaps: GapFiller
    let limits: BatchLimits
    let metrics: WriterMetrics

    /// Runs until the consumer ends.
    /// - Throws: what the consumer ended with, `CancellationError`.
    func run() async throws {
        let inbox = MessageInbox()
        metrics.waiting = { inbox.count }
        defer { metrics.waiting = { 0 } }
        let start = try await committer.open()
        // What is stored already is not delivered again.
        if start > 0 { consumer.acknowledge(through: start) }
        try await withThrowingDiscardingTaskGroup { group in
            group.addTask {
                defer { inbox.finish() }
                for try await batch in consumer.batches { inbox.push(batch) }
            }
            try await build(from: inbox, behind: start, in: &group)
            group.cancelAll()
        }
    }

    private func build(
        from inbox: MessageInbox, behind start: UInt64, in group: inout ThrowingDiscardingTaskGroup<any Error>
    ) async throws {
        var builder = BatchBuilder()
        var last = start
        while true {
            switch await inbox.next(hasBatch: !builder.batch.isEmpty, isFull: limits.areReached(by: builder.batch)) {
            case .append(let messages):
                for message in messages {
                    // Up to the position everything is stored: a redelivery.
                    guard message.sequence > last else {
                        metrics.redelivered.increment()
                        continue
                    }
                    if message.sequence > last + 1 {
                        try await gaps.forEachPiece(from: last + 1, to: message.sequence) { piece in
                            for missed in piece { builder.append(missed) }
                            // A gap may be as large as the stream (a database from a backup): it is stored as it is read.
                            if limits.areReached(by: builder.batch), await inbox.beginCommit() {
                                commit(builder.take(), from: inbox, in: &group)
                            }
                        }
                    }
                    builder.append(message)
                    last = message.sequence
                }
            case .commit:
                commit(builder.take(), from: inbox, in: &group)
            case .end:
                return
            }
        }
    }

    private func commit(
        _ batch: PreparedBatch, from inbox: MessageInbox, in group: inout ThrowingDiscardingTaskGroup<any Error>
    ) {
        group.addTask {
            let through = try await committer.commit(batch)
            consumer.acknowledge(through: through)
            inbox.committed()
        }
    }
}

/// When a batch is large enough to wait for the committer.
struct BatchLimits: Sendable {
    var rows: Int
    var bytes: Int

    func areReached(by batch: PreparedBatch) -> Bool {
        batch.rows >= rows || batch.byteCount >= bytes || batch.entries.count >= rows
    }
}
