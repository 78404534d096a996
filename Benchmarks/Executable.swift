// SPDX-License-Identifier: Apache-2.0
import Foundation

/// `bench <what> [--binaries <folder>] [--results <folder>]`
@main struct Executable {
    static func main() async throws {
        var arguments = Array(CommandLine.arguments.dropFirst())
        if let binaries = take("--binaries", from: &arguments) { setenv("MARTLET_BIN", binaries, 1) }
        let results = take("--results", from: &arguments) ?? "Benchmarks/results"
        switch arguments.first {
        case "http":
            let report = try await HTTPBenchmark().run()
            try report.write(to: results)
            print(report.markdown())
        case "http-peer":
            guard arguments.count == 3, let server = BareServer(rawValue: arguments[1]), let port = Int(arguments[2])
            else { usage() }
            try await server.run(port: port)
        case "bus":
            // A broker that hangs up must show up as an error of that write, not end the process.
            signal(SIGPIPE, SIG_IGN)
            let options = try BenchmarkOptions(Array(arguments.dropFirst()))
            let tables = try BusBenchmark.run(options)
            try ResultTable.write(tables, named: "bus", to: results)
            for table in tables { print(table.markdown) }
        default: usage()
        }
    }

    private static func take(_ flag: String, from arguments: inout [String]) -> String? {
        guard let index = arguments.firstIndex(of: flag), index + 1 < arguments.count else { return nil }
        defer { arguments.removeSubrange(index...(index + 1)) }
        return arguments[index + 1]
    }

    private static func usage() -> Never {
        FileHandle.standardError.write(Data("usage: bench http|bus [--binaries <folder>] [--results <folder>]\n".utf8))
        exit(2)
    }
}
