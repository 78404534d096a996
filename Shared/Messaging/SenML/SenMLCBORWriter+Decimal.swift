// SPDX-License-Identifier: Apache-2.0

extension SenMLCBORWriter {
    /// An integer, or a float whose shortest decimal is this number, or a decimal fraction.
    ///
    /// - Parameter number: not truncated.
    static func append(_ number: DecimalNumber, to output: inout [UInt8]) {
        let least = number.normalized
        if least.mantissa == 0, least.isNegative { return appendFloat(-0.0, to: &output) }
        if let magnitude = least.wholeMagnitude {
            return least.isNegative
                ? append(.negative, magnitude - 1, to: &output) : append(.unsigned, magnitude, to: &output)
        }
        let value = least.double(text: least.text)
        if value.isFinite, DecimalNumber(shortest: value).isSame(as: least) {
            return appendFloat(value, to: &output)
        }
        append(.tag, 4, to: &output)
        append(.array, 2, to: &output)
        let maximum = CBORNumber.maximumExponent
        append(Int64(min(max(least.exponent, -maximum), maximum)), to: &output)
        append(least.isNegative ? .negative : .unsigned, least.mantissa - (least.isNegative ? 1 : 0), to: &output)
    }

    /// Puts the head of an array or map before what was written of it from `start` on: how many there are is known only afterwards.
    static func insert(_ major: CBORCursor.Major, _ count: UInt64, at start: Int, in output: inout [UInt8]) {
        var head: [UInt8] = []
        append(major, count, to: &head)
        output.insert(contentsOf: head, at: start)
    }
}

extension SenMLJSONWriter {
    /// Exactly, with a point where that is short, else with an exponent.
    ///
    /// - Parameter number: not truncated.
    static func append(_ number: DecimalNumber, to output: inout [UInt8]) {
        output.append(contentsOf: number.normalized.text.utf8)
    }
}
