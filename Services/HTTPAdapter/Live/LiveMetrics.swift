// SPDX-License-Identifier: Apache-2.0
import Observability

/// What is counted of live connections; one for all event loops.
struct LiveMetrics {
    let webSockets: Gauge
    let eventStreams: Gauge
    let behind: Gauge
    let queuedBytes: Gauge
    let delivered: Counter
    let deliveredBytes: Counter
    let gaps: Counter
    let slowConsumers: Counter
    let published: Counter
    private let ends: LabelledMetric<Counter>

    init(registry: MetricsRegistry) {
        let connections = registry.gauge(
            "martlet_live_connections", help: "Open live connections.", labels: ["kind"])
        webSockets = connections.with("websocket")
        eventStreams = connections.with("sse")
        behind = registry.gauge("martlet_live_behind", help: "Live connections that are catching up.")
        queuedBytes = registry.gauge(
            "martlet_live_queued_bytes", help: "Bytes that wait for live connections, each counted by itself.")
        delivered = registry.counter("martlet_live_delivered_total", help: "Messages sent to live connections.")
        deliveredBytes = registry.counter(
            "martlet_live_delivered_bytes_total", help: "Bytes of the messages sent to live connections.")
        gaps = registry.counter(
            "martlet_live_gaps_total", help: "Times that a live connection was told of missing messages.")
        slowConsumers = registry.counter(
            "martlet_live_slow_consumers_total",
            help: "Live connections cut off because too much was waiting for them.")
        published = registry.counter(
            "martlet_live_published_total", help: "Messages accepted over WebSocket.")
        ends = registry.counter(
            "martlet_live_ended_total", help: "Live connections that the server ended, by reason.", labels: ["reason"])
    }

    func count(ended reason: String) { ends.with(reason).increment() }
}
