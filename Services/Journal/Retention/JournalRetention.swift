// SPDX-License-Identifier: Apache-2.0
import Core
import Logging
import Observability
import ServiceKit

/// Removes what is older than the operator wants to keep, beside what is written: at the start, and then every quarter of an hour.
struct JournalRetention: Service, CustomStringConvertible {
    /// Short locks, and little to do again where one fails.
    static let entriesPerTransaction = 1_000
    private static let interval: Duration = .seconds(900)
    private static let nanosecondsPerDay: Int64 = 86_400 * 1_000_000_000

    let description = "retention"
    private let store: any JournalStore
    private let days: Int
    private let clock: WallClock
    private let removed: Counter
    private let logger: Logger

    /// - Parameter days: 1 to 36,500.
    init(store: any JournalStore, days: Int, clock: WallClock, metrics: MetricsRegistry, logger: Logger) {
        self.store = store
        self.days = days
        self.clock = clock
        self.logger = logger
        removed = metrics.counter(
            "martlet_journal_removed_total", help: "Entries removed because they were older than the retention.")
    }

    func run() async throws {
        await cancelWhenGracefulShutdown {
            while !Task.isCancelled {
                do {
                    try await removeExpired()
                } catch {
                    guard !Task.isCancelled else { return }
                    logger.warning(
                        "old entries could not be removed; trying again later", metadata: [LogKey.error: "\(error)"])
                }
                try? await Task.sleep(for: Self.interval)
            }
        }
    }

    /// Removes all that is old enough now, piece by piece.
    func removeExpired() async throws {
        let (age, overflow) = Int64(days).multipliedReportingOverflow(by: Self.nanosecondsPerDay)
        guard !overflow else { return }
        let before = clock.now() - age
        var total = 0
        defer {
            if total > 0 {
                logger.info(
                    "entries removed by retention", metadata: [LogKey.count: "\(total)", "before": "\(before)"])
            }
        }
        var piece = Self.entriesPerTransaction
        while piece == Self.entriesPerTransaction {
            try Task.checkCancellation()
            piece = try await store.removeExpired(before: before, atMost: Self.entriesPerTransaction)
            removed.increment(by: UInt64(clamping: piece))
            total += piece
        }
    }
}
