// SPDX-License-Identifier: Apache-2.0
import Core

/// Reads a pack in the JSON representation (RFC 8428 section 5).
struct SenMLJSONReader {
    /// Unknown values stand inside the pack's array and a record's object.
    private static let unknownDepth = Limits.jsonDepth - 2

    private var cursor: JSONCursor
    private(set) var resolver: SenMLResolver

    init(_ payload: UnsafeRawBufferPointer, receivedAt: Int64, keeping: Bool, scratch: [UInt8]) {
        cursor = JSONCursor(payload)
        resolver = SenMLResolver(source: payload, receivedAt: receivedAt, keeping: keeping, scratch: scratch)
    }

    /// - Returns: how many measurements there are.
    mutating func read(into batch: inout SenMLBatch) throws(SenMLError) -> Int {
        cursor.skipWhiteSpace()
        guard cursor.take(UInt8(ascii: "[")) else {
            // Another value is a pack of the wrong shape, anything else no JSON.
            do throws(JSONError) { try cursor.skipValue(depth: Limits.jsonDepth) } catch { throw packFailure(error) }
            throw SenMLError(.notAnArray, record: nil, offset: 0)
        }
        cursor.skipWhiteSpace()
        guard cursor.current != UInt8(ascii: "]") else {
            throw SenMLError(.emptyPack, record: nil, offset: cursor.offset)
        }
        repeat {
            cursor.skipWhiteSpace()
            try readRecord(into: &batch)
            cursor.skipWhiteSpace()
        } while cursor.take(UInt8(ascii: ","))
        guard cursor.take(UInt8(ascii: "]")) else { throw packFailure(cursor.unexpected) }
        cursor.skipWhiteSpace()
        guard cursor.isAtEnd else { throw packFailure(JSONError(.trailingContent, offset: cursor.offset)) }
        return resolver.measurements
    }

    @inline(__always)
    private mutating func readRecord(into batch: inout SenMLBatch) throws(SenMLError) {
        resolver.offset = cursor.offset
        guard resolver.record < Limits.senmlRecords else { throw resolver.failure(.tooManyRecords) }
        guard cursor.take(UInt8(ascii: "{")) else {
            try skipValue()
            throw resolver.failure(.notARecord)
        }
        cursor.skipWhiteSpace()
        if !cursor.take(UInt8(ascii: "}")) {
            while true {
                try readMember()
                cursor.skipWhiteSpace()
                if cursor.take(UInt8(ascii: ",")) {
                    cursor.skipWhiteSpace()
                    continue
                }
                guard cursor.take(UInt8(ascii: "}")) else { throw failure(cursor.unexpected) }
                break
            }
        }
        resolver.offset = cursor.offset
        try resolver.finishRecord(into: &batch)
    }

    @inline(__always)
    private mutating func readMember() throws(SenMLError) {
        let key: JSONCursor.Text
        do throws(JSONError) { key = try cursor.scanKey() } catch { throw failure(error) }
        let bytes = UnsafeRawBufferPointer(rebasing: cursor.bytes[key.offset..<(key.offset + key.length)])
        guard !key.hasEscapes else { return try readEscapedMember(bytes) }
        guard let label = SenMLLabel(jsonName: bytes) else { return try skipUnknown(bytes) }
        try readValue(of: label)
    }

    /// A label that is written with backslash sequences is the same label.
    private mutating func readEscapedMember(_ key: UnsafeRawBufferPointer) throws(SenMLError) {
        var name: [UInt8] = []
        JSONText.unescape(key, into: &name)
        if let label = name.withUnsafeBytes({ SenMLLabel(jsonName: $0) }) { return try readValue(of: label) }
        guard name.last != UInt8(ascii: "_") else {
            throw resolver.failure(.reservedLabel(name.withUnsafeBytes(SenMLError.shown)))
        }
        try skipValue()
    }

    private mutating func skipUnknown(_ key: UnsafeRawBufferPointer) throws(SenMLError) {
        guard key.last != UInt8(ascii: "_") else {
            resolver.offset = cursor.offset
            throw resolver.failure(.reservedLabel(SenMLError.shown(key)))
        }
        try skipValue()
    }

    @inline(__always)
    private mutating func readValue(of label: SenMLLabel) throws(SenMLError) {
        resolver.offset = cursor.offset
        try resolver.begin(label)
        switch label {
        case .name, .unit, .baseName, .baseUnit:
            resolver.set(label, text: try readText(label))
        case .value, .sum, .baseValue, .baseSum:
            let start = cursor.offset
            let number = try readNumber(label)
            let text = UnsafeRawBufferPointer(rebasing: cursor.bytes[start..<cursor.offset])
            try resolver.set(label, number: number.double(text: String(decoding: text, as: UTF8.self)))
        case .time, .baseTime, .updateTime:
            try resolver.set(label, nanoseconds: try readNumber(label).nanounits())
        case .baseVersion:
            let number = try readNumber(label)
            guard let version = number.integer else { throw resolver.failure(.unsupportedVersion) }
            try resolver.set(version: version)
        case .booleanValue: try readBoolean()
        case .stringValue, .dataValue: try readContent(label)
        }
    }

    @inline(__always)
    private mutating func readNumber(_ label: SenMLLabel) throws(SenMLError) -> DecimalNumber {
        switch cursor.current {
        case UInt8(ascii: "-"), UInt8(ascii: "0")...UInt8(ascii: "9"):
            do throws(JSONError) { return try cursor.scanNumber() } catch { throw failure(error) }
        // NaN and Infinity, as some serializers write them; JSON has neither.
        case UInt8(ascii: "N"), UInt8(ascii: "I"): throw resolver.failure(.numberOutOfRange(label))
        default: throw mismatch(label)
        }
    }

    @inline(__always)
    private mutating func readString(_ label: SenMLLabel) throws(SenMLError) -> JSONCursor.Text {
        guard cursor.current == UInt8(ascii: "\"") else { throw mismatch(label) }
        do throws(JSONError) { return try cursor.scanString() } catch { throw failure(error) }
    }

    @inline(__always)
    private mutating func readText(_ label: SenMLLabel) throws(SenMLError) -> SenMLText {
        let text = try readString(label)
        guard text.hasEscapes else { return SenMLText(origin: .source, offset: text.offset, count: text.length) }
        let bytes = UnsafeRawBufferPointer(rebasing: cursor.bytes[text.offset..<(text.offset + text.length)])
        let offset = resolver.scratch.count
        JSONText.unescape(bytes, into: &resolver.scratch)
        return SenMLText(origin: .scratch, offset: offset, count: resolver.scratch.count - offset)
    }

    private mutating func readBoolean() throws(SenMLError) {
        let isTrue = cursor.current == UInt8(ascii: "t")
        guard isTrue || cursor.current == UInt8(ascii: "f") else { throw mismatch(.booleanValue) }
        do throws(JSONError) { try cursor.scanLiteral(isTrue ? "true" : "false") } catch { throw failure(error) }
        resolver.set(boolean: isTrue)
    }

    private mutating func readContent(_ label: SenMLLabel) throws(SenMLError) {
        let text = try readString(label)
        if label == .dataValue {
            let bytes = UnsafeRawBufferPointer(rebasing: cursor.bytes[text.offset..<(text.offset + text.length)])
            // No character of base64url needs an escape: text with one is not what the alphabet allows, or not worth a second path.
            guard Base64URL.isValid(bytes) else { throw resolver.failure(.invalidBase64) }
        }
        resolver.set(
            content: SenMLResolver.Content(
                offset: text.offset, count: text.length, hasEscapes: text.hasEscapes, isBase64: label == .dataValue))
    }

    private mutating func skipValue() throws(SenMLError) {
        do throws(JSONError) { try cursor.skipValue(depth: Self.unknownDepth) } catch { throw failure(error) }
    }

    /// A value of another type where one begins, otherwise no JSON.
    private func mismatch(_ label: SenMLLabel) -> SenMLError {
        switch cursor.current {
        case UInt8(ascii: "\""), UInt8(ascii: "{"), UInt8(ascii: "["), UInt8(ascii: "t"), UInt8(ascii: "f"),
            UInt8(ascii: "n"), UInt8(ascii: "-"), UInt8(ascii: "0")...UInt8(ascii: "9"):
            resolver.failure(.wrongType(label))
        default: failure(cursor.unexpected)
        }
    }

    private func failure(_ error: JSONError) -> SenMLError {
        SenMLError(.json(error.kind), record: resolver.record, offset: error.offset)
    }

    private func packFailure(_ error: JSONError) -> SenMLError {
        SenMLError(.json(error.kind), record: nil, offset: error.offset)
    }
}

extension SenMLError {
    /// How much of a label is repeated in an error.
    private static let shownLabelBytes = 64

    /// An unknown label for an error's sentence.
    static func shown(_ label: UnsafeRawBufferPointer) -> String {
        String(decoding: label.prefix(shownLabelBytes), as: UTF8.self)
    }
}
