// SPDX-License-Identifier: Apache-2.0
import Foundation
import TestKit

/// HTTP publish through `http-adapter`, authorized and durable, beside two servers that only answer 202: same generator, same connections, same
/// 200-byte pack, interleaved runs.
///
/// The adapter is measured twice: with what an answer needs (bus, adapter; `things` and PostgreSQL idle once the right is known), and with
/// `writer-postgres` storing every message at the same time on the same cores.
struct HTTPBenchmark {
    let options: BenchmarkOptions
    let connections = 64

    private static let ours = "http-adapter, authorized and durable"
    private static let storing = "the same, writer-postgres storing meanwhile"

    init(_ options: BenchmarkOptions) { self.options = options }

    func run() async throws -> BenchmarkReport {
        let machine = MachineFacts.gather()
        let directory = try TemporaryDirectory("bench-http")
        let peers = try BareServer.allCases.map { try startPeer($0, directory) }
        for peer in peers { try await waitUntilListening(peer.port, peer.process) }
        let stack = try await Stack.start(databaseSettings: PostgresCluster.benchmarkSettings)
        let device = try await stack.makeDevice(token: stack.adminToken())
        var table = ResultTable(
            title: "POST of \(WrkLoad.body.utf8.count) bytes of SenML, \(connections) connections",
            columns: [
                "server", "requests/s", "p50 ms", "p99 ms", "server CPU µs/request", "of it adapter", "bus", "writer",
                "failures",
            ])
        for round in 1...options.runs {
            for (server, peer) in zip(BareServer.allCases, peers) {
                progress("http: run \(round) of \(options.runs), \(server.title)")
                let load = WrkLoad(port: peer.port, path: device.publishPath, key: device.key)
                table.add(try await measure(load, ["server": peer.process], directory), to: server.title)
            }
            for (name, isStoring) in [(Self.ours, false), (Self.storing, true)] {
                try await setWriter(running: isStoring, in: stack)
                progress("http: run \(round) of \(options.runs), \(name)")
                let services = isStoring ? Stack.services : Stack.services.filter { $0 != "writer-postgres" }
                let processes = try Dictionary(uniqueKeysWithValues: services.map { ($0, try stack.process($0)) })
                let load = WrkLoad(port: stack.ports["http-adapter"] ?? 0, path: device.publishPath, key: device.key)
                table.add(try await measure(load, processes, directory), to: name)
            }
        }
        try await stack.stop()
        for peer in peers { try await peer.process.terminate() }
        let ratio = table.median(Self.ours, 0) / table.median(BareServer.hummingbird.title, 0)
        table.notes.append(
            "http-adapter answers \(String(format: "%.2f", ratio)) × as many requests as bare Hummingbird, which authorizes and stores nothing."
        )
        return BenchmarkReport(
            name: "http", title: "HTTP publish",
            method: [
                "wrk, 2 threads, a closed loop on each connection, on the same cores as the servers; runs interleaved.",
                "http-adapter's 202 means: the key was checked against the channel, the SenML parsed, the message synced to disk by the bus.",
                "The bare servers read the body and answer 202: nothing is checked, nothing kept.",
                "CPU is of all server processes, without wrk; PostgreSQL's, which works only while the writer does, is not counted.",
            ], machine: machine, tables: [table])
    }

    private func startPeer(
        _ server: BareServer, _ directory: TemporaryDirectory
    ) throws -> (process: ServiceProcess, port: Int) {
        let port = try FreePort.next()
        let process = try ServiceProcess(
            program: Executables.path("bench"), arguments: ["http-peer", server.rawValue, String(port)],
            log: directory.file("\(server.rawValue).log"))
        return (process, port)
    }

    private func waitUntilListening(_ port: Int, _ process: ServiceProcess) async throws {
        try await process.wait("it answers") {
            (try? await HTTPClient(port: port).post("/channels/x/messages", text: "x"))?.status == 202
        }
    }

    private func setWriter(running: Bool, in stack: Stack) async throws {
        let writer = try stack.process("writer-postgres")
        if running && !writer.isRunning {
            try stack.launch("writer-postgres")
            try await stack.waitUntilHealthy(["writer-postgres"])
            // What the run without it has left behind is stored first, so that it is not charged to this one.
            try await stack.waitUntilStored()
        } else if !running && writer.isRunning {
            try await writer.terminate()
        }
    }

    /// - Returns: the figures of a row.
    private func measure(
        _ load: WrkLoad, _ processes: [String: ServiceProcess], _ directory: TemporaryDirectory
    ) async throws -> [Double] {
        var load = load
        load.connections = connections
        // Connections made, rights known, code paged in.
        load.seconds = 2
        _ = try await load.run(in: directory)
        load.seconds = Int(options.seconds(default: 8))
        let before = try processes.mapValues { try ProcessUsage(of: $0.processIdentifier).cpuSeconds }
        let result = try await load.run(in: directory)
        var spent: [String: Double] = [:]
        for (name, process) in processes {
            let seconds = try ProcessUsage(of: process.processIdentifier).cpuSeconds - (before[name] ?? 0)
            spent[name] = seconds * 1e6 / Double(max(1, result.requests))
        }
        return [
            result.requestsPerSecond, result.p50Milliseconds, result.p99Milliseconds, spent.values.reduce(0, +),
            spent["http-adapter"] ?? .nan, spent["bus"] ?? .nan, spent["writer-postgres"] ?? .nan,
            Double(result.failures),
        ]
    }
}
