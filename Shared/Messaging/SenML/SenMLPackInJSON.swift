// SPDX-License-Identifier: Apache-2.0
import Core

/// A valid pack in JSON on its way to CBOR (RFC 8428 section 6).
struct SenMLPackInJSON {
    private var cursor: JSONCursor
    private var record = 0
    /// The string that was read last, without its escapes.
    private var text: [UInt8] = []

    /// - Parameter payload: what ``SenMLDecoder/validate(_:format:receivedAt:)`` has accepted.
    init(_ payload: UnsafeRawBufferPointer) {
        cursor = JSONCursor(payload)
    }

    mutating func writeCBOR(to output: inout [UInt8]) throws(SenMLError) {
        do throws(JSONError) {
            let start = output.count
            cursor.skipWhiteSpace()
            try cursor.expect(UInt8(ascii: "["))
            repeat {
                cursor.skipWhiteSpace()
                try writeRecord(to: &output)
                record += 1
                cursor.skipWhiteSpace()
            } while cursor.take(UInt8(ascii: ","))
            try cursor.expect(UInt8(ascii: "]"))
            SenMLCBORWriter.insert(.array, UInt64(record), at: start, in: &output)
        } catch {
            throw SenMLError(.json(error.kind), record: record, offset: error.offset)
        }
    }

    private mutating func writeRecord(to output: inout [UInt8]) throws(JSONError) {
        let start = output.count
        try cursor.expect(UInt8(ascii: "{"))
        var members: UInt64 = 0
        cursor.skipWhiteSpace()
        if !cursor.take(UInt8(ascii: "}")) {
            repeat {
                cursor.skipWhiteSpace()
                unescape(try cursor.scanKey())
                if let label = text.withUnsafeBytes({ SenMLLabel(jsonName: $0) }) {
                    SenMLCBORWriter.append(label, to: &output)
                    try writeValue(of: label, to: &output)
                } else {
                    appendText(to: &output)
                    // Inside the pack's array and the record.
                    try writeUnknown(depth: Limits.jsonDepth - 2, to: &output)
                }
                members += 1
                cursor.skipWhiteSpace()
            } while cursor.take(UInt8(ascii: ","))
            try cursor.expect(UInt8(ascii: "}"))
        }
        SenMLCBORWriter.insert(.map, members, at: start, in: &output)
    }

    private mutating func writeValue(of label: SenMLLabel, to output: inout [UInt8]) throws(JSONError) {
        switch label {
        case .name, .unit, .baseName, .baseUnit, .stringValue:
            unescape(try cursor.scanString())
            appendText(to: &output)
        case .dataValue:
            let content = try cursor.scanString()
            text.removeAll(keepingCapacity: true)
            Base64URL.decode(bytes(of: content), into: &text)
            text.withUnsafeBytes { SenMLCBORWriter.append(.bytes, $0, to: &output) }
        case .booleanValue: try writeUnknown(depth: 0, to: &output)
        case .value, .sum, .baseValue, .baseSum, .baseVersion: try writeNumber(isTime: false, to: &output)
        case .time, .baseTime, .updateTime: try writeNumber(isTime: true, to: &output)
        }
    }

    private mutating func writeNumber(isTime: Bool, to output: inout [UInt8]) throws(JSONError) {
        let start = cursor.offset
        let number = try cursor.scanNumber()
        guard number.isTruncated else { return SenMLCBORWriter.append(number, to: &output) }
        let digits = UnsafeRawBufferPointer(rebasing: cursor.bytes[start..<cursor.offset])
        if let exact = number.completed(from: digits) { return SenMLCBORWriter.append(exact, to: &output) }
        if isTime, let nanoseconds = number.nanounits() {
            let seconds = DecimalNumber(isNegative: nanoseconds < 0, mantissa: nanoseconds.magnitude, exponent: -9)
            return SenMLCBORWriter.append(seconds, to: &output)
        }
        let value = number.double(text: String(decoding: digits, as: UTF8.self))
        // Only under a label that is not known: there every number is allowed.
        guard value.isFinite else { return SenMLCBORWriter.append(number, to: &output) }
        SenMLCBORWriter.append(DecimalNumber(shortest: value), to: &output)
    }

    /// Any JSON value (RFC 8949 section 6.2).
    private mutating func writeUnknown(depth: Int, to output: inout [UInt8]) throws(JSONError) {
        switch cursor.current {
        case UInt8(ascii: "\""):
            unescape(try cursor.scanString())
            appendText(to: &output)
        case UInt8(ascii: "{"), UInt8(ascii: "["):
            guard depth > 0 else { throw JSONError(.tooDeep, offset: cursor.offset) }
            try writeContainer(depth: depth - 1, to: &output)
        case UInt8(ascii: "t"):
            try cursor.scanLiteral("true")
            output.append(SenMLCBORWriter.trueByte)
        case UInt8(ascii: "f"):
            try cursor.scanLiteral("false")
            output.append(SenMLCBORWriter.falseByte)
        case UInt8(ascii: "n"):
            try cursor.scanLiteral("null")
            output.append(SenMLCBORWriter.nullByte)
        default: try writeNumber(isTime: false, to: &output)
        }
    }

    private mutating func writeContainer(depth: Int, to output: inout [UInt8]) throws(JSONError) {
        let start = output.count
        let isObject = cursor.take(UInt8(ascii: "{"))
        if !isObject { try cursor.expect(UInt8(ascii: "[")) }
        let end = isObject ? UInt8(ascii: "}") : UInt8(ascii: "]")
        var count: UInt64 = 0
        cursor.skipWhiteSpace()
        if !cursor.take(end) {
            repeat {
                cursor.skipWhiteSpace()
                if isObject {
                    unescape(try cursor.scanKey())
                    appendText(to: &output)
                }
                try writeUnknown(depth: depth, to: &output)
                count += 1
                cursor.skipWhiteSpace()
            } while cursor.take(UInt8(ascii: ","))
            try cursor.expect(end)
        }
        SenMLCBORWriter.insert(isObject ? .map : .array, count, at: start, in: &output)
    }

    private func bytes(of content: JSONCursor.Text) -> UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(rebasing: cursor.bytes[content.offset..<(content.offset + content.length)])
    }

    private mutating func unescape(_ content: JSONCursor.Text) {
        text.removeAll(keepingCapacity: true)
        if content.hasEscapes {
            JSONText.unescape(bytes(of: content), into: &text)
        } else {
            text.append(contentsOf: bytes(of: content))
        }
    }

    private func appendText(to output: inout [UInt8]) {
        text.withUnsafeBytes { SenMLCBORWriter.append(.text, $0, to: &output) }
    }
}
