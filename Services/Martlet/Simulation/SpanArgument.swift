// SPDX-License-Identifier: Apache-2.0

/// Spans as they are typed.
enum SpanArgument {
    /// - Parameter text: `90s`, `5m`, `2h`, `1d`, or bare seconds.
    /// - Returns: seconds.
    static func seconds(_ text: String) throws(CommandFailure) -> Double {
        let units: [Character: Double] = ["s": 1, "m": 60, "h": 3_600, "d": 86_400]
        let unit = text.last.flatMap { units[$0] }
        let number = unit == nil ? text[...] : text.dropLast()
        guard let count = Measurement.number(number).flatMap({ Double($0) }), count >= 0, count <= 1e8 else {
            throw .usage("'\(text)' is no span of time", advice: "for example 90s, 5m, 2h")
        }
        return count * (unit ?? 1)
    }
}
