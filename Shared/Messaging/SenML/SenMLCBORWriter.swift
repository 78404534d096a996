// SPDX-License-Identifier: Apache-2.0

/// The CBOR representation (RFC 8428 section 6): each number in its shortest form that keeps its value.
enum SenMLCBORWriter {
    static let falseByte: UInt8 = 0xF4
    static let trueByte: UInt8 = 0xF5
    static let nullByte: UInt8 = 0xF6

    static func write(_ batch: SenMLBatch, to output: inout [UInt8]) {
        append(.array, UInt64(batch.count), to: &output)
        for record in batch.records { write(record, of: batch, to: &output) }
    }

    private static func write(_ record: SenMLRecord, of batch: SenMLBatch, to output: inout [UInt8]) {
        var fields: UInt64 = 2
        if record.unit != nil { fields += 1 }
        if record.value != .none { fields += 1 }
        if record.sum != nil { fields += 1 }
        if record.updateTime != nil { fields += 1 }
        append(.map, fields, to: &output)
        append(.name, to: &output)
        batch.withBytes(of: record.name) { append(.text, $0, to: &output) }
        if let unit = record.unit {
            append(.unit, to: &output)
            batch.withBytes(of: unit) { append(.text, $0, to: &output) }
        }
        append(.time, to: &output)
        append(nanoseconds: record.time, to: &output)
        switch record.value {
        case .none: break
        case .number(let number):
            append(.value, to: &output)
            append(number, to: &output)
        case .text(let text):
            append(.stringValue, to: &output)
            batch.withBytes(of: text) { append(.text, $0, to: &output) }
        case .boolean(let boolean):
            append(.booleanValue, to: &output)
            output.append(boolean ? trueByte : falseByte)
        case .data(let data):
            append(.dataValue, to: &output)
            batch.withBytes(of: data) { append(.bytes, $0, to: &output) }
        }
        if let sum = record.sum {
            append(.sum, to: &output)
            append(sum, to: &output)
        }
        if let updateTime = record.updateTime {
            append(.updateTime, to: &output)
            append(nanoseconds: updateTime, to: &output)
        }
    }

    static func append(_ label: SenMLLabel, to output: inout [UInt8]) {
        append(Int64(label.number), to: &output)
    }

    static func append(_ integer: Int64, to output: inout [UInt8]) {
        if integer < 0 {
            append(.negative, UInt64(-1 - integer), to: &output)
        } else {
            append(.unsigned, UInt64(integer), to: &output)
        }
    }

    static func append(
        _ major: CBORCursor.Major, _ content: UnsafeRawBufferPointer, to output: inout [UInt8]
    ) {
        append(major, UInt64(content.count), to: &output)
        output.append(contentsOf: content)
    }

    /// A head with the shortest argument (RFC 8949 section 4.2.1).
    static func append(_ major: CBORCursor.Major, _ argument: UInt64, to output: inout [UInt8]) {
        let type = major.rawValue << 5
        switch argument {
        case 0..<24: output.append(type | UInt8(argument))
        case 24...0xFF: output.append(contentsOf: [type | 24, UInt8(argument)])
        case 0x100...0xFFFF:
            output.append(type | 25)
            appendBigEndian(UInt16(argument), to: &output)
        case 0x1_0000...0xFFFF_FFFF:
            output.append(type | 26)
            appendBigEndian(UInt32(argument), to: &output)
        default:
            output.append(type | 27)
            appendBigEndian(argument, to: &output)
        }
    }

    private static func appendBigEndian(_ value: some FixedWidthInteger, to output: inout [UInt8]) {
        withUnsafeBytes(of: value.bigEndian) { output.append(contentsOf: $0) }
    }

    /// Whole numbers as integers, except -0 which only floats have.
    static func append(_ number: Double, to output: inout [UInt8]) {
        let isNegativeZero = number == 0 && number.sign == .minus
        if !isNegativeZero, let whole = Int64(exactly: number) {
            append(whole, to: &output)
        } else {
            appendFloat(number, to: &output)
        }
    }

    static func appendFloat(_ number: Double, to output: inout [UInt8]) {
        let single = Float(number)
        guard Double(single) == number else {
            output.append(0xFB)
            return appendBigEndian(number.bitPattern, to: &output)
        }
        if let half = halfBits(single) {
            output.append(0xF9)
            appendBigEndian(half, to: &output)
        } else {
            output.append(0xFA)
            appendBigEndian(single.bitPattern, to: &output)
        }
    }

    /// The bits of a normal (or zero) half-precision number of the same value; nil when there is none.
    private static func halfBits(_ single: Float) -> UInt16? {
        let bits = single.bitPattern
        let sign = UInt16(truncatingIfNeeded: bits >> 16) & 0x8000
        if single == 0 { return sign }
        // Exponents of normal halves, re-biased from 127 to 15; ten bits of fraction of the twenty-three.
        let exponent = Int(bits >> 23 & 0xFF) - 112
        guard 1...30 ~= exponent, bits & 0x1FFF == 0 else { return nil }
        return sign | UInt16(exponent) << 10 | UInt16(truncatingIfNeeded: bits >> 13) & 0x3FF
    }

    /// Seconds: an integer, or a double that reads back as these nanoseconds, or a decimal fraction.
    static func append(nanoseconds: Int64, to output: inout [UInt8]) {
        if nanoseconds % 1_000_000_000 == 0 { return append(nanoseconds / 1_000_000_000, to: &output) }
        let exact = DecimalNumber(isNegative: nanoseconds < 0, mantissa: nanoseconds.magnitude, exponent: -9)
        let seconds = exact.double(text: "\(nanoseconds)e-9")
        if DecimalNumber(shortest: seconds).nanounits() == nanoseconds { return appendFloat(seconds, to: &output) }
        append(.tag, 4, to: &output)
        append(.array, 2, to: &output)
        append(Int64(-9), to: &output)
        append(nanoseconds, to: &output)
    }
}
