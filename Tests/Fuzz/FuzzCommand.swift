// SPDX-License-Identifier: Apache-2.0

/// The command line, taken apart.
enum FuzzCommand {
    case bench
    /// Whole connections against the adapter's process.
    case session(connections: Int, seed: UInt64)
    case fuzz(target: any FuzzTarget, iterations: Int, seed: UInt64, corpus: String?)

    struct UsageError: Error, CustomStringConvertible {
        let problem: String

        var description: String {
            let names = FuzzTargets.all.map(\.name).joined(separator: "|")
            return
                "\(problem)\nusage: fuzz <\(names)|mqtt-session> [--iterations N] [--seed S] [--corpus DIRECTORY]\n       fuzz bench"
        }
    }

    init(arguments: [String]) throws(UsageError) {
        guard let name = arguments.first else { throw UsageError(problem: "a target is missing") }
        if name == "bench" {
            self = .bench
            return
        }
        let isSession = name == "mqtt-session"
        let target = FuzzTargets.all.first { $0.name == name }
        guard target != nil || isSession else {
            throw UsageError(problem: "there is no target '\(name)'")
        }
        var iterations = 1_000_000
        var seed: UInt64 = 1
        var corpus: String?
        var rest = arguments.dropFirst()
        while let option = rest.popFirst() {
            guard let value = rest.popFirst() else { throw UsageError(problem: "\(option) needs a value") }
            switch option {
            case "--iterations":
                guard let number = Int(value), number >= 0 else { throw UsageError(problem: "'\(value)' is no count") }
                iterations = number
            case "--seed":
                guard let number = UInt64(value) else { throw UsageError(problem: "'\(value)' is no seed") }
                seed = number
            case "--corpus": corpus = value
            default: throw UsageError(problem: "there is no option '\(option)'")
            }
        }
        guard let target else {
            self = .session(connections: iterations, seed: seed)
            return
        }
        self = .fuzz(target: target, iterations: iterations, seed: seed, corpus: corpus)
    }
}
