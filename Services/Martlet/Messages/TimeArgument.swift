// SPDX-License-Identifier: Apache-2.0
import Foundation
import Observability

/// Times as they are typed and shown.
enum TimeArgument {
    /// - Parameter text: seconds since 1970 with a fraction or not, ISO 8601 (`2026-11-24T13:55:13Z`, UTC where no zone is said), or how long ago:
    ///   `90s`, `15m`, `24h`, `7d`.
    /// - Returns: seconds since 1970 as a decimal number.
    static func seconds(_ text: String, now: Double = Date().timeIntervalSince1970) throws(CommandFailure) -> String {
        if let number = Measurement.number(text) { return number }
        let units: [Character: Double] = ["s": 1, "m": 60, "h": 3_600, "d": 86_400]
        if let last = text.last, let unit = units[last], let count = Double(text.dropLast()), count >= 0, count < 1e9 {
            return String(format: "%.3f", now - count * unit)
        }
        guard let date = date(text) else {
            throw .usage(
                "'\(text)' is no time",
                advice: "seconds since 1970, a date like 2026-11-24T13:55:13Z, or how long ago: 15m, 24h, 7d")
        }
        return NumberText.exact(date)
    }

    /// ISO 8601's usual forms, down to the day.
    static func date(_ text: String) -> Double? {
        var candidate = text.replacing(" ", with: "T")
        if !candidate.contains("T") { candidate += "T00:00:00" }
        let clock = candidate.split(separator: "T", maxSplits: 1).last ?? ""
        if !clock.contains("Z") && !clock.contains("+") && !clock.contains("-") { candidate += "Z" }
        for fraction in [false, true] {
            let style = Date.ISO8601FormatStyle(includingFractionalSeconds: fraction)
            if let date = try? style.parse(candidate) { return date.timeIntervalSince1970 }
        }
        return nil
    }

    /// In UTC with milliseconds; anything that is out of range as it is.
    static func text(_ seconds: Double?) -> String? {
        guard let seconds else { return nil }
        let nanoseconds = (seconds * 1e9).rounded()
        guard nanoseconds.isFinite, nanoseconds.magnitude < 9.2e18 else { return NumberText.exact(seconds) }
        return Timestamp.rfc3339(Int64(nanoseconds))
    }

    /// Without the date's beginning that all of a short span share.
    static func short(_ seconds: Double) -> String {
        guard let text = text(seconds), text.utf8.count >= 19 else { return "" }
        return String(text.prefix(19).replacing("T", with: " "))
    }
}
