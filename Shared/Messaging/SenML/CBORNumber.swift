// SPDX-License-Identifier: Apache-2.0

/// A number in the forms that RFC 8428 section 6 allows: integer, float, decimal fraction.
enum CBORNumber {
    case integer(DecimalNumber)
    case float(Double)
    /// `[exponent, mantissa]`, value `mantissa × 10^exponent` (RFC 8949 section 3.4.4).
    case fraction(DecimalNumber)

    private static let decimalFractionTag: UInt64 = 4
    /// Exponents beyond are cut to it: the value is zero or infinite long before.
    static let maximumExponent = 100_000

    /// nil: an item of another kind; a mantissa of more than 64 bits counts as such.
    @inline(__always)
    init?(reading cursor: inout CBORCursor) throws(CBORError) {
        let head = try cursor.readHead()
        switch head.major {
        case .unsigned, .negative:
            guard let integer = Self.integer(head) else {
                // -2^64, the one integer whose magnitude does not fit.
                self = .float(-0x1p64)
                return
            }
            self = .integer(integer)
        case .simple:
            guard let value = CBORCursor.float(head) else { return nil }
            self = .float(value)
        case .tag where head.argument == Self.decimalFractionTag:
            guard let fraction = try Self.readFraction(&cursor) else { return nil }
            self = .fraction(fraction)
        case .tag, .bytes, .text, .array, .map: return nil
        }
    }

    private static func readFraction(_ cursor: inout CBORCursor) throws(CBORError) -> DecimalNumber? {
        let array = try cursor.readHead()
        guard array.major == .array, array.isIndefinite || array.argument == 2 else { return nil }
        guard let exponent = integer(try cursor.readHead()), var number = integer(try cursor.readHead()) else {
            return nil
        }
        if array.isIndefinite && !cursor.takeBreak() { return nil }
        let magnitude = Int(clamping: min(exponent.mantissa, UInt64(maximumExponent)))
        number.exponent = exponent.isNegative ? -magnitude : magnitude
        return number
    }

    private static func integer(_ head: CBORCursor.Head) -> DecimalNumber? {
        switch head.major {
        case .unsigned: return DecimalNumber(isNegative: false, mantissa: head.argument, exponent: 0)
        case .negative where head.argument < .max:
            return DecimalNumber(isNegative: true, mantissa: head.argument + 1, exponent: 0)
        default: return nil
        }
    }

    var isFinite: Bool {
        if case .float(let value) = self { return value.isFinite }
        return true
    }

    /// The nearest Double; infinite when out of range.
    @inline(__always)
    var double: Double {
        switch self {
        case .float(let value): return value
        case .integer(let number): return number.isNegative ? -Double(number.mantissa) : Double(number.mantissa)
        case .fraction(let number):
            return number.double(text: "\(number.isNegative ? "-" : "")\(number.mantissa)e\(number.exponent)")
        }
    }

    /// As decimal digits; for a float, the fewest that stand for it.
    @inline(__always)
    var decimal: DecimalNumber {
        switch self {
        case .integer(let number), .fraction(let number): number
        case .float(let value): DecimalNumber(shortest: value)
        }
    }
}

extension DecimalNumber {
    /// The decimal of fewest digits that reads back as this finite double: what JSON would have said.
    init(shortest value: Double) {
        if let whole = Int64(exactly: value) {
            self.init(isNegative: whole < 0, mantissa: whole.magnitude, exponent: 0)
            return
        }
        var text = value.description
        let number = text.withUTF8 { bytes -> DecimalNumber? in
            var cursor = JSONCursor(UnsafeRawBufferPointer(bytes))
            return try? cursor.scanNumber()
        }
        self = number ?? DecimalNumber()
    }
}
