// SPDX-License-Identifier: Apache-2.0
import Foundation

/// The bus beside nats-server, a raw socket pair and the disk.
enum BusBenchmark {
    static func run(_ options: BenchmarkOptions) throws -> BenchmarkReport {
        try FileManager.default.createDirectory(atPath: options.directory, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: options.directory) }
        let machine = MachineFacts.gather(writingTo: options.directory)
        let part = options.rest["part"] ?? "all"
        var tables: [ResultTable] = []
        if part == "all" || part == "core" { tables.append(try core(options)) }
        if part == "all" || part == "durable" { tables.append(try durable(options)) }
        return BenchmarkReport(
            name: "bus", title: "The bus beside nats-server",
            method: [
                "One load generator for both brokers, one process each, interleaved runs on the same cores.",
                "Core: at most once, in memory, on both sides. Nobody is cut off: every message is delivered before the clock stops.",
                "Durable: the bus acknowledges after fdatasync, shared by all that wait; JetStream of this version after a write to the page cache.",
            ], machine: machine, tables: tables)
    }

    private struct Servers {
        let bus: MeasuredProcess
        let nats: MeasuredProcess
        let martletDialect: MartletDialect
        let natsDialect: NATSDialect

        func stop() {
            bus.stop()
            nats.stop()
        }
    }

    private static func start(_ options: BenchmarkOptions) throws -> Servers {
        let directory = options.directory
        let socket = directory + "/bus.sock"
        let port = UInt16.random(in: 20_000..<30_000)
        let bus = try MeasuredProcess(
            options.binaries + "/bus", [],
            environment: [
                "MARTLET_BUS_SOCKET": socket, "MARTLET_BUS_DATA": directory + "/bus", "MARTLET_BUS_HTTP_PORT": "0",
                "MARTLET_BUS_TEST_ROLE": "true",
            ], log: directory + "/bus.log")
        // nats-server gives up on a subscriber with 64 MiB waiting: here nobody is to be cut off.
        let configuration = """
            listen: "127.0.0.1:\(port)"
            max_pending: 2147483648
            write_deadline: "60s"
            jetstream { store_dir: "\(directory)/nats", max_file_store: 8G }
            """
        try configuration.write(toFile: directory + "/nats.conf", atomically: true, encoding: .utf8)
        let executable = ["/usr/sbin/nats-server", "/usr/bin/nats-server", "/usr/local/bin/nats-server"]
            .first { FileManager.default.isExecutableFile(atPath: $0) }
        guard let executable else { throw BenchmarkFailure(description: "nats-server is not installed") }
        let nats = try MeasuredProcess(executable, ["-c", directory + "/nats.conf"], log: directory + "/nats.log")
        let servers = Servers(
            bus: bus, nats: nats, martletDialect: MartletDialect(path: socket), natsDialect: NATSDialect(port: port))
        try waitUntilServing(servers.martletDialect, "bus", log: directory + "/bus.log")
        try waitUntilServing(servers.natsDialect, "nats-server", log: directory + "/nats.log")
        return servers
    }

    private static func waitUntilServing(_ dialect: any BrokerDialect, _ name: String, log: String) throws {
        for _ in 0..<500 {
            if (try? dialect.connect()) != nil { return }
            usleep(20_000)
        }
        let text = (try? String(contentsOfFile: log, encoding: .utf8)) ?? ""
        throw BenchmarkFailure(description: "\(name) does not serve: \(text.suffix(1000))")
    }

    private static func core(_ options: BenchmarkOptions) throws -> ResultTable {
        let servers = try start(options)
        defer { servers.stop() }
        let load = FanOutLoad(seconds: options.seconds)
        var raw = Samples()
        var rates: [String: [Samples]] = [:]
        let names = ["bus 1→1", "nats-server 1→1", "bus 1→4", "nats-server 1→4"]
        for name in names { rates[name] = [Samples(), Samples()] }
        for run in 0..<options.runs {
            progress("core, run \(run + 1) of \(options.runs)")
            raw.add(try load.runRaw(servers.martletDialect))
            for (index, name) in names.enumerated() {
                let subscribers = index < 2 ? 1 : 4
                let outcome =
                    index % 2 == 0
                    ? try load.run(servers.martletDialect, subscribers: subscribers, broker: servers.bus)
                    : try load.run(servers.natsDialect, subscribers: subscribers, broker: servers.nats)
                rates[name]?[0].add(outcome.messagesPerSecond)
                rates[name]?[1].add(outcome.processorSeconds)
            }
        }
        var table = ResultTable(
            title: "Bus core: 256 B, 64 subjects, one publisher",
            columns: ["", "published messages/s", "broker CPU s per million"],
            rows: [.init(name: "raw socket pair 1→1", figures: [raw, Samples()])]
                + names.map { .init(name: $0, figures: rates[$0] ?? []) })
        for (ours, theirs) in [(names[0], names[1]), (names[2], names[3])] {
            let rate = table.median(ours, 0) / table.median(theirs, 0)
            let processor = table.median(ours, 1) / table.median(theirs, 1)
            table.notes.append(
                "\(ours): \(String(format: "%.1f", rate)) × nats-server's rate with \(String(format: "%.2f", processor)) of its CPU per message"
            )
        }
        table.notes.append(
            "bus 1→1 carries \(String(format: "%.2f", table.median(names[0], 0) / raw.median)) of the raw socket pair's rate"
        )
        return table
    }

    private static func durable(_ options: BenchmarkOptions) throws -> ResultTable {
        let servers = try start(options)
        defer { servers.stop() }
        try servers.natsDialect.createStream("BENCH", subjects: "channels.>")
        let load = DurableLoad(seconds: options.seconds, subject: "channels.0123456789abcdef0123456.temp")
        let counts = [1, 16, 64, 1000]
        var rows: [ResultTable.Row] = []
        for name in ["fdatasync, appending", "fdatasync, preallocated"] {
            rows.append(.init(name: name, figures: [Samples()] + counts.dropFirst().map { _ in Samples() }))
        }
        let brokers: [(String, any BrokerDialect, DurableLoad.Shape)] = [
            ("bus, a connection each", servers.martletDialect, .connections),
            ("bus, pipelined on one connection", servers.martletDialect, .pipelined),
            ("JetStream, a connection each", servers.natsDialect, .connections),
            ("JetStream, pipelined on one connection", servers.natsDialect, .pipelined),
        ]
        for (name, _, _) in brokers { rows.append(.init(name: name, figures: counts.map { _ in Samples() })) }
        for run in 0..<options.runs {
            progress("durable, run \(run + 1) of \(options.runs)")
            for (index, isPreallocated) in [false, true].enumerated() {
                rows[index].figures[0].add(
                    try RawAppend.run(
                        options.directory, seconds: min(options.seconds, 1), isPreallocated: isPreallocated))
            }
            for (column, count) in counts.enumerated() {
                for (index, (_, dialect, shape)) in brokers.enumerated() {
                    rows[index + 2].figures[column].add(try load.run(dialect, publishers: count, shape: shape))
                }
            }
        }
        return ResultTable(
            title: "Durable publish, 256 B: acknowledged messages/s by number of waiting publishers",
            columns: [""] + counts.map(String.init), rows: rows,
            notes: [
                "The bus acknowledges after fdatasync. JetStream of this version acknowledges after writing to the page cache and syncs every two minutes (`sync_interval`): it promises less."
            ])
    }
}
