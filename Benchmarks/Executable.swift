// SPDX-License-Identifier: Apache-2.0
import Foundation

/// `bench all|bus|http|writer|latency|memory|live|login|mqtt|coap [--binaries <folder>] [--results <folder>] [--runs <n>] [--seconds <n>]`
@main struct Executable {
    static func main() async throws {
        let arguments = Array(CommandLine.arguments.dropFirst())
        guard let what = arguments.first else { usage() }
        if what == "http-peer" {
            guard arguments.count == 3, let server = BareServer(rawValue: arguments[1]), let port = Int(arguments[2])
            else { usage() }
            return try await server.run(port: port)
        }
        if what == "mqtt-peer" {
            guard arguments.count == 2, let port = UInt16(arguments[1]) else { usage() }
            try BareRelay(port: port).run()
        }
        let benchmarks = what == "all" ? Benchmark.allCases : [Benchmark(rawValue: what)].compactMap(\.self)
        guard !benchmarks.isEmpty else { usage() }
        // A server that hangs up must show up as an error of that write, not end the process.
        signal(SIGPIPE, SIG_IGN)
        let options = try BenchmarkOptions(Array(arguments.dropFirst()))
        for benchmark in benchmarks {
            let report = try await benchmark.run(options)
            try report.write(to: options.results)
            print(report.markdown)
        }
    }

    private static func usage() -> Never {
        let names = Benchmark.allCases.map(\.rawValue).joined(separator: "|")
        let text = "usage: bench all|\(names) [--binaries DIR] [--results DIR] [--runs N] [--seconds N]\n"
        FileHandle.standardError.write(Data(text.utf8))
        exit(2)
    }
}
