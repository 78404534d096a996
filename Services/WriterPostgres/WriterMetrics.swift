// SPDX-License-Identifier: Apache-2.0
import Bus
import Core
import Observability
import Synchronization

/// What the writer counts.
final class WriterMetrics: Sendable {
    let records: LabelledMetric<Counter>
    let messages: Counter
    let batches: Counter
    let redelivered: Counter
    let conflicts: Counter
    let failures: Counter
    let lost: Counter
    private let rejections: LabelledMetric<Counter>
    private let commitSeconds: Histogram
    private let batchRows: Histogram
    private let lagSeconds: Gauge
    private let clock: WallClock
    private let state = Mutex(State())

    private struct State {
        var waiting: @Sendable () -> Int = { 0 }
        /// Everything up to here is stored.
        var position: UInt64 = 0
        /// Last sequence number of the stream, as it was last asked for.
        var lastSequence: UInt64 = 0
    }

    init(registry: MetricsRegistry, clock: WallClock) {
        self.clock = clock
        records = registry.counter(
            "martlet_writer_records_total", help: "Rows stored, by table.", labels: ["table"])
        messages = registry.counter(
            "martlet_writer_messages_total", help: "Messages dealt with: stored or dead-lettered.")
        batches = registry.counter("martlet_writer_batches_total", help: "Transactions committed.")
        rejections = registry.counter(
            "martlet_writer_rejected_total", help: "Messages or records that went to the dead letters, by reason.",
            labels: ["reason"])
        redelivered = registry.counter(
            "martlet_writer_redelivered_total", help: "Messages that came again and were stored already.")
        conflicts = registry.counter(
            "martlet_writer_conflicts_total", help: "Batches rolled back because another writer had moved the position."
        )
        failures = registry.counter(
            "martlet_writer_failures_total", help: "Attempts to store that failed and were repeated.")
        lost = registry.counter(
            "martlet_writer_lost_total",
            help: "Messages that the stream does not have any more (corruption, deletion) and nobody can store.")
        commitSeconds = registry.histogram(
            "martlet_writer_commit_seconds", help: "Time to store a batch, from the first statement to the commit.")
        batchRows = registry.histogram(
            "martlet_writer_batch_rows", help: "Rows of a batch.", buckets: Histogram.batchSizes)
        lagSeconds = registry.gauge(
            "martlet_writer_lag_seconds", help: "Age of the last message of the last batch when it was committed.")
        registry.observe("martlet_writer_waiting", help: "Messages received and not yet in a batch.") { [weak self] in
            guard let waiting = self?.waiting else { return 0 }
            return Double(waiting())
        }
        registry.observe(
            "martlet_writer_lag_messages", help: "Messages of the stream that are not stored yet."
        ) { [weak self] in
            self?.state.withLock { Double($0.lastSequence) - Double(min($0.position, $0.lastSequence)) } ?? 0
        }
    }

    var waiting: @Sendable () -> Int {
        get { state.withLock { $0.waiting } }
        set { state.withLock { $0.waiting = newValue } }
    }

    func stored(_ range: Range<Int>, of batch: PreparedBatch, position: UInt64, took duration: Duration) {
        state.withLock { $0.position = position }
        batches.increment()
        messages.increment(by: UInt64(range.count))
        commitSeconds.observe(duration)
        var rows = 0
        for table in MessageTable.allCases {
            let count = batch.rows(table, of: range)
            rows += count
            if count > 0 { records.with("\(table.name)").increment(by: UInt64(count)) }
        }
        batchRows.observe(Double(rows))
        for letter in batch.deadLetters(of: range) { rejected(letter.reason) }
        if let last = batch.entries[range].last {
            lagSeconds.set(Double(clock.now() - last.message.storedAt) / 1e9)
        }
    }

    func rejected(_ reason: String) { rejections.with(reason).increment() }

    func rejectedCount(_ reason: String) -> UInt64 { rejections.with(reason).value }

    func streamEnds(at sequence: UInt64) { state.withLock { $0.lastSequence = sequence } }
}
