// SPDX-License-Identifier: Apache-2.0
import Observability

/// What is counted of all remotes.
final class BridgeMetrics: Sendable {
    private let received: LabelledMetric<Counter>
    private let stored: LabelledMetric<Counter>
    private let forwarded: LabelledMetric<Counter>
    private let refused: LabelledMetric<Counter>
    private let echoes: LabelledMetric<Counter>
    private let duplicates: LabelledMetric<Counter>
    private let connects: LabelledMetric<Counter>
    private let rightsLost: LabelledMetric<Counter>
    private let lost: LabelledMetric<Counter>
    private let connected: LabelledMetric<Gauge>
    private let lag: LabelledMetric<Gauge>
    private let waiting: LabelledMetric<Gauge>
    let registry: MetricsRegistry

    init(registry: MetricsRegistry) {
        self.registry = registry
        received = registry.counter(
            "martlet_mqtt_bridge_received_total", help: "Messages that a remote broker sent.", labels: ["remote"])
        stored = registry.counter(
            "martlet_mqtt_bridge_stored_total", help: "Messages of a remote broker that the bus took.",
            labels: ["remote"])
        forwarded = registry.counter(
            "martlet_mqtt_bridge_forwarded_total", help: "Messages that a remote broker took.", labels: ["remote"])
        refused = registry.counter(
            "martlet_mqtt_bridge_refused_total", help: "Messages that went no further, by reason.",
            labels: ["remote", "direction", "reason"])
        echoes = registry.counter(
            "martlet_mqtt_bridge_echoes_total", help: "Messages of the bridge itself that it did not send in a circle.",
            labels: ["remote", "direction"])
        duplicates = registry.counter(
            "martlet_mqtt_bridge_duplicates_total",
            help: "Messages of a remote broker that came again and were stored already.", labels: ["remote"])
        connects = registry.counter(
            "martlet_mqtt_bridge_connects_total", help: "Connections that a remote broker accepted.",
            labels: ["remote", "direction"])
        rightsLost = registry.counter(
            "martlet_mqtt_bridge_rights_lost_total",
            help: "Mappings that were stopped because their right was refused.",
            labels: ["remote", "direction"])
        lost = registry.counter(
            "martlet_mqtt_bridge_lost_total",
            help: "Messages that were not sent because the stream does not have them any more, or the queue was full.",
            labels: ["remote", "reason"])
        connected = registry.gauge(
            "martlet_mqtt_bridge_connected", help: "1 while there is a connection to the remote broker.",
            labels: ["remote", "direction"])
        lag = registry.gauge(
            "martlet_mqtt_bridge_lag_messages",
            help: "Messages of the stream that the bridge has not dealt with for this remote broker.",
            labels: ["remote"])
        waiting = registry.gauge(
            "martlet_mqtt_bridge_in_flight", help: "Messages handed to the remote broker and not acknowledged.",
            labels: ["remote"])
    }

    /// Those of one remote, resolved once.
    func remote(_ name: String) -> RemoteMetrics {
        RemoteMetrics(
            received: received.with(name), stored: stored.with(name), forwarded: forwarded.with(name),
            duplicates: duplicates.with(name), echoesIn: echoes.with(name, "in"), echoesOut: echoes.with(name, "out"),
            lag: lag.with(name), inFlight: waiting.with(name),
            refusedBy: { [refused] in refused.with(name, $0.rawValue, $1) },
            connectsBy: { [connects] in connects.with(name, $0.rawValue) },
            connectedBy: { [connected] in connected.with(name, $0.rawValue) },
            rightsLostBy: { [rightsLost] in rightsLost.with(name, $0.rawValue) },
            lostBy: { [lost] in lost.with(name, $0) })
    }
}

struct RemoteMetrics: Sendable {
    let received: Counter
    let stored: Counter
    let forwarded: Counter
    let duplicates: Counter
    let echoesIn: Counter
    let echoesOut: Counter
    let lag: Gauge
    let inFlight: Gauge
    let refusedBy: @Sendable (ClientOptions.Purpose, String) -> Counter
    let connectsBy: @Sendable (ClientOptions.Purpose) -> Counter
    let connectedBy: @Sendable (ClientOptions.Purpose) -> Gauge
    let rightsLostBy: @Sendable (ClientOptions.Purpose) -> Counter
    let lostBy: @Sendable (String) -> Counter

    func refused(_ direction: ClientOptions.Purpose, _ reason: String) { refusedBy(direction, reason).increment() }
}
