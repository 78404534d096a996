// SPDX-License-Identifier: Apache-2.0
import Observability

/// What was answered to adapters that asked for a last message.
struct LastMessageMetrics: Sendable {
    private let answers: LabelledMetric<Counter>

    init(registry: MetricsRegistry) {
        answers = registry.counter(
            "martlet_reader_last_messages_total",
            help:
                "Questions for the last message of a channel and subtopic, by outcome: found, none, or why it was refused.",
            labels: ["outcome"])
    }

    func count(_ outcome: String) { answers.with(outcome).increment() }
}
