// SPDX-License-Identifier: Apache-2.0
import Foundation

/// `fuzz <target> [--iterations N] [--seed S] [--corpus DIRECTORY]`, `fuzz mqtt-session|coap-session [--iterations N] [--seed S]`, or `fuzz bench` for the codec's speed.
@main
struct Executable {
    static func main() async {
        do {
            let command = try FuzzCommand(arguments: Array(CommandLine.arguments.dropFirst()))
            switch command {
            case .bench: Bench.run()
            case .session(.mqtt, let connections, let seed):
                let totals = try await SessionStack.run(connections: connections, seed: seed)
                print("fuzz mqtt-session: seed \(seed), \(totals)")
            case .session(.coap, let conversations, let seed):
                let totals = try await CoAPSessionStack.run(conversations: conversations, seed: seed)
                print("fuzz coap-session: seed \(seed), \(totals)")
            case .fuzz(let target, let iterations, let seed, let corpus):
                let files = try corpus.map(Corpus.read) ?? []
                let totals = try FuzzRun(target: target, seed: seed, corpus: files).run(iterations: iterations)
                print("fuzz \(target.name): seed \(seed), \(totals)")
            }
        } catch {
            FileHandle.standardError.write(Data("fuzz: \(error)\n".utf8))
            exit(1)
        }
    }
}
