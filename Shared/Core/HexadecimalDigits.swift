// SPDX-License-Identifier: Apache-2.0

/// Eight hexadecimal digits at a time, as the bytes of one word in the order of a little-endian machine's memory.
///
/// Identifiers are read and written for every message; digit by digit they were a tenth of the data path.
enum HexadecimalDigits {
    private static let ones: UInt64 = 0x0101_0101_0101_0101
    private static let highBits: UInt64 = 0x8080_8080_8080_8080

    /// The digits' value, either case; nil when one of them is none.
    @inline(__always)
    static func value(_ text: UInt64) -> UInt32? {
        guard text & highBits == 0 else { return nil }
        // Every byte is below 0x80, so that sums with at most 0x7F do not carry into the next one: bit 7 of a byte tells whether it reached
        // the limit.
        let isDigit = atLeast(text, 0x30) & ~atLeast(text, 0x3A)
        let lower = text | ones &* 0x20
        let isLetter = atLeast(lower, 0x61) & ~atLeast(lower, 0x67)
        guard (isDigit | isLetter) & highBits == highBits else { return nil }
        // 0x30…0x39 → 0…9; 'a' is 0x61 → 1 + 9.
        let nibbles = (text & (ones &* 0x0F)) &+ ((isLetter & highBits) >> 7) &* 9
        // Pairs, then fours, then eights; the first digit is the lowest byte and has the highest value.
        let pairs = (nibbles << 4 | nibbles >> 8) & 0x00FF_00FF_00FF_00FF
        let fours = (pairs << 8 | pairs >> 16) & 0x0000_FFFF_0000_FFFF
        return UInt32(truncatingIfNeeded: fours << 16 | fours >> 32)
    }

    /// Eight lower-case digits.
    @inline(__always)
    static func text(_ value: UInt32) -> UInt64 {
        let fours = UInt64(value >> 16) | UInt64(value & 0xFFFF) << 32
        let pairs = (fours >> 8 & 0x0000_00FF_0000_00FF) | (fours & 0x0000_00FF_0000_00FF) << 16
        let nibbles = (pairs >> 4 & 0x000F_000F_000F_000F) | (pairs & 0x000F_000F_000F_000F) << 8
        let isLetter = (nibbles &+ ones &* 0x76) & highBits
        return nibbles &+ ones &* 0x30 &+ (isLetter >> 7) &* 0x27
    }

    /// Bit 7 of each byte: whether it is at least `limit`, which is 1 to 0x7F.
    @inline(__always)
    private static func atLeast(_ text: UInt64, _ limit: UInt64) -> UInt64 {
        text &+ ones &* (0x80 - limit)
    }
}
