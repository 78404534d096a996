// SPDX-License-Identifier: Apache-2.0
import Foundation

/// What went wrong outside of what is measured.
struct BenchmarkFailure: Error, CustomStringConvertible {
    let description: String
}

/// The options that all benchmarks share; a benchmark may look for its own in `rest`.
struct BenchmarkOptions: Sendable {
    var runs = 3
    /// Length of one measurement.
    var seconds = 2.0
    /// Where the product's executables are; `MARTLET_BIN`, or beside this one.
    var binaries: String
    /// Where data is written: the disk that is measured. Default: a folder in the system's temporary one, removed at the end.
    var directory: String
    var rest: [String: String] = [:]

    init(_ arguments: [String]) throws {
        let executable = (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")) ?? "."
        binaries =
            ProcessInfo.processInfo.environment["MARTLET_BIN"]
            ?? URL(fileURLWithPath: executable).deletingLastPathComponent().path
        directory = NSTemporaryDirectory() + "martlet-bench-\(getpid())"
        var remaining = arguments[...]
        while let flag = remaining.popFirst() {
            guard flag.hasPrefix("--"), let value = remaining.popFirst() else {
                throw BenchmarkFailure(description: "'\(flag)' is not an option with a value")
            }
            switch flag {
            case "--runs": runs = try Self.number(flag, value)
            case "--seconds": seconds = Double(try Self.number(flag, value))
            case "--directory": directory = value
            default: rest[String(flag.dropFirst(2))] = value
            }
        }
    }

    private static func number(_ flag: String, _ text: String) throws -> Int {
        guard let value = Int(text), value > 0 else {
            throw BenchmarkFailure(description: "\(flag) wants a number above 0")
        }
        return value
    }
}
