// SPDX-License-Identifier: Apache-2.0

/// A duration as Go writes it, which Mainflux's clients say intervals in: `10s`, `5m`, `1h30m`, `1.5h`, `250ms`.
enum GoDuration {
    /// - Returns: nanoseconds, positive; nil when it is no such text, is zero, or does not fit 64 bits.
    static func nanoseconds(_ text: String) -> Int64? {
        // Longer than any that is meant.
        guard text.utf8.count <= 64 else { return nil }
        var rest = text[...]
        var sum: Int64 = 0
        repeat {
            let number = rest.prefix { $0.isASCII && ($0.isNumber || $0 == ".") }
            rest = rest.dropFirst(number.count)
            let name = rest.prefix { !$0.isNumber && $0 != "." }
            rest = rest.dropFirst(name.count)
            guard let unit = units[name], let part = product(number, unit) else { return nil }
            let (added, overflow) = sum.addingReportingOverflow(part)
            guard !overflow else { return nil }
            sum = added
        } while !rest.isEmpty
        return sum > 0 ? sum : nil
    }

    /// Go takes both signs for micro.
    private static let units: [Substring: Int64] = [
        "ns": 1, "us": 1_000, "µs": 1_000, "μs": 1_000, "ms": 1_000_000, "s": 1_000_000_000, "m": 60_000_000_000,
        "h": 3_600_000_000_000,
    ]

    /// A decimal times the unit, in whole nanoseconds; digits beyond those count as nothing.
    private static func product(_ number: Substring, _ unit: Int64) -> Int64? {
        let parts = number.split(separator: ".", omittingEmptySubsequences: false)
        guard parts.count <= 2, number.contains(where: \.isNumber) else { return nil }
        guard let whole = parts[0].isEmpty ? 0 : Int64(parts[0]) else { return nil }
        let (product, overflow) = whole.multipliedReportingOverflow(by: unit)
        guard !overflow else { return nil }
        var result = product
        var scale = unit
        for digit in parts.dropFirst().first ?? "" {
            guard let digit = digit.wholeNumberValue else { return nil }
            // Exact: every unit is a multiple of the powers of ten that it has digits for, and below that nothing counts.
            let (sum, overflow) = result.addingReportingOverflow(scale * Int64(digit) / 10)
            guard !overflow else { return nil }
            result = sum
            scale /= 10
        }
        return result
    }
}
