// SPDX-License-Identifier: Apache-2.0

/// Comparisons of protocol words, which are ASCII and case-insensitive.
enum ASCII {
    /// Whether `text` is `expected` but for the case of its letters; `expected` stands in lower case.
    static func isEqualIgnoringCase(_ text: some StringProtocol, _ expected: StaticString) -> Bool {
        guard text.utf8.count == expected.utf8CodeUnitCount else { return false }
        var offset = 0
        for byte in text.utf8 {
            guard lowercased(byte) == expected.utf8Start[offset] else { return false }
            offset += 1
        }
        return true
    }

    @inline(__always)
    static func lowercased(_ byte: UInt8) -> UInt8 {
        byte &- 0x41 < 26 ? byte | 0x20 : byte
    }

    /// Cuts spaces and tabs (OWS, RFC 9110 section 5.6.3) from both ends.
    static func trimmed(_ text: Substring) -> Substring {
        var rest = text
        while let first = rest.utf8.first, first == 0x20 || first == 0x09 { rest = rest.dropFirst() }
        while let last = rest.utf8.last, last == 0x20 || last == 0x09 { rest = rest.dropLast() }
        return rest
    }
}
