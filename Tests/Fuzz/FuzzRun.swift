// SPDX-License-Identifier: Apache-2.0

/// A run that its target, seed and corpus determine completely.
package struct FuzzRun {
    package struct Totals: CustomStringConvertible, Equatable, Sendable {
        package var inputs = 0
        package var accepted = 0
        package var bytes = 0

        package var description: String {
            "\(inputs) inputs, \(accepted) accepted, \(inputs - accepted) refused, \(bytes) bytes, 0 disagreements"
        }
    }

    /// A disagreement, with what repeats it.
    package struct Failure: Error, CustomStringConvertible {
        package let description: String
    }

    /// Inputs that were accepted after mutation replace others, so that mutations pile up.
    private static let poolSize = 256

    private let target: any FuzzTarget
    private let seed: UInt64
    private let corpus: [[UInt8]]

    package init(target: any FuzzTarget, seed: UInt64, corpus: [[UInt8]] = []) {
        self.target = target
        self.seed = seed
        self.corpus = corpus
    }

    /// - Throws: ``Failure``.
    package func run(iterations: Int) throws -> Totals {
        var totals = Totals()
        var random = SeededRandom(seed: seed)
        let mutator = Mutator(dictionary: target.dictionary)
        var pool = target.seeds + corpus
        for input in pool { try check(input, iteration: -1, &totals) }
        for iteration in 0..<iterations {
            var input: [UInt8]
            if random.oneIn(4) || pool.isEmpty {
                input = target.generate(&random)
                if random.oneIn(2) { mutator.mutate(&input, with: [], using: &random) }
            } else {
                input = random.pick(pool)
                mutator.mutate(&input, with: random.pick(pool), using: &random)
            }
            guard try check(input, iteration: iteration, &totals), random.oneIn(8) else { continue }
            if pool.count < Self.poolSize { pool.append(input) } else { pool[random.below(pool.count)] = input }
        }
        return totals
    }

    @discardableResult
    private func check(_ input: [UInt8], iteration: Int, _ totals: inout Totals) throws -> Bool {
        let isAccepted: Bool
        do throws(Disagreement) {
            isAccepted = try target.check(input)
        } catch {
            let digits = Array("0123456789abcdef")
            let hexadecimal = String(input.flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] })
            throw Failure(
                description: "\(target.name), seed \(seed), iteration \(iteration): \(error)\ninput: \(hexadecimal)")
        }
        totals.inputs += 1
        totals.bytes += input.count
        if isAccepted { totals.accepted += 1 }
        return isAccepted
    }
}
