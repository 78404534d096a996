// SPDX-License-Identifier: Apache-2.0

/// One UTC day, by its distance in days from 1970-01-01: the width of a partition.
struct Day: Hashable, Comparable, Sendable {
    static let nanoseconds: Int64 = 86_400 * 1_000_000_000

    var number: Int64

    init(number: Int64) { self.number = number }

    /// The day of a time in nanoseconds since 1970.
    init(containing time: Int64) {
        number = time / Self.nanoseconds - (time % Self.nanoseconds < 0 ? 1 : 0)
    }

    /// Any day that 64 bits of nanoseconds reach is far within 64 bits here; saturates outside.
    var start: Int64 {
        let (product, overflow) = number.multipliedReportingOverflow(by: Self.nanoseconds)
        return overflow ? (number < 0 ? .min : .max) : product
    }

    var end: Int64 { Day(number: number + 1).start }

    static func < (left: Day, right: Day) -> Bool { left.number < right.number }

    func advanced(by days: Int) -> Day { Day(number: number + Int64(days)) }

    /// `20261121`
    var digits: String {
        let (year, month, day) = civil
        return Self.padded(year, 4) + Self.padded(month, 2) + Self.padded(day, 2)
    }

    init?(digits: Substring) {
        guard digits.utf8.count == 8, digits.utf8.allSatisfy({ (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }),
            let value = Int64(digits)
        else { return nil }
        let year = value / 10_000
        let month = value / 100 % 100
        let day = value % 100
        guard (1...12).contains(month), (1...31).contains(day) else { return nil }
        // Days of the proleptic Gregorian calendar, years beginning in March (so that the leap day comes last).
        let shifted = month <= 2 ? year - 1 : year
        let era = shifted / 400
        let yearOfEra = shifted - era * 400
        let dayOfYear = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1
        let dayOfEra = yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear
        self.init(number: era * 146_097 + dayOfEra - 719_468)
    }

    private var civil: (year: Int64, month: Int64, day: Int64) {
        let shifted = number + 719_468
        let era = (shifted >= 0 ? shifted : shifted - 146_096) / 146_097
        let dayOfEra = shifted - era * 146_097
        let yearOfEra = (dayOfEra - dayOfEra / 1_460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let monthFromMarch = (5 * dayOfYear + 2) / 153
        let day = dayOfYear - (153 * monthFromMarch + 2) / 5 + 1
        let month = monthFromMarch < 10 ? monthFromMarch + 3 : monthFromMarch - 9
        return (yearOfEra + era * 400 + (month <= 2 ? 1 : 0), month, day)
    }

    private static func padded(_ value: Int64, _ width: Int) -> String {
        let text = "\(value)"
        return String(repeating: "0", count: max(0, width - text.utf8.count)) + text
    }
}
