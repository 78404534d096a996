// SPDX-License-Identifier: Apache-2.0
import Observability

/// The loop's counters in Prometheus' form, and the daemon's health.
enum BusMetrics {
    private static let counters: [(name: String, help: String, value: any KeyPath<BusStatistics, UInt64> & Sendable)] =
        [
            ("connections_accepted_total", "Connections accepted.", \.connectionsAccepted),
            ("connections_refused_total", "Connections refused at once.", \.connectionsRefused),
            ("messages_received_total", "Messages published.", \.messagesReceived),
            ("received_bytes_total", "Bytes read.", \.bytesReceived),
            ("messages_delivered_total", "Messages handed to core subscribers.", \.messagesDelivered),
            ("sent_bytes_total", "Bytes written.", \.bytesSent),
            ("messages_without_receiver_total", "Messages that nobody subscribes to.", \.messagesWithoutReceiver),
            ("durable_publishes_total", "Publishes acknowledged after the sync.", \.durablePublishes),
            (
                "unacknowledged_refused_total", "Publishes that a stream refused and nobody waits for.",
                \.unacknowledgedRefused
            ),
            ("no_responders_total", "Requests that nobody listens to.", \.noResponders),
            ("publisher_stalls_total", "Times a publisher was paused behind a receiver.", \.publisherStalls),
            ("route_misses_total", "Subjects looked up in the subscription trie.", \.routeMisses),
        ]
    private static let gauges: [(name: String, help: String, value: any KeyPath<BusStatistics, Int> & Sendable)] = [
        ("connections", "Connections now.", \.connections),
        ("subscriptions", "Core subscriptions now.", \.subscriptions),
        ("buffered_bytes", "Bytes waiting to be written to connections now.", \.bufferedBytes),
        ("congested_connections", "Connections above their high-water mark now.", \.congestedConnections),
    ]
    private static let streamValues:
        [(name: String, help: String, kind: ObservedMetric.Kind, value: @Sendable (StreamStatistics) -> Double)] = [
            ("stream_last_sequence", "Last synced sequence number.", .gauge, { Double($0.lastSequence) }),
            ("stream_first_sequence", "First kept sequence number.", .gauge, { Double($0.firstSequence) }),
            ("stream_bytes", "Bytes of the log on disk.", .gauge, { Double($0.bytes) }),
            ("stream_budget_bytes", "Disk budget.", .gauge, { Double($0.budgetBytes) }),
            ("stream_accepting", "1 while the stream takes publishes.", .gauge, { $0.isAccepting ? 1 : 0 }),
            ("stream_corrupt_total", "Records lost to corruption, as found so far.", .counter, { Double($0.corrupt) }),
            ("stream_syncs_total", "Batches written and synced.", .counter, { Double($0.syncs) }),
            ("stream_refused_total", "Publishes that the stream refused.", .counter, { Double($0.refused) }),
        ]
    private static let consumerValues:
        [(name: String, help: String, kind: ObservedMetric.Kind, value: @Sendable (ConsumerStatistics) -> Double)] = [
            ("consumer_pending", "Stored behind the acknowledged position.", .gauge, { Double($0.pending) }),
            ("consumer_unacknowledged", "Delivered and not acknowledged.", .gauge, { Double($0.unacknowledged) }),
            ("consumer_has_reader", "1 while somebody reads.", .gauge, { $0.hasReader ? 1 : 0 }),
            ("consumer_redelivered_total", "Deliveries that were not the first.", .counter, { Double($0.redelivered) }),
            ("consumer_dead_lettered_total", "Messages given up.", .counter, { Double($0.deadLettered) }),
        ]

    static func register(_ daemon: BusDaemon, in registry: MetricsRegistry, health: HealthRegistry) {
        for (name, help, value) in counters {
            registry.observe("martlet_bus_\(name)", help: help, type: .counter) {
                Double(daemon.statistics[keyPath: value])
            }
        }
        for (name, help, value) in gauges {
            registry.observe("martlet_bus_\(name)", help: help) { Double(daemon.statistics[keyPath: value]) }
        }
        registry.observe(
            "martlet_bus_refusals_total", help: "Refused by reason.", type: .counter, labels: ["reason"]
        ) { samples(daemon.statistics.refusals) }
        registry.observe(
            "martlet_bus_cut_off_total", help: "Connections closed by the bus, by reason.", type: .counter,
            labels: ["reason"]
        ) { samples(daemon.statistics.cutOff) }
        for (name, help, kind, value) in streamValues {
            registry.observe("martlet_bus_\(name)", help: help, type: kind, labels: ["stream"]) {
                daemon.statistics.streams.map { .init(labels: [$0.name], value: value($0)) }
            }
        }
        for (name, help, kind, value) in consumerValues {
            registry.observe("martlet_bus_\(name)", help: help, type: kind, labels: ["stream", "consumer"]) {
                daemon.statistics.streams.flatMap { stream in
                    stream.consumers.map { .init(labels: [stream.name, $0.name], value: value($0)) }
                }
            }
        }
        health.register("streams") {
            let refusing = daemon.statistics.streams.filter { !$0.isAccepting }
            guard !refusing.isEmpty else { return .up }
            return .degraded(refusing.map { "\($0.name): \($0.reason ?? "refuses publishes")" }.joined(separator: "; "))
        }
    }

    private static func samples(_ values: [String: UInt64]) -> [ObservedMetric.Sample] {
        values.sorted { $0.key < $1.key }.map { .init(labels: [$0.key], value: Double($0.value)) }
    }
}
