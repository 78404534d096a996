// SPDX-License-Identifier: Apache-2.0
import Observability

/// What the adapter counts. Resolved once, or at the first use of a reason.
///
/// A class: one of many references is not copied for each message that is counted.
final class BrokerMetrics {
    private let connects: LabelledMetric<Counter>
    private let violations: LabelledMetric<Counter>
    private let ends: LabelledMetric<Counter>
    private let handshakes: LabelledMetric<Counter>
    private let refusedConnections: LabelledMetric<Counter>
    private let endedConnections: LabelledMetric<Counter>
    private var refusals: ResolvedCounters
    private var drops: ResolvedCounters
    private let receivedByQoS: [Counter]
    private let receivedBytes: Counter
    let sent: Counter
    let duplicates: Counter
    let connections: Gauge
    let subscriptions: Gauge
    let slowConsumers: Counter
    let outwaited: Counter
    let revoked: Counter
    let wills: Counter
    let gaps: Counter
    let storeFailures: Counter
    let connectionErrors: Counter

    init(registry: MetricsRegistry) {
        connects = registry.counter(
            "martlet_mqtt_connects_total", help: "Accepted connections by protocol version and listener.",
            labels: ["version", "listener"])
        refusals = ResolvedCounters(
            registry.counter(
                "martlet_mqtt_refused_total", help: "Refused connections, publishes and subscriptions by reason.",
                labels: ["reason"]))
        violations = registry.counter(
            "martlet_mqtt_violations_total", help: "Packets that broke the protocol, by reason code and statement.",
            labels: ["reason", "statement"])
        ends = registry.counter(
            "martlet_mqtt_ended_total", help: "Connections that ended, by reason code.", labels: ["reason"])
        drops = ResolvedCounters(
            registry.counter(
                "martlet_mqtt_dropped_total", help: "Messages that did not reach a subscriber, by reason.",
                labels: ["reason"]))
        handshakes = registry.counter(
            "martlet_mqtt_tls_failures_total", help: "TLS handshakes that failed, by listener and reason.",
            labels: ["listener", "reason"])
        refusedConnections = registry.counter(
            "martlet_mqtt_connections_refused_total", help: "Refused connections by listener and reason.",
            labels: ["listener", "reason"])
        endedConnections = registry.counter(
            "martlet_mqtt_connections_ended_total",
            help: "Connections that ended after they were accepted, by listener and reason code.",
            labels: ["listener", "reason"])
        let received = registry.counter(
            "martlet_mqtt_received_total", help: "Messages that clients published, by QoS.", labels: ["qos"])
        receivedByQoS = ["0", "1", "2"].map { received.with($0) }
        receivedBytes = registry.counter(
            "martlet_mqtt_received_payload_bytes_total", help: "Payload bytes of messages that clients published.")
        sent = registry.counter("martlet_mqtt_sent_total", help: "Messages sent to subscribers.")
        duplicates = registry.counter(
            "martlet_mqtt_duplicates_total", help: "QoS 2 messages that the bus had already.")
        connections = registry.gauge("martlet_mqtt_connections", help: "Open connections.")
        subscriptions = registry.gauge("martlet_mqtt_subscriptions", help: "Subscriptions of all sessions.")
        slowConsumers = registry.counter(
            "martlet_mqtt_slow_clients_total", help: "Connections cut off because they took nothing.")
        outwaited = registry.counter(
            "martlet_mqtt_outwaited_total",
            help: "Times that a client did not catch up while publishers or the stream waited for it.")
        revoked = registry.counter(
            "martlet_mqtt_revoked_total", help: "Subscriptions that ended because the right was gone.")
        wills = registry.counter("martlet_mqtt_wills_total", help: "Wills that were published.")
        gaps = registry.counter(
            "martlet_mqtt_gaps_total", help: "Times that messages were missing in the stream that is followed.")
        storeFailures = registry.counter(
            "martlet_mqtt_store_failures_total", help: "Commits of sessions that failed and were tried again.")
        connectionErrors = registry.counter(
            "martlet_mqtt_connection_errors_total", help: "Connections that broke: resets, failed TLS handshakes.")
    }

    /// Connections that were accepted.
    private(set) var accepted: UInt64 = 0

    var receivedMessages: UInt64 { receivedByQoS.reduce(0) { $0 &+ $1.value } }
    var receivedPayloadBytes: UInt64 { receivedBytes.value }
    var droppedMessages: UInt64 { drops.total }

    func connected(_ version: ProtocolVersion, _ listener: Listener.Kind) {
        connects.with(version == .v5 ? "5" : "3.1.1", listener.rawValue).increment()
        accepted += 1
    }

    func handshakeFailed(_ listener: Listener.Kind, _ reason: TLSFailures.Reason) {
        handshakes.with(listener.rawValue, reason.rawValue).increment()
    }

    /// A connection that never was accepted; ``refused(_:)`` has it among all other refusals.
    func refused(_ reason: String, on listener: Listener.Kind) {
        refused(reason)
        refusedConnections.with(listener.rawValue, reason).increment()
    }

    /// A connection that was accepted.
    func ended(_ reason: ReasonCode, on listener: Listener.Kind) {
        ended(reason)
        endedConnections.with(listener.rawValue, reason.name).increment()
    }

    func refused(_ reason: String, _ count: Int = 1) { refusals.increment(reason, by: count) }

    func dropped(_ reason: String, _ count: Int = 1) { drops.increment(reason, by: count) }

    func violated(_ violation: Violation) {
        violations.with(violation.reason.name, violation.statement.description).increment()
    }

    func ended(_ reason: ReasonCode) { ends.with(reason.name).increment() }

    func received(_ qos: QualityOfService, bytes: Int, count: Int = 1) {
        receivedByQoS[Int(qos.rawValue)].increment(by: UInt64(count))
        receivedBytes.increment(by: UInt64(bytes))
    }
}
