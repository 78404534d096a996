// SPDX-License-Identifier: Apache-2.0

/// A decimal number as text wrote it: `±mantissa × 10^exponent`, the first nineteen significant digits of it.
///
/// Nineteen digits always fit into 64 bits (10^19 < 2^64).
struct DecimalNumber {
    static let maximumDigits = 19

    var isNegative = false
    var mantissa: UInt64 = 0
    var exponent = 0
    /// Digits behind the nineteenth that are not zero were left out.
    private(set) var isTruncated = false
    /// The first digit that was left out, for rounding.
    private var nextDigit: UInt8?
    private var digits = 0

    init() {}

    init(isNegative: Bool, mantissa: UInt64, exponent: Int) {
        self.isNegative = isNegative
        self.mantissa = mantissa
        self.exponent = exponent
    }

    @inline(__always)
    mutating func append(integerDigit digit: UInt8) {
        if !append(digit) { exponent += 1 }
    }

    @inline(__always)
    mutating func append(fractionDigit digit: UInt8) {
        if append(digit) { exponent -= 1 }
    }

    /// False when the digit was left out.
    @inline(__always)
    private mutating func append(_ digit: UInt8) -> Bool {
        guard digits < Self.maximumDigits else {
            if nextDigit == nil { nextDigit = digit }
            if digit != 0 { isTruncated = true }
            return false
        }
        mantissa = mantissa &* 10 &+ UInt64(digit)
        // Leading zeros are not significant.
        if mantissa != 0 { digits += 1 }
        return true
    }
}

extension DecimalNumber {
    /// The value in units of 10^-9, rounded to the nearest (halves away from zero).
    /// - Returns: nil when that is not within 64 bits.
    func nanounits() -> Int64? {
        guard mantissa != 0 else { return 0 }
        let scale = exponent + 9
        let magnitude: UInt64
        if scale >= 0 {
            guard scale < Self.powersOfTen.count else { return nil }
            var (product, overflow) = mantissa.multipliedReportingOverflow(by: Self.powersOfTen[scale])
            guard !overflow else { return nil }
            // With a factor of ten or more, nineteen digits are out of range anyway.
            if scale == 0, let nextDigit, nextDigit >= 5 {
                (product, overflow) = product.addingReportingOverflow(1)
                guard !overflow else { return nil }
            }
            magnitude = product
        } else {
            guard -scale < Self.powersOfTen.count else { return 0 }
            let divisor = Self.powersOfTen[-scale]
            let (quotient, remainder) = mantissa.quotientAndRemainder(dividingBy: divisor)
            magnitude = remainder >= divisor - remainder ? quotient + 1 : quotient
        }
        if isNegative {
            return magnitude == 1 << 63 ? .min : Int64(exactly: magnitude).map { -$0 }
        }
        return Int64(exactly: magnitude)
    }

    /// The value when it is a whole number of few digits (`10`, `10.0` and `1e1` are the same one); nil otherwise.
    var integer: Int? {
        guard mantissa != 0 else { return 0 }
        guard let units = nanounits(), units % 1_000_000_000 == 0, !isTruncated, exponent >= -9 else { return nil }
        return Int(units / 1_000_000_000)
    }

    /// The nearest Double, ties to even; infinite when out of range.
    ///
    /// - Parameter text: the number as it was written, for the rare cases that need every digit.
    @inline(__always)
    func double(text: @autoclosure () -> String) -> Double {
        let magnitude: Double
        if mantissa == 0 {
            magnitude = 0
        } else if !isTruncated, mantissa <= 1 << 53, -22...22 ~= exponent {
            // Both operands are exact, so the one rounding is the right one (Clinger's fast path).
            magnitude =
                exponent < 0
                ? Double(mantissa) / Self.exactPowersOfTen[-exponent]
                : Double(mantissa) * Self.exactPowersOfTen[exponent]
        } else if !isTruncated, -19...19 ~= exponent {
            magnitude = wideDouble()
        } else {
            // Correctly rounded by the standard library; the text may carry its own sign.
            return Double(text()) ?? .infinity
        }
        return isNegative ? -magnitude : magnitude
    }

    /// Multiplies or divides in 128 bits and rounds once.
    private func wideDouble() -> Double {
        let power = Self.powersOfTen[abs(exponent)]
        if exponent >= 0 {
            let (high, low) = mantissa.multipliedFullWidth(by: power)
            guard high != 0 else { return Double(low) }
            let shift = high.leadingZeroBitCount
            let top = shift == 0 ? high : high << UInt64(shift) | low >> UInt64(64 - shift)
            return Self.round(top, isInexact: low << UInt64(shift) != 0, scale: 64 - shift)
        }
        // With both normalized to 64 bits, the halved dividend is below the divisor and the quotient has 63 or 64 bits.
        let shift = mantissa.leadingZeroBitCount
        let divisorShift = power.leadingZeroBitCount
        let dividend = mantissa << UInt64(shift)
        let divisor = power << UInt64(divisorShift)
        let (quotient, remainder) = divisor.dividingFullWidth((dividend >> 1, dividend << 63))
        return Self.round(quotient, isInexact: remainder != 0, scale: divisorShift - shift - 63)
    }

    /// `value × 2^scale` (and a little more when inexact) to 53 bits, ties to even. The scale stays within ±128: never near subnormals.
    private static func round(_ value: UInt64, isInexact: Bool, scale: Int) -> Double {
        let excess = max(0, 64 - value.leadingZeroBitCount - 53)
        var kept = value >> UInt64(excess)
        if excess > 0 {
            let rest = value & (1 << UInt64(excess) - 1)
            let half: UInt64 = 1 << UInt64(excess - 1)
            if rest > half || (rest == half && (isInexact || kept & 1 == 1)) { kept += 1 }
        }
        return Double(kept) * Double(bitPattern: UInt64(1023 + scale + excess) << 52)
    }

    /// 10^0 to 10^19: all that fit into 64 bits.
    private static let powersOfTen: [UInt64] = (0...19).map { exponent in
        (0..<exponent).reduce(1) { power, _ in power * 10 }
    }

    /// 10^0 to 10^22: all that a Double holds exactly (5^22 < 2^53).
    private static let exactPowersOfTen: [Double] = (0...22).map { exponent in
        (0..<exponent).reduce(1.0) { power, _ in power * 10 }
    }
}
