// SPDX-License-Identifier: Apache-2.0

/// What every message carries: one SenML record with a text of digits, so that a broker that looks into messages finds nothing to refuse.
struct MQTTPayload: Sendable {
    private static let prefix = #"[{"n":"bench","vs":""#
    private static let suffix = #""}]"#
    /// Where in the payload the moment stands, as so many digits.
    private static let momentOffset = prefix.utf8.count
    private static let momentDigits = 19

    let byteCount: Int

    /// - Parameter byteCount: at least 42.
    var bytes: [UInt8] {
        let filling = byteCount - Self.prefix.utf8.count - Self.suffix.utf8.count
        return Array(Self.prefix.utf8) + [UInt8](repeating: UInt8(ascii: "0"), count: filling)
            + Array(Self.suffix.utf8)
    }

    /// Writes a moment (nanoseconds) into a packet that ends with this payload.
    func stamp(_ packet: inout [UInt8], _ nanoseconds: Int) {
        var rest = nanoseconds
        var index = packet.count - byteCount + Self.momentOffset + Self.momentDigits
        for _ in 0..<Self.momentDigits {
            index -= 1
            packet[index] = UInt8(ascii: "0") + UInt8(rest % 10)
            rest /= 10
        }
    }

    /// The moment in a packet's content that ends with this payload; nil when there is none.
    func moment(in content: UnsafeRawBufferPointer) -> Int? {
        let first = content.count - byteCount + Self.momentOffset
        guard first >= 0, first + Self.momentDigits <= content.count else { return nil }
        var number = 0
        for index in first..<first + Self.momentDigits {
            let digit = Int(content[index]) - 48
            guard (0...9).contains(digit) else { return nil }
            number = number &* 10 &+ digit
        }
        return number
    }
}
