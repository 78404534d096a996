// SPDX-License-Identifier: Apache-2.0

/// Times as text for people and documents.
public enum Timestamp {
    /// RFC 3339 in UTC with milliseconds, `2026-11-21T02:49:11.123Z`.
    ///
    /// - Parameter nanoseconds: since 1970-01-01T00:00:00Z; any value of the type.
    public static func rfc3339(_ nanoseconds: Int64) -> String {
        let seconds = Int(floorDivide(nanoseconds, 1_000_000_000))
        // Not the difference to the whole seconds: that product overflows next to the type's minimum.
        let remainder = nanoseconds % 1_000_000_000
        let milliseconds = Int((remainder < 0 ? remainder + 1_000_000_000 : remainder) / 1_000_000)
        let days = Int(floorDivide(Int64(seconds), 86_400))
        let secondOfDay = seconds - days * 86_400
        let (year, month, day) = civil(days: days)
        let digits = [
            pad(year, 4), "-", pad(month, 2), "-", pad(day, 2), "T", pad(secondOfDay / 3_600, 2), ":",
            pad(secondOfDay / 60 % 60, 2), ":", pad(secondOfDay % 60, 2), ".", pad(milliseconds, 3), "Z",
        ]
        return digits.joined()
    }

    private static func floorDivide(_ value: Int64, _ divisor: Int64) -> Int64 {
        let quotient = value / divisor
        return value % divisor < 0 ? quotient - 1 : quotient
    }

    private static func pad(_ value: Int, _ width: Int) -> String {
        let text = String(value)
        return text.utf8.count >= width ? text : String(repeating: "0", count: width - text.utf8.count) + text
    }

    /// Days since 1970-01-01 as a date of the proleptic Gregorian calendar: 400-year eras of 146,097 days, years counted from March
    /// so that the leap day is the last of its year.
    private static func civil(days: Int) -> (year: Int, month: Int, day: Int) {
        let shifted = days + 719_468
        let era = Int(floorDivide(Int64(shifted), 146_097))
        let dayOfEra = shifted - era * 146_097
        let yearOfEra = (dayOfEra - dayOfEra / 1_460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let marchMonth = (5 * dayOfYear + 2) / 153
        let day = dayOfYear - (153 * marchMonth + 2) / 5 + 1
        let month = marchMonth < 10 ? marchMonth + 3 : marchMonth - 9
        return (yearOfEra + era * 400 + (month <= 2 ? 1 : 0), month, day)
    }
}
