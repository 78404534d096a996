// SPDX-License-Identifier: Apache-2.0
import Foundation

/// Resolves a SenML JSON pack (RFC 8428 section 4.6) as far as showing and finding its records takes.
enum SenMLPack {
    struct Record: Equatable {
        var name: String
        /// Seconds since 1970, as a decimal number.
        var time: String?
        var unit: String?
        var value: JSONValue?
    }

    /// - Parameter created: when the message came in, in seconds since 1970: relative times count from there.
    /// - Returns: nil where it is no pack.
    static func records(_ payload: JSONValue?, created: JSONValue?) -> [Record]? {
        guard let elements = payload?.elements else { return nil }
        var (baseName, baseUnit) = ("", String?.none)
        var (baseTime, baseValue) = (Decimal(0), Decimal?.none)
        var records: [Record] = []
        for element in elements {
            if let name = element["bn"]?.text { baseName = name }
            if let unit = element["bu"]?.text { baseUnit = unit }
            if let time = decimal(element["bt"]) { baseTime = time }
            if let value = decimal(element["bv"]) { baseValue = value }
            let members = ["v", "vs", "vb", "vd", "s"]
            guard var value = members.lazy.compactMap({ element[$0] }).first ?? baseValue.map({ .number("\($0)") })
            else { continue }
            if let baseValue, let number = decimal(element["v"]) { value = .number("\(baseValue + number)") }
            var time = baseTime + (decimal(element["t"]) ?? 0)
            // Below 2^28 a time is relative to now (section 4.5.3).
            if time < 268_435_456, let created = decimal(created) { time += created }
            records.append(
                Record(
                    name: baseName + (element["n"]?.text ?? ""), time: "\(time)",
                    unit: element["u"]?.text ?? baseUnit, value: value))
        }
        return records
    }

    private static func decimal(_ value: JSONValue?) -> Decimal? {
        guard case .number(let text)? = value else { return nil }
        return Decimal(string: text, locale: Locale(identifier: "en_US_POSIX"))
    }
}
