// SPDX-License-Identifier: Apache-2.0
import Foundation

/// Numbers and spans as people read them.
enum NumberText {
    /// Six significant digits at most.
    static func short(_ value: Double) -> String { String(format: "%.6g", value) }

    /// As a value is stored: a whole number without a fraction, any other in its shortest form.
    static func exact(_ value: Double) -> String { JSONValue.double(value).cell ?? "\(value)" }

    /// With a space after every three digits.
    static func grouped(_ value: Int) -> String {
        var digits = String(value.magnitude)
        var groups: [String] = []
        while digits.count > 3 {
            groups.insert(String(digits.suffix(3)), at: 0)
            digits.removeLast(3)
        }
        groups.insert(digits, at: 0)
        return (value < 0 ? "-" : "") + groups.joined(separator: " ")
    }

    /// From microseconds, in the unit that suits.
    static func span(microseconds: Double) -> String {
        switch microseconds {
        case ..<1_000: String(format: "%.0f µs", microseconds)
        case ..<100_000: String(format: "%.1f ms", microseconds / 1_000)
        case ..<1_000_000: String(format: "%.0f ms", microseconds / 1_000)
        default: String(format: "%.2f s", microseconds / 1_000_000)
        }
    }
}
