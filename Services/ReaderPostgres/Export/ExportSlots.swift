// SPDX-License-Identifier: Apache-2.0
import Core
import Observability
import Synchronization

/// How many exports may run at a time: each holds a few MiB for as long as its client takes. Policy: one more is refused.
final class ExportSlots: Sendable {
    /// Held by an export while it runs; given back with the object, however the request ends.
    final class Slot: Sendable {
        private let owner: ExportSlots
        fileprivate init(_ owner: ExportSlots) { self.owner = owner }
        deinit { owner.used.withLock { $0 -= 1 } }
    }

    private let maximum: Int
    private let used = Mutex(0)

    init(maximum: Int, metrics: MetricsRegistry) {
        self.maximum = maximum
        metrics.observe("martlet_reader_exports_running", help: "Exports under way.") { [weak self] in
            Double(self?.used.withLock { $0 } ?? 0)
        }
    }

    /// - Throws: `unavailable` when all are taken.
    func take() throws(ServiceError) -> Slot {
        let isFree = used.withLock { used in
            guard used < maximum else { return false }
            used += 1
            return true
        }
        guard isFree else {
            throw ServiceError(
                .unavailable, reason: "too-many-exports", "\(maximum) exports run already; try again later",
                retryAfterSeconds: 10)
        }
        return Slot(self)
    }
}
