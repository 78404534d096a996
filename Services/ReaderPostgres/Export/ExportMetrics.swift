// SPDX-License-Identifier: Apache-2.0
import Observability

/// What exports have done.
struct ExportMetrics: Sendable {
    enum Outcome: String, Sendable {
        case complete
        /// The client went away, or took nothing for too long.
        case abandoned
        /// Cut off because it could not go on: the database, a right that was taken back.
        case failed
    }

    private let ended: LabelledMetric<Counter>
    private let rows: LabelledMetric<Counter>

    init(registry: MetricsRegistry) {
        ended = registry.counter(
            "martlet_reader_exports_total", help: "Exports that have ended, by form and outcome.",
            labels: ["form", "outcome"])
        rows = registry.counter(
            "martlet_reader_export_rows_total", help: "Messages exported, by form.", labels: ["form"])
    }

    func count(rows count: Int, _ form: ExportForm) { rows.with(form.rawValue).increment(by: UInt64(clamping: count)) }

    func count(_ outcome: Outcome, _ form: ExportForm) { ended.with(form.rawValue, outcome.rawValue).increment() }
}
