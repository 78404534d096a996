// SPDX-License-Identifier: Apache-2.0

/// The command line, taken apart.
enum FuzzCommand {
    case bench
    /// Whole connections against an adapter's process.
    case session(Session, iterations: Int, seed: UInt64)
    case fuzz(target: any FuzzTarget, iterations: Int, seed: UInt64, corpus: String?)

    enum Session: String, CaseIterable {
        case mqtt = "mqtt-session"
        case coap = "coap-session"
    }

    struct UsageError: Error, CustomStringConvertible {
        let problem: String

        var description: String {
            let names = (FuzzTargets.all.map(\.name) + Session.allCases.map(\.rawValue)).joined(separator: "|")
            return
                "\(problem)\nusage: fuzz <\(names)> [--iterations N] [--seed S] [--corpus DIRECTORY]\n       fuzz bench"
        }
    }

    init(arguments: [String]) throws(UsageError) {
        guard let name = arguments.first else { throw UsageError(problem: "a target is missing") }
        if name == "bench" {
            self = .bench
            return
        }
        let session = Session(rawValue: name)
        let target = FuzzTargets.all.first { $0.name == name }
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
        if let session {
            self = .session(session, iterations: iterations, seed: seed)
        } else if let target {
            self = .fuzz(target: target, iterations: iterations, seed: seed, corpus: corpus)
        } else {
            throw UsageError(problem: "there is no target '\(name)'")
        }
    }
}
