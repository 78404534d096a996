// SPDX-License-Identifier: Apache-2.0

/// What times are counted in outside: nanoseconds inside, decimals outside, without the detour through a floating-point number that would lose the
/// last digits. What the API says of a time can be given back to it and means the same.
enum TimeUnit: String, Sendable, CaseIterable {
    case seconds = "s"
    case milliseconds = "ms"
    case microseconds = "us"
    case nanoseconds = "ns"

    /// Digits behind the point that nanoseconds have in this unit.
    private var decimals: Int {
        switch self {
        case .seconds: 9
        case .milliseconds: 6
        case .microseconds: 3
        case .nanoseconds: 0
        }
    }

    /// How many of them a second has.
    var perSecond: Double {
        switch self {
        case .seconds: 1
        case .milliseconds: 1e3
        case .microseconds: 1e6
        case .nanoseconds: 1e9
        }
    }

    /// Reads a decimal: an optional sign, digits, an optional fraction of which as much counts as nanoseconds have, an optional exponent.
    /// - Returns: nanoseconds; nil when it is not such a number. What 64 bits do not hold is brought to their bounds.
    func nanoseconds(_ text: String) -> Int64? {
        var bytes = text.utf8[...]
        let isNegative = bytes.first == UInt8(ascii: "-")
        if isNegative || bytes.first == UInt8(ascii: "+") { bytes = bytes.dropFirst() }
        var digits: [UInt8] = []
        var pointAt: Int?
        while let byte = bytes.first, byte != UInt8(ascii: "e"), byte != UInt8(ascii: "E") {
            bytes = bytes.dropFirst()
            switch byte {
            case UInt8(ascii: "0")...UInt8(ascii: "9"): digits.append(byte &- UInt8(ascii: "0"))
            case UInt8(ascii: ".") where pointAt == nil: pointAt = digits.count
            default: return nil
            }
        }
        guard !digits.isEmpty, digits.count <= 64, let exponent = Self.exponent(bytes) else { return nil }
        return scaled(digits, integerDigits: (pointAt ?? digits.count) + exponent, isNegative: isNegative)
    }

    /// - Returns: 0 when there is none, nil when it is malformed or beyond any use.
    private static func exponent(_ bytes: Substring.UTF8View) -> Int? {
        guard !bytes.isEmpty else { return 0 }
        guard let text = String(bytes.dropFirst()), let value = Int(text), abs(value) <= 64 else { return nil }
        return value
    }

    /// The first `integerDigits` of `digits` are whole units, the ones after them go down to nanoseconds; missing ones are zeros.
    private func scaled(_ digits: [UInt8], integerDigits: Int, isNegative: Bool) -> Int64 {
        var result: Int64 = 0
        for index in 0..<max(0, integerDigits + decimals) {
            let digit = digits.indices.contains(index) ? Int64(digits[index]) : 0
            let (product, overflow) = result.multipliedReportingOverflow(by: 10)
            let (sum, overflowOfSum) = product.addingReportingOverflow(isNegative ? -digit : digit)
            if overflow || overflowOfSum { return isNegative ? .min : .max }
            result = sum
        }
        return result
    }

    /// Writes a decimal as a JSON number, without trailing zeros.
    func write(_ nanoseconds: Int64, to bytes: inout [UInt8]) {
        if nanoseconds < 0 { bytes.append(UInt8(ascii: "-")) }
        var unit: UInt64 = 1
        for _ in 0..<decimals { unit *= 10 }
        let (whole, rest) = nanoseconds.magnitude.quotientAndRemainder(dividingBy: unit)
        bytes += String(whole).utf8
        guard rest > 0 else { return }
        let digits = Array(String(rest).utf8)
        var fraction = [UInt8](repeating: UInt8(ascii: "0"), count: decimals - digits.count) + digits
        while fraction.last == UInt8(ascii: "0") { fraction.removeLast() }
        bytes.append(UInt8(ascii: "."))
        bytes += fraction
    }
}
