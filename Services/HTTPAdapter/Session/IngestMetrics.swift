// SPDX-License-Identifier: Apache-2.0
import NIOCore
import Observability

/// What the adapter counts. The children of one event loop: resolved once, or at the first use of a reason.
struct IngestMetrics {
    private let registry: MetricsRegistry
    private let responses: LabelledMetric<Counter>
    private let accepted: Counter
    private var byStatus: [Int: Counter] = [:]
    private var refusals: ResolvedCounters
    let payloadBytes: Counter
    let duplicates: Counter
    let lateAcknowledgements: Counter
    let latency: Histogram
    let connections: Gauge
    let inFlight: Gauge

    init(registry: MetricsRegistry) {
        self.registry = registry
        responses = registry.counter(
            "martlet_http_responses_total", help: "Answered requests by status.", labels: ["status"])
        refusals = ResolvedCounters(
            registry.counter(
                "martlet_http_refused_total", help: "Refused requests and connections by reason.", labels: ["reason"]))
        accepted = responses.with("202")
        payloadBytes = registry.counter(
            "martlet_http_accepted_payload_bytes_total", help: "Payload bytes of accepted messages.")
        duplicates = registry.counter(
            "martlet_http_duplicates_total", help: "Messages recognised as sent before by their Idempotency-Key.")
        lateAcknowledgements = registry.counter(
            "martlet_http_late_acknowledgements_total",
            help: "Acknowledgements of the bus that came after the request was answered 503 or its connection had gone."
        )
        latency = registry.histogram(
            "martlet_http_publish_seconds", help: "From a publish's head to its 202.")
        connections = registry.gauge("martlet_http_connections", help: "Open connections.")
        inFlight = registry.gauge("martlet_http_publishes_in_flight", help: "Messages on their way to the bus.")
    }

    mutating func countAccepted() { accepted.increment() }

    mutating func count(status: Int) {
        if let counter = byStatus[status] { return counter.increment() }
        let counter = responses.with(String(status))
        byStatus[status] = counter
        counter.increment()
    }

    mutating func count(refused reason: String) { refusals.increment(reason) }
}
