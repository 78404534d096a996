// SPDX-License-Identifier: Apache-2.0
import Foundation
import TestKit

/// `mqtt-adapter` beside Mosquitto: messages a second, processor time a message, latency, and what idle connections cost.
struct MQTTBenchmark {
    private static let payloads = [64, 256]

    let options: BenchmarkOptions
    /// Users, in turn for all connections.
    private let accounts = 1_000
    private let idleConnections: Int
    private let part: String
    /// Messages a second of the latency's load; nil: half of what the slower broker carries.
    private let chosenRate: Int?

    init(_ options: BenchmarkOptions) throws {
        self.options = options
        idleConnections = try options.number("connections", default: 19_000)
        chosenRate = try options.rest["rate"].map { _ in try options.number("rate", default: 1) }
        part = options.rest["part"] ?? "all"
        guard ["all", "load", "latency", "idle", "storm"].contains(part) else {
            throw BenchmarkFailure(description: "--part wants load, latency, idle or storm")
        }
    }

    private static func shapes(qualityOfService: UInt8) -> [MQTTLoad.Shape] {
        let variants: [(publishers: Int, subscribers: Int, batch: Int)] =
            qualityOfService == 0
            ? [(50, 1, 64), (50, 1, 1), (1, 50, 64), (1, 50, 1)] : [(50, 1, 64), (1, 50, 64), (1_000, 1, 1)]
        return variants.flatMap { variant in
            payloads.map { payload in
                MQTTLoad.Shape(
                    qualityOfService: qualityOfService, publishers: variant.publishers,
                    subscribers: variant.subscribers, batch: variant.batch, payloadBytes: payload)
            }
        }
    }

    func run() async throws -> BenchmarkReport {
        let machine = MachineFacts.gather()
        let relay = try await BareRelayServer()
        let servers = try await startServers()
        var tables: [ResultTable] = []
        let brokers = servers.map(\.broker)
        var load = [loadTable(0), loadTable(1)]
        if part == "all" || part == "load" {
            for round in 1...options.runs {
                progress("mqtt: run \(round) of \(options.runs)")
                for qualityOfService in 0...1 {
                    try measureLoad(UInt8(qualityOfService), brokers, relay.broker, into: &load[qualityOfService])
                }
            }
            tables += load
        }
        if part == "all" || part == "latency" { tables.append(try measureLatency(brokers, load)) }
        try await relay.stop()
        if part == "all" || part == "idle" { tables.append(try await measureIdle(servers)) }
        if part == "all" || part == "storm", let server = servers.lazy.compactMap({ $0 as? MartletServer }).first {
            tables.append(try await measureStorm(server))
        }
        for server in servers { try await server.stop() }
        return BenchmarkReport(
            name: "mqtt", title: "MQTT", method: method(servers), machine: machine, tables: tables)
    }

    /// Those that `--broker` names; without it both, or Mosquitto alone where `mqtt-adapter` was not built, which the report says.
    private func startServers() async throws -> [any MQTTServer] {
        let wanted = options.rest["broker"]
        guard wanted == nil || wanted == "mosquitto" || wanted == MartletServer.executable else {
            throw BenchmarkFailure(description: "--broker wants mosquitto or \(MartletServer.executable)")
        }
        var servers: [any MQTTServer] = []
        let isBuilt = (try? Executables.path(MartletServer.executable)) != nil
        if wanted == MartletServer.executable || (wanted == nil && isBuilt) {
            servers.append(try await MartletServer(accounts: accounts))
        }
        if wanted != MartletServer.executable { servers.append(try await MosquittoServer(accounts: accounts)) }
        return servers
    }

    private func method(_ servers: [any MQTTServer]) -> [String] {
        var lines = [
            "MQTT 3.1.1 over loopback TCP; one load generator for all, on one thread; each broker a process of its own; runs interleaved on the same cores.",
            "Every connection gives user name and password, 1,000 users in turn; every user has the right to one channel, which is checked. All publish to topics of their own in it, subscribers subscribe to all of it.",
            "Publishing goes on for \(options.seconds(default: 1.5)) s; the clock stops at the last delivery. What was not delivered a second after the last one is lost. QoS 1 on both ways: subscribers acknowledge as well.",
            "CPU is of the broker's processes, divided by deliveries. The bare relay only moves QoS 0 packets from socket to socket: what generator and kernel can do. Where the generator is busy all the time, it is the limit.",
            "Mosquitto: password_file, acl_file, no persistence, max_inflight_messages 0 and max_queued_messages 0 (no limit): a PUBACK of it promises that the message is in memory.",
            "mqtt-adapter's PUBACK comes after the bus has synced the message to disk.",
        ]
        if !servers.contains(where: { $0.broker.name == MartletServer.executable }) {
            lines.append("\(MartletServer.executable) was not measured.")
        }
        return lines
    }

    // MARK: Load

    private func loadTable(_ qualityOfService: Int) -> ResultTable {
        ResultTable(
            title: "QoS \(qualityOfService)",
            columns: [
                "", "published/s", "delivered/s", "delivered of published %", "broker CPU µs a delivery",
                "CPU µs of the bus besides", "generator busy %",
            ])
    }

    private func measureLoad(
        _ qualityOfService: UInt8, _ brokers: [MQTTBroker], _ relay: MQTTBroker, into table: inout ResultTable
    ) throws {
        let wanted = options.rest["shape"]
        for shape in Self.shapes(qualityOfService: qualityOfService)
        where wanted.map({ "QoS \(qualityOfService) \(shape.name)".contains($0) }) ?? true {
            // The relay knows QoS 0 only.
            for broker in (qualityOfService == 0 ? [relay] : []) + brokers {
                let outcome = try MQTTLoad(shape, broker).run(seconds: options.seconds(default: 1.5))
                let name = "\(shape.name): \(broker.name)"
                let deliveries = Double(max(1, outcome.delivered))
                let spent = outcome.processorSeconds.map { $0 * 1e6 / deliveries }
                table.add(
                    [
                        Double(qualityOfService == 0 ? outcome.published : outcome.acknowledged) / outcome.seconds,
                        Double(outcome.delivered) / outcome.seconds,
                        100 * deliveries / Double(max(1, outcome.expected)), spent.first ?? .nan,
                        spent.count > 1 ? spent[1] : .nan, 100 * outcome.generatorShare,
                    ], to: name)
                if outcome.cutOff > 0 || outcome.delivered < outcome.expected {
                    let lost = outcome.expected - outcome.delivered
                    table.notes.append("\(name): \(lost) messages lost, \(outcome.cutOff) connections cut off.")
                }
            }
            guard qualityOfService == 0, shape.subscribers == 1 else { continue }
            let discarding = MQTTLoad.Shape(
                qualityOfService: 0, publishers: shape.publishers, subscribers: 0, batch: shape.batch,
                payloadBytes: shape.payloadBytes)
            let outcome = try MQTTLoad(discarding, relay).run(seconds: min(1, options.seconds(default: 1.5)))
            table.add(
                [
                    Double(outcome.published) / outcome.seconds, .nan, .nan, .nan, .nan,
                    100 * outcome.generatorShare,
                ],
                to: "\(discarding.name): into a sink that discards")
        }
    }

    // MARK: Latency

    private func measureLatency(_ brokers: [MQTTBroker], _ load: [ResultTable]) throws -> ResultTable {
        var table = ResultTable(
            title: "Latency at a fixed rate, 50→1, 64 B, milliseconds from when a message is due to when it is read",
            columns: ["", "messages/s", "p50", "p99", "worst", "missing"])
        for round in 1...options.runs {
            for qualityOfService in 0...1 {
                let rate = rate(load[qualityOfService], brokers)
                for broker in brokers {
                    progress("mqtt: latency, run \(round) of \(options.runs), QoS \(qualityOfService), \(broker.name)")
                    let outcome = try MQTTLatency(
                        broker, qualityOfService: UInt8(qualityOfService), messagesPerSecond: rate
                    ).run(seconds: options.seconds(default: 2.5))
                    table.add(Self.figures(outcome), to: "QoS \(qualityOfService): \(broker.name)")
                }
            }
        }
        return table
    }

    private static func figures(_ outcome: MQTTLatency.Outcome) -> [Double] {
        [
            outcome.messagesPerSecond, outcome.percentile(0.5), outcome.percentile(0.99), outcome.percentile(1),
            Double(outcome.published - outcome.delivered),
        ]
    }

    /// Half of what the slowest broker delivers in the like shape, unless `--rate` says; 10,000 where no load was measured.
    private func rate(_ load: ResultTable, _ brokers: [MQTTBroker]) -> Int {
        if let chosenRate { return chosenRate }
        let like = load.rows.filter { row in
            row.name.hasPrefix("50→1, 64 B") && (row.name.contains("one a write") || row.name.contains("window"))
                && brokers.contains { row.name.hasSuffix(": \($0.name)") }
        }
        let least = like.map { load.median($0.name, 1) }.min() ?? 20_000
        return max(100, Int(least / 2))
    }

    // MARK: Idle connections

    private func measureIdle(_ servers: [any MQTTServer]) async throws -> ResultTable {
        var table = ResultTable(
            title: "\(idleConnections.formatted()) idle connections",
            columns: [
                "", "connects/s", "RSS KiB each", "PSS KiB each", "broker CPU µs a connect",
                "with them, 1,000 messages/s of QoS 0: p50 ms", "p99 ms",
            ])
        for round in 1...options.runs {
            for server in servers {
                progress("mqtt: idle connections, run \(round) of \(options.runs), \(server.broker.name)")
                try await server.restart()
                let broker = server.broker
                let before = try broker.memory()
                let processor = try broker.processorSeconds()
                let start = ContinuousClock.now
                let connections = try MQTTConnector(broker: broker, role: "idle").open(idleConnections)
                let seconds = start.duration(to: .now) / .seconds(1)
                let spent = zip(try broker.processorSeconds(), processor).map { $0 - $1 }
                try await Task.sleep(for: .seconds(1))
                let after = try broker.memory()
                let latency = try MQTTLatency(broker, qualityOfService: 0, messagesPerSecond: 1_000)
                    .run(seconds: min(2, options.seconds(default: 2)))
                let count = Double(connections.count)
                table.add(
                    [
                        count / seconds, Double(after.residentBytes - before.residentBytes) / 1_024 / count,
                        Double(after.proportionalBytes - before.proportionalBytes) / 1_024 / count,
                        (spent.first ?? .nan) * 1e6 / count, latency.percentile(0.5), latency.percentile(0.99),
                    ], to: broker.name)
            }
        }
        return table
    }

    // MARK: Storm

    private func measureStorm(_ server: MartletServer) async throws -> ResultTable {
        var table = ResultTable(
            title:
                "\(idleConnections.formatted()) devices with kept sessions and subscriptions come back at once after kill -9 of mqtt-adapter, seconds from the crash to CONNACK",
            columns: ["", "p50", "p99", "last", "refused", "without their session", "tries again", "RSS MiB after"])
        for round in 1...options.runs {
            progress("mqtt: storm, run \(round) of \(options.runs)")
            let outcome = try await MQTTStorm(server: server, count: idleConnections).run()
            let place = { (share: Double) in
                outcome.seconds[min(outcome.seconds.count - 1, Int(share * Double(outcome.seconds.count)))]
            }
            table.add(
                [
                    place(0.5), place(0.99), place(1), Double(outcome.refused), Double(outcome.forgotten),
                    Double(outcome.broken), Double(outcome.residentBytes) / Double(1 << 20),
                ], to: MartletServer.executable)
        }
        return table
    }
}
