// SPDX-License-Identifier: Apache-2.0
import Foundation

extension HTTPBenchmark.Report {
    /// The table for `Benchmarks/results/http.md`: medians of the runs, spreads behind them.
    func markdown() -> String {
        let runs = rows.first?.runs.count ?? 0
        var text = """
            # HTTP publish

            \(connections) connections (wrk, 2 threads), \(payloadBytes) bytes of SenML each, \(cores) cores that server and generator share, \
            medians of \(runs) interleaved runs of \(secondsPerRun) s (lowest–highest behind them).

            | server | requests/s | p50 ms | p99 ms | CPU µs/request | of these | failures |
            |---|---|---|---|---|---|---|

            """
        for row in rows {
            let total = { (run: HTTPBenchmark.Run) in run.cpuMicroseconds.values.reduce(0, +) }
            let names = row.runs.first?.cpuMicroseconds.keys.sorted() ?? []
            let parts = names.map { name in (name, row.median { $0.cpuMicroseconds[name] ?? 0 }) }
                .filter { $0.1 >= 0.05 }.map { "\($0.0) \(Self.number($0.1))" }.joined(separator: ", ")
            let cells = [
                row.name,
                "\(Int(row.median { $0.load.requestsPerSecond })) (\(row.spread { $0.load.requestsPerSecond }))",
                "\(Self.number(row.median { $0.load.p50Milliseconds })) (\(row.spread { $0.load.p50Milliseconds }))",
                "\(Self.number(row.median { $0.load.p99Milliseconds })) (\(row.spread { $0.load.p99Milliseconds }))",
                "\(Self.number(row.median(total))) (\(row.spread(total)))", parts,
                String(row.runs.reduce(0) { $0 + $1.load.failures }),
            ]
            text += "| \(cells.joined(separator: " | ")) |\n"
        }
        text += "\nResident memory, MiB: idle, and after the last run.\n\n| process | idle | after |\n|---|---|---|\n"
        let after = rows.last?.runs.last?.residentMebibytes ?? [:]
        for (name, idle) in idleResidentMebibytes.sorted(by: { $0.key < $1.key }) {
            text += "| \(name) | \(Self.number(idle)) | \(after[name].map(Self.number) ?? "–") |\n"
        }
        return text
    }

    func write(to directory: String) throws {
        try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
        try markdown().write(toFile: "\(directory)/http.md", atomically: true, encoding: .utf8)
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys]
        try encoder.encode(self).write(to: URL(fileURLWithPath: "\(directory)/http.json"))
    }

    private static func number(_ value: Double) -> String { String(format: "%.1f", value) }
}
