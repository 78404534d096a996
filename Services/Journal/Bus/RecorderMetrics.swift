// SPDX-License-Identifier: Apache-2.0
import Observability

/// What the recorders count.
struct RecorderMetrics: Sendable {
    let entries: Counter
    let repeated: Counter
    let failures: Counter
    let unreadable: Counter
    private let last: Gauge

    init(registry: MetricsRegistry) {
        entries = registry.counter("martlet_journal_entries_total", help: "Entries written.")
        repeated = registry.counter(
            "martlet_journal_repeated_total", help: "Notices that were written already: delivered again after a crash.")
        failures = registry.counter(
            "martlet_journal_failures_total", help: "Transactions that failed and were tried again.")
        unreadable = registry.counter(
            "martlet_journal_unreadable_total", help: "Notices that could not be recorded: they are dead letters.")
        last = registry.gauge(
            "martlet_journal_last_entry_seconds", help: "Unix time of the entry that was written last.")
    }

    func recorded(_ added: Int, of all: Int, lastAt: Int64?) {
        entries.increment(by: UInt64(clamping: added))
        repeated.increment(by: UInt64(clamping: all - added))
        if let lastAt { last.set(Double(lastAt / 1_000_000_000)) }
    }
}
