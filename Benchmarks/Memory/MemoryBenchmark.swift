// SPDX-License-Identifier: Apache-2.0
import Foundation
import TestKit

/// Memory of each process: idle, when the HTTP load has just ended and everything is stored, and after a pause.
struct MemoryBenchmark {
    let options: BenchmarkOptions
    /// How long a process may take to give memory back.
    private let pause = 15

    init(_ options: BenchmarkOptions) { self.options = options }

    func run() async throws -> BenchmarkReport {
        let machine = MachineFacts.gather()
        let columns = ["process", "idle", "after the load", "after a pause"]
        var resident = ResultTable(title: "Resident memory (RSS), MiB", columns: columns)
        var proportional = ResultTable(
            title: "Proportional memory (PSS), MiB: a shared page counts in parts", columns: columns)
        var requests = Samples()
        for run in 1...options.runs {
            progress("memory: run \(run) of \(options.runs)")
            let (moments, accepted) = try await measure()
            requests.add(Double(accepted))
            var sum = moments.map { _ in 0.0 }
            for name in Stack.services + ["postgres"] {
                let usages = moments.map { $0[name] ?? MemoryUsage() }
                if name != "postgres" {
                    resident.add(usages.map { Self.mebibytes($0.residentBytes) }, to: name)
                    for (index, usage) in usages.enumerated() { sum[index] += Self.mebibytes(usage.proportionalBytes) }
                }
                let title = name == "postgres" ? "PostgreSQL, all processes" : name
                proportional.add(usages.map { Self.mebibytes($0.proportionalBytes) }, to: title)
            }
            proportional.add(sum, to: "all services without PostgreSQL")
        }
        resident.notes.append("The load: \(Int(requests.median)) accepted publishes (median).")
        return BenchmarkReport(
            name: "memory", title: "Memory of each process",
            method: [
                "Each run starts a new stack. Idle: healthy, one device made, five seconds later.",
                "The load: wrk with 64 connections for \(Int(options.seconds(default: 8))) s on http-adapter; \"after the load\" is when the writer has stored everything; the pause lasts \(pause) s without any request.",
                "RSS and PSS from /proc/<pid>/smaps_rollup. PostgreSQL's shared buffers (256 MB) are counted once by PSS.",
            ], machine: machine, tables: [resident, proportional])
    }

    /// - Returns: the usage of each process at the three moments, and how many requests were accepted.
    private func measure() async throws -> (moments: [[String: MemoryUsage]], accepted: Int) {
        let directory = try TemporaryDirectory("bench-memory")
        let stack = try await Stack.start(databaseSettings: PostgresCluster.benchmarkSettings)
        let device = try await stack.makeDevice(token: stack.adminToken())
        try await Task.sleep(for: .seconds(5))
        var moments = [try usage(stack)]
        var load = WrkLoad(port: stack.ports["http-adapter"] ?? 0, path: device.publishPath, key: device.key)
        load.seconds = Int(options.seconds(default: 8))
        let result = try await load.run(in: directory)
        try await stack.waitUntilStored()
        moments.append(try usage(stack))
        try await Task.sleep(for: .seconds(pause))
        moments.append(try usage(stack))
        try await stack.stop()
        return (moments, result.requests - result.failures)
    }

    private func usage(_ stack: Stack) throws -> [String: MemoryUsage] {
        var usages: [String: MemoryUsage] = [:]
        for service in Stack.services {
            usages[service] = try MemoryUsage(of: stack.process(service).processIdentifier)
        }
        let server = try stack.cluster.serverIdentifier()
        usages["postgres"] = ([server] + ProcessUsage.children(of: server))
            // A worker of PostgreSQL may end while this looks.
            .compactMap { try? MemoryUsage(of: $0) }.reduce(MemoryUsage(), +)
        return usages
    }

    private static func mebibytes(_ bytes: Int) -> Double { Double(bytes) / Double(1 << 20) }
}
