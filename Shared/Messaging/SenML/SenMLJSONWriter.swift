// SPDX-License-Identifier: Apache-2.0

/// The JSON representation (RFC 8428 section 5).
enum SenMLJSONWriter {
    static func write(_ batch: SenMLBatch, to output: inout [UInt8]) {
        output.append(UInt8(ascii: "["))
        for (index, record) in batch.records.enumerated() {
            if index > 0 { output.append(UInt8(ascii: ",")) }
            write(record, of: batch, to: &output)
        }
        output.append(UInt8(ascii: "]"))
    }

    private static func write(_ record: SenMLRecord, of batch: SenMLBatch, to output: inout [UInt8]) {
        output.append(contentsOf: "{\"n\":".utf8)
        batch.withBytes(of: record.name) { JSONText.append(quoted: $0, to: &output) }
        if let unit = record.unit {
            output.append(contentsOf: ",\"u\":".utf8)
            batch.withBytes(of: unit) { JSONText.append(quoted: $0, to: &output) }
        }
        output.append(contentsOf: ",\"t\":".utf8)
        append(nanoseconds: record.time, to: &output)
        switch record.value {
        case .none: break
        case .number(let number):
            output.append(contentsOf: ",\"v\":".utf8)
            append(number, to: &output)
        case .text(let text):
            output.append(contentsOf: ",\"vs\":".utf8)
            batch.withBytes(of: text) { JSONText.append(quoted: $0, to: &output) }
        case .boolean(let boolean): output.append(contentsOf: boolean ? ",\"vb\":true".utf8 : ",\"vb\":false".utf8)
        case .data(let data):
            output.append(contentsOf: ",\"vd\":\"".utf8)
            batch.withBytes(of: data) { Base64URL.encode($0, into: &output) }
            output.append(UInt8(ascii: "\""))
        }
        if let sum = record.sum {
            output.append(contentsOf: ",\"s\":".utf8)
            append(sum, to: &output)
        }
        if let updateTime = record.updateTime {
            output.append(contentsOf: ",\"ut\":".utf8)
            append(nanoseconds: updateTime, to: &output)
        }
        output.append(UInt8(ascii: "}"))
    }

    /// The shortest text that reads back as the number; whole numbers without a point.
    static func append(_ number: Double, to output: inout [UInt8]) {
        let text = number.description
        output.append(contentsOf: text.hasSuffix(".0") ? text.dropLast(2).utf8 : text[...].utf8)
    }

    /// Seconds, exactly, without trailing zeros.
    static func append(nanoseconds: Int64, to output: inout [UInt8]) {
        if nanoseconds < 0 { output.append(UInt8(ascii: "-")) }
        let (seconds, fraction) = nanoseconds.magnitude.quotientAndRemainder(dividingBy: 1_000_000_000)
        output.append(contentsOf: seconds.description.utf8)
        guard fraction > 0 else { return }
        output.append(UInt8(ascii: "."))
        var rest = fraction
        var unit: UInt64 = 100_000_000
        while rest > 0 {
            output.append(UInt8(ascii: "0") + UInt8(truncatingIfNeeded: rest / unit))
            rest %= unit
            unit /= 10
        }
    }
}
