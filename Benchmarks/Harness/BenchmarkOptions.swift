// SPDX-License-Identifier: Apache-2.0
import Foundation
import TestKit

/// What went wrong outside of what is measured.
struct BenchmarkFailure: Error, CustomStringConvertible {
    let description: String
}

/// The options that all benchmarks share; a benchmark may look for its own in `rest`.
struct BenchmarkOptions: Sendable {
    var runs = 3
    /// Where the product's executables are: `--binaries`, `MARTLET_BIN`, or beside this one.
    var binaries: String
    /// Where the tables go.
    var results = "Benchmarks/results"
    /// Where the bus's benchmark writes: the disk that is measured. Default: a folder in the system's temporary one, removed at the end.
    var directory: String
    var rest: [String: String] = [:]
    private var chosenSeconds: Double?

    /// Length of one measurement of the bus.
    var seconds: Double { seconds(default: 2) }

    /// Length of one measurement: what was asked for on the command line, or the benchmark's own.
    func seconds(default standard: Double) -> Double { chosenSeconds ?? standard }

    init(_ arguments: [String]) throws {
        binaries = Executables.directory
        directory = NSTemporaryDirectory() + "martlet-bench-\(getpid())"
        var remaining = arguments[...]
        while let flag = remaining.popFirst() {
            guard flag.hasPrefix("--"), let value = remaining.popFirst() else {
                throw BenchmarkFailure(description: "'\(flag)' is not an option with a value")
            }
            switch flag {
            case "--runs": runs = try Self.number(flag, value)
            case "--seconds": chosenSeconds = Double(try Self.number(flag, value))
            case "--binaries":
                binaries = value
                // Where TestKit looks for what it starts.
                setenv("MARTLET_BIN", value, 1)
            case "--results": results = value
            case "--directory": directory = value
            default: rest[String(flag.dropFirst(2))] = value
            }
        }
    }

    /// A benchmark's own option.
    func number(_ name: String, default standard: Int) throws -> Int {
        guard let text = rest[name] else { return standard }
        return try Self.number("--\(name)", text)
    }

    private static func number(_ flag: String, _ text: String) throws -> Int {
        guard let value = Int(text), value > 0 else {
            throw BenchmarkFailure(description: "\(flag) wants a number above 0")
        }
        return value
    }
}
