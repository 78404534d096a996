// SPDX-License-Identifier: Apache-2.0
import Observability

/// What the adapter counts. Resolved once, or at the first use of a label.
final class GatewayMetrics {
    private let responses: LabelledMetric<Counter>
    private let refusals: LabelledMetric<Counter>
    private let ignored: LabelledMetric<Counter>
    private var responsesByCode: [CoAPCode: Counter] = [:]
    private var refusalsByReason: [String: Counter] = [:]
    private let drops: LabelledMetric<Counter>
    private let ends: LabelledMetric<Counter>
    private let cuts: LabelledMetric<Counter>
    private var ignoredByReason: [String: Counter] = [:]
    private var dropsByReason: [String: Counter] = [:]
    private let requestsByTransport: [CoAPTransport: Counter]
    let payloadBytes: Counter
    let retransmissions: Counter
    let duplicates: Counter
    let latency: Histogram
    let inFlight: Gauge
    let heldBytes: Gauge
    let observers: Gauge
    let notifications: Counter
    let confirmableNotifications: Counter
    let gaps: Counter
    let kernelDrops: Counter

    init(registry: MetricsRegistry) {
        responses = registry.counter(
            "martlet_coap_responses_total", help: "Answered requests by code.", labels: ["code"])
        refusals = registry.counter(
            "martlet_coap_refused_total", help: "Refused requests by reason.", labels: ["reason"])
        ignored = registry.counter(
            "martlet_coap_ignored_total", help: "Requests that were not looked at, by reason.", labels: ["reason"])
        let requests = registry.counter(
            "martlet_coap_requests_total", help: "Requests by transport; those that came again are not among them.",
            labels: ["transport"])
        requestsByTransport = Dictionary(
            uniqueKeysWithValues: CoAPTransport.allCases.map { ($0, requests.with($0.rawValue)) })
        drops = registry.counter(
            "martlet_coap_dropped_total", help: "Messages that an observer was not notified of, by reason.",
            labels: ["reason"])
        cuts = registry.counter(
            "martlet_coap_connections_cut_off_total",
            help: "Connections over TCP and TLS that were ended here, by reason.",
            labels: ["reason"])
        ends = registry.counter(
            "martlet_coap_observations_ended_total", help: "Observations that ended, by reason.", labels: ["reason"])
        let notified = registry.counter(
            "martlet_coap_notifications_total", help: "Notifications to observers.", labels: ["confirmable"])
        notifications = notified.with("false")
        confirmableNotifications = notified.with("true")
        observers = registry.gauge("martlet_coap_observers", help: "Observations of all clients.")
        gaps = registry.counter(
            "martlet_coap_gaps_total", help: "Messages that were missing in the stream that is followed.")
        kernelDrops = registry.counter(
            "martlet_coap_datagrams_dropped_total",
            help:
                "Datagrams that the kernel dropped: of addresses that are ignored, or because a receive buffer was full."
        )
        payloadBytes = registry.counter(
            "martlet_coap_accepted_payload_bytes_total", help: "Payload bytes of accepted messages.")
        retransmissions = registry.counter(
            "martlet_coap_retransmissions_total",
            help: "Requests that came again and were answered as before, or dropped.")
        duplicates = registry.counter(
            "martlet_coap_duplicates_total", help: "Messages that the bus had already from an earlier process.")
        latency = registry.histogram(
            "martlet_coap_publish_seconds", help: "From a publish to its 2.04.")
        heldBytes = registry.gauge(
            "martlet_coap_held_bytes", help: "Bytes of bodies that come or go in blocks.")
        inFlight = registry.gauge("martlet_coap_publishes_in_flight", help: "Messages on their way to the bus.")
    }

    func request(_ transport: CoAPTransport) { requestsByTransport[transport]?.increment() }

    func responded(_ code: CoAPCode) {
        if let counter = responsesByCode[code] { return counter.increment() }
        let counter = responses.with(code.description)
        responsesByCode[code] = counter
        counter.increment()
    }

    func refused(_ reason: String) {
        if let counter = refusalsByReason[reason] { return counter.increment() }
        let counter = refusals.with(reason)
        refusalsByReason[reason] = counter
        counter.increment()
    }

    func ignored(_ reason: String) {
        if let counter = ignoredByReason[reason] { return counter.increment() }
        let counter = ignored.with(reason)
        ignoredByReason[reason] = counter
        counter.increment()
    }

    func dropped(_ reason: String) {
        if let counter = dropsByReason[reason] { return counter.increment() }
        let counter = drops.with(reason)
        dropsByReason[reason] = counter
        counter.increment()
    }

    func cutOff(_ reason: String) { cuts.with(reason).increment() }

    func observationEnded(_ reason: String) { ends.with(reason).increment() }
}
