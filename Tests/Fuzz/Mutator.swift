// SPDX-License-Identifier: Apache-2.0

/// Changes inputs a little: bits, bytes, pieces of the dictionary, parts moved, doubled, cut or crossed with another input.
struct Mutator {
    /// Inputs do not grow beyond.
    private static let maximumLength = 4096
    private static let interesting: [UInt8] = [
        0, 1, 0x1F, 0x20, 0x22, 0x2C, 0x5C, 0x5F, 0x7F, 0x80, 0xC2, 0xED, 0xFB, 0xFF,
    ]

    let dictionary: [[UInt8]]

    func mutate(_ input: inout [UInt8], with other: [UInt8], using random: inout SeededRandom) {
        for _ in 0...random.below(4) { step(&input, other, &random) }
        if input.count > Self.maximumLength { input.removeSubrange(Self.maximumLength...) }
    }

    private func step(_ input: inout [UInt8], _ other: [UInt8], _ random: inout SeededRandom) {
        let position = random.below(input.count)
        switch random.below(10) {
        case 0 where !input.isEmpty: input[position] ^= 1 << UInt8(random.below(8))
        case 1 where !input.isEmpty: input[position] = random.pick(Self.interesting)
        case 2 where !input.isEmpty: input[position] = UInt8(truncatingIfNeeded: random.next())
        case 3 where !input.isEmpty: input.removeSubrange(position...)
        case 4 where !input.isEmpty: input.removeSubrange(range(in: input, &random))
        case 5 where !input.isEmpty: input.insert(contentsOf: input[range(in: input, &random)], at: position)
        case 6 where !other.isEmpty: input.insert(contentsOf: other[range(in: other, &random)], at: position)
        case 7 where !dictionary.isEmpty && !input.isEmpty:
            let piece = random.pick(dictionary)
            input.replaceSubrange(position..<min(position + piece.count, input.count), with: piece)
        case 8: input.insert(UInt8(truncatingIfNeeded: random.next()), at: position)
        default: if !dictionary.isEmpty { input.insert(contentsOf: random.pick(dictionary), at: position) }
        }
    }

    /// A part of at most 32 bytes.
    private func range(in bytes: [UInt8], _ random: inout SeededRandom) -> Range<Int> {
        let start = random.below(bytes.count)
        return start..<min(bytes.count, start + 1 + random.below(32))
    }
}
