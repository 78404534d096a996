// SPDX-License-Identifier: Apache-2.0
import Glibc

/// A time's form in strptime(3)'s conversions: `%Y %m %d %e %y %b %H %M %S %f %z %F %T %D %R %%`; `%f` is a fraction of a second.
///
/// Not strptime itself: that depends on the locale, accepts the 31st of February and knows no fractions. White space stands for any of it.
struct TimePattern {
    private static let months = [
        "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec",
    ]
    private static let abbreviations: [Character: String] = [
        "F": "%Y-%m-%d", "T": "%H:%M:%S", "D": "%m/%d/%y", "R": "%H:%M",
    ]

    private let pattern: String

    init(_ pattern: String) { self.pattern = pattern }

    private struct Fields {
        var year = 1970
        var month = 1
        var day = 1
        var hour = 0
        var minute = 0
        var second = 0
        /// Digits behind the point.
        var fraction = ""
        /// East of Greenwich.
        var offsetSeconds = 0
    }

    /// - Returns: seconds since 1970 as a decimal number, in UTC unless an offset is said; nil where the text does not have this form, from its
    ///   beginning to its end, or names no day that there is.
    func seconds(_ text: String) -> String? {
        var fields = Fields()
        var rest = text[...]
        guard Self.take(Self.expanded(pattern), &rest, &fields), rest.isEmpty else { return nil }
        var time = tm()
        time.tm_year = Int32(fields.year - 1900)
        time.tm_mon = Int32(fields.month - 1)
        time.tm_mday = Int32(fields.day)
        time.tm_hour = Int32(fields.hour)
        time.tm_min = Int32(fields.minute)
        time.tm_sec = Int32(fields.second)
        let seconds = timegm(&time)
        // timegm makes a 2nd of March out of the 31st of February.
        guard time.tm_mday == Int32(fields.day), time.tm_mon == Int32(fields.month - 1) else { return nil }
        let whole = seconds - fields.offsetSeconds
        let fraction = fields.fraction.reversed().drop { $0 == "0" }.reversed().map(String.init).joined()
        guard !fraction.isEmpty else { return String(whole) }
        // A fraction before 1970 counts upwards from the second below, which a decimal number does not.
        return whole >= 0
            ? "\(whole).\(fraction)" : Double("0.\(fraction)").map { NumberText.exact(Double(whole) + $0) }
    }

    private static func expanded(_ pattern: String) -> String {
        var expanded = ""
        var isConversion = false
        for character in pattern {
            if isConversion {
                expanded += abbreviations[character] ?? "%\(character)"
            } else if character != "%" {
                expanded.append(character)
            }
            isConversion = !isConversion && character == "%"
        }
        return isConversion ? expanded + "%" : expanded
    }

    private static func take(_ pattern: String, _ rest: inout Substring, _ fields: inout Fields) -> Bool {
        var pattern = pattern[...]
        while let character = pattern.popFirst() {
            if character.isWhitespace {
                rest = rest.drop(while: \.isWhitespace)
            } else if character == "%" {
                guard let conversion = pattern.popFirst(), convert(conversion, &rest, &fields) else { return false }
            } else {
                guard rest.first == character else { return false }
                rest = rest.dropFirst()
            }
        }
        return true
    }

    private static func convert(_ conversion: Character, _ rest: inout Substring, _ fields: inout Fields) -> Bool {
        switch conversion {
        case "Y": return take(digits: 4, 0...9999, &rest, &fields.year)
        case "y":
            guard take(digits: 2, 0...99, &rest, &fields.year) else { return false }
            // POSIX: 69 to 99 are of the last century.
            fields.year += fields.year < 69 ? 2000 : 1900
            return true
        case "m": return take(digits: 2, 1...12, &rest, &fields.month)
        case "d", "e":
            rest = rest.drop { $0 == " " }
            return take(digits: 2, 1...31, &rest, &fields.day)
        case "H": return take(digits: 2, 0...23, &rest, &fields.hour)
        case "M": return take(digits: 2, 0...59, &rest, &fields.minute)
        // A leap second is the next minute's first.
        case "S": return take(digits: 2, 0...60, &rest, &fields.second)
        case "f":
            fields.fraction = String(rest.prefix { $0.isASCII && $0.isNumber }.prefix(9))
            rest = rest.drop { $0.isASCII && $0.isNumber }
            return !fields.fraction.isEmpty
        case "b":
            guard let month = months.firstIndex(of: rest.prefix(3).lowercased()) else { return false }
            fields.month = month + 1
            rest = rest.dropFirst(3)
            return true
        case "z": return takeOffset(&rest, &fields.offsetSeconds)
        case "%":
            guard rest.first == "%" else { return false }
            rest = rest.dropFirst()
            return true
        default: return false
        }
    }

    private static func take(
        digits: Int, _ range: ClosedRange<Int>, _ rest: inout Substring, _ value: inout Int
    ) -> Bool {
        let text = rest.prefix { $0.isASCII && $0.isNumber }.prefix(digits)
        guard let number = Int(text), range.contains(number) else { return false }
        value = number
        rest = rest.dropFirst(text.count)
        return true
    }

    /// `Z`, `+hhmm`, `+hh:mm`.
    private static func takeOffset(_ rest: inout Substring, _ seconds: inout Int) -> Bool {
        guard let sign = rest.popFirst() else { return false }
        if sign == "Z" { return true }
        guard sign == "+" || sign == "-" else { return false }
        var (hours, minutes) = (0, 0)
        guard take(digits: 2, 0...23, &rest, &hours) else { return false }
        if rest.first == ":" { rest = rest.dropFirst() }
        guard take(digits: 2, 0...59, &rest, &minutes) else { return false }
        seconds = (hours * 3_600 + minutes * 60) * (sign == "-" ? -1 : 1)
        return true
    }
}
