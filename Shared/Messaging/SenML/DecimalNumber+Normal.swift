// SPDX-License-Identifier: Apache-2.0

extension DecimalNumber {
    /// The same value with the fewest digits: no zeros at the mantissa's end; zero is `0 × 10^0`.
    var normalized: DecimalNumber {
        guard mantissa != 0 else { return DecimalNumber(isNegative: isNegative, mantissa: 0, exponent: 0) }
        var number = self
        while number.mantissa.isMultiple(of: 10) {
            number.mantissa /= 10
            number.exponent += 1
        }
        return number
    }

    /// Whether both are the same number; neither may be truncated.
    func isSame(as other: DecimalNumber) -> Bool {
        let (left, right) = (normalized, other.normalized)
        return left.isNegative == right.isNegative && left.mantissa == right.mantissa && left.exponent == right.exponent
    }

    /// The magnitude of a whole number; nil where it is none, or has more than 64 bits.
    var wholeMagnitude: UInt64? {
        let least = normalized
        // 10^19 is the highest power within 64 bits.
        guard 0...19 ~= least.exponent else { return nil }
        var magnitude = least.mantissa
        for _ in 0..<least.exponent {
            let (product, overflow) = magnitude.multipliedReportingOverflow(by: 10)
            guard !overflow else { return nil }
            magnitude = product
        }
        return magnitude
    }

    /// A truncated number with all of its digits, where their mantissa has 64 bits all the same: those of twenty digits up to 18446744073709551615.
    ///
    /// - Parameter text: the number as it was written.
    func completed(from text: UnsafeRawBufferPointer) -> DecimalNumber? {
        var number = DecimalNumber(isNegative: isNegative, mantissa: 0, exponent: exponent)
        var significant = 0
        for byte in text {
            if byte | 0x20 == UInt8(ascii: "e") { break }
            let digit = byte &- UInt8(ascii: "0")
            guard digit < 10 else { continue }
            let (shifted, overflow) = number.mantissa.multipliedReportingOverflow(by: 10)
            let (sum, overflowOfSum) = shifted.addingReportingOverflow(UInt64(digit))
            guard !overflow, !overflowOfSum else { return nil }
            number.mantissa = sum
            if sum != 0 { significant += 1 }
        }
        // Each that had been left out is a power of ten.
        number.exponent -= max(0, significant - Self.maximumDigits)
        return number
    }

    /// All of its digits as JSON writes a number: with zeros or a point where that is short, else with an exponent.
    var text: String {
        let sign = isNegative ? "-" : ""
        if let magnitude = wholeMagnitude { return "\(sign)\(magnitude)" }
        let digits = "\(mantissa)"
        // Places in front of the point.
        let places = digits.utf8.count + exponent
        guard exponent < 0, places > -6 else {
            let fraction = digits.dropFirst().isEmpty ? "" : ".\(digits.dropFirst())"
            return "\(sign)\(digits.prefix(1))\(fraction)e\(places - 1)"
        }
        if places <= 0 { return "\(sign)0.\(String(repeating: "0", count: -places))\(digits)" }
        return "\(sign)\(digits.prefix(places)).\(digits.dropFirst(places))"
    }
}
