// SPDX-License-Identifier: Apache-2.0

/// How a row of a CSV file says when it was measured.
enum RowTimeFormat: Equatable, Sendable {
    case unixSeconds
    case unixMilliseconds
    case iso8601
    /// ``TimePattern``
    case pattern(String)

    init(_ text: String) {
        switch text {
        case "unix": self = .unixSeconds
        case "unix-ms": self = .unixMilliseconds
        case "iso8601": self = .iso8601
        default: self = .pattern(text)
        }
    }

    /// - Returns: seconds since 1970 as a decimal number; nil where the text does not have this form, from its beginning to its end.
    func seconds(_ text: String) -> String? {
        switch self {
        case .unixSeconds: return Measurement.number(text)
        case .unixMilliseconds:
            guard let milliseconds = Int64(text) else { return nil }
            return NumberText.exact(Double(milliseconds) / 1_000)
        case .iso8601: return TimeArgument.date(text).map(NumberText.exact)
        case .pattern(let pattern): return TimePattern(pattern).seconds(text)
        }
    }
}
