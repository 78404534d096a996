// SPDX-License-Identifier: Apache-2.0
import Bus
import Foundation
import Logging
import Messaging
import TestKit

/// HTTP publish through `http-adapter`, authorized and durable, beside two servers that only answer 202: same generator, same connections, same
/// 200-byte pack, interleaved runs.
///
/// The adapter is measured twice: with what an answer needs (bus, adapter; `things` and PostgreSQL idle once the right is known), and with
/// `writer-postgres` storing every message at the same time on the same cores.
struct HTTPBenchmark {
    var connections = 64
    var rounds = 3
    var seconds = 8

    struct Run: Codable {
        var load: WrkLoad.Result
        /// CPU of each server process for one request, microseconds.
        var cpuMicroseconds: [String: Double]
        var residentMebibytes: [String: Double]
    }

    struct Row: Codable {
        var name: String
        var runs: [Run]

        func median(_ value: (Run) -> Double) -> Double {
            let sorted = runs.map(value).sorted()
            return sorted.isEmpty ? .nan : sorted[sorted.count / 2]
        }

        func spread(_ value: (Run) -> Double) -> String {
            let values = runs.map(value)
            return String(format: "%.1f–%.1f", values.min() ?? .nan, values.max() ?? .nan)
        }
    }

    struct Report: Codable {
        var connections: Int
        var secondsPerRun: Int
        var payloadBytes: Int
        var cores: Int
        var idleResidentMebibytes: [String: Double]
        var rows: [Row]
    }

    func run() async throws -> Report {
        let directory = try TemporaryDirectory("bench-http")
        let peers = try BareServer.allCases.map { try startPeer($0, directory) }
        for peer in peers { try await waitUntilListening(peer.port, peer.process) }
        let stack = try await Stack.start()
        let device = try await stack.makeDevice(token: stack.adminToken())
        let idle = try resident(Stack.services, of: stack)

        var rows = BareServer.allCases.map { Row(name: $0.title, runs: []) }
        rows.append(Row(name: "http-adapter, authorized and durable", runs: []))
        rows.append(Row(name: "the same, writer-postgres storing meanwhile", runs: []))
        for round in 1...rounds {
            for (index, peer) in peers.enumerated() {
                FileHandle.standardError.write(Data("http: round \(round), \(rows[index].name)\n".utf8))
                rows[index].runs.append(
                    try await measure(
                        WrkLoad(port: peer.port, path: device.publishPath, key: device.key), ["server": peer.process],
                        directory))
            }
            for (offset, isStoring) in [false, true].enumerated() {
                try await setWriter(running: isStoring, in: stack)
                let index = peers.count + offset
                FileHandle.standardError.write(Data("http: round \(round), \(rows[index].name)\n".utf8))
                let services = isStoring ? Stack.services : Stack.services.filter { $0 != "writer-postgres" }
                let processes = try Dictionary(uniqueKeysWithValues: services.map { ($0, try stack.process($0)) })
                rows[index].runs.append(
                    try await measure(
                        WrkLoad(port: stack.ports["http-adapter"] ?? 0, path: device.publishPath, key: device.key),
                        processes, directory))
            }
        }
        try await stack.stop()
        for peer in peers { try await peer.process.terminate() }
        return Report(
            connections: connections, secondsPerRun: seconds, payloadBytes: WrkLoad.body.utf8.count,
            cores: ProcessInfo.processInfo.activeProcessorCount, idleResidentMebibytes: idle, rows: rows)
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
            (try? await HTTPClient(port: port).post("/", text: "x"))?.status == 202
        }
    }

    private func setWriter(running: Bool, in stack: Stack) async throws {
        let writer = try stack.process("writer-postgres")
        if running && !writer.isRunning {
            try stack.launch("writer-postgres")
            try await stack.waitUntilHealthy(["writer-postgres"])
            // What the run without it has left behind is stored first, so that it is not charged to this one.
            let bus = SocketBus.connect(
                SocketBusConfiguration(path: stack.directory.file("bus.sock"), name: "martlet"),
                logger: Logger(label: "bench"))
            try await eventually("the writer has caught up", deadline: .seconds(600), interval: .milliseconds(200)) {
                let state = try? await bus.consumerState(stream: Streams.messages, consumer: Streams.writerConsumer)
                return state.map { $0.pending == 0 && $0.unacknowledged == 0 } ?? false
            }
            await bus.close()
        } else if !running && writer.isRunning {
            try await writer.terminate()
        }
    }

    private func measure(
        _ load: WrkLoad, _ processes: [String: ServiceProcess], _ directory: TemporaryDirectory
    ) async throws -> Run {
        var load = load
        load.connections = connections
        // Connections made, rights known, code paged in.
        load.seconds = 2
        _ = try await load.run(in: directory)
        load.seconds = seconds
        let before = try processes.mapValues { try ProcessUsage(of: $0.processIdentifier) }
        let result = try await load.run(in: directory)
        let after = try processes.mapValues { try ProcessUsage(of: $0.processIdentifier) }
        var cpu: [String: Double] = [:]
        for (name, usage) in after {
            cpu[name] = (usage.cpuSeconds - (before[name]?.cpuSeconds ?? 0)) * 1e6 / Double(max(1, result.requests))
        }
        return Run(
            load: result, cpuMicroseconds: cpu,
            residentMebibytes: after.mapValues { Double($0.residentBytes) / 1_048_576 })
    }

    private func resident(_ services: [String], of stack: Stack) throws -> [String: Double] {
        var sizes: [String: Double] = [:]
        for service in services {
            sizes[service] =
                Double(try ProcessUsage(of: stack.process(service).processIdentifier).residentBytes) / 1_048_576
        }
        return sizes
    }
}
