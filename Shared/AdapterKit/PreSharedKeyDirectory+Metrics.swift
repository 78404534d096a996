// SPDX-License-Identifier: Apache-2.0
import Observability
import Synchronization

extension PreSharedKeyDirectory {
    /// Read when somebody asks for the metrics.
    public func register(in metrics: MetricsRegistry) {
        metrics.observe("martlet_psk_cached", help: "Pre-shared keys that are kept in memory.") { [self] in
            Double(memory.withLock { $0.table.count })
        }
        metrics.observe(
            "martlet_psk_complete", help: "1: all pre-shared keys are kept in memory; 0: not, or not yet."
        ) { [self] in memory.withLock { $0.isComplete } ? 1 : 0 }
        metrics.observe("martlet_psk_waiting", help: "Questions about pre-shared keys that wait.") { [self] in
            Double(memory.withLock { $0.waiting })
        }
        metrics.observe(
            "martlet_psk_finds_total", help: "Identities of handshakes that were looked for.", type: .counter,
            labels: ["result"]
        ) { [self] in
            let counts = memory.withLock { $0.counts }
            return [
                .init(labels: ["found"], value: Double(counts.found)),
                .init(labels: ["unknown"], value: Double(counts.unknown)),
            ]
        }
        count("dropped", "Unknown identities that were not asked about, because too many waited.", in: metrics) {
            $0.dropped
        }
        count("loads", "Times that all pre-shared keys were loaded.", in: metrics) { $0.loads }
        count("questions", "Questions about one pre-shared key.", in: metrics) { $0.questions }
        count("failures", "Loads of pre-shared keys and questions about one without an answer.", in: metrics) {
            $0.failures
        }
    }

    private func count(
        _ what: String, _ help: String, in metrics: MetricsRegistry,
        _ value: @escaping @Sendable (PreSharedKeyMemory.Counts) -> UInt64
    ) {
        metrics.observe("martlet_psk_\(what)_total", help: help, type: .counter) { [self] in
            Double(memory.withLock { value($0.counts) })
        }
    }
}
