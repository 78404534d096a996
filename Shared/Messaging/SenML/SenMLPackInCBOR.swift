// SPDX-License-Identifier: Apache-2.0
import Core

/// A valid pack in CBOR on its way to JSON (RFC 8428 section 5).
struct SenMLPackInCBOR {
    private var cursor: CBORCursor
    private var record = 0
    /// The string that was read last, its chunks put together.
    private var text: [UInt8] = []

    /// - Parameter payload: what ``SenMLDecoder/validate(_:format:receivedAt:)`` has accepted.
    init(_ payload: UnsafeRawBufferPointer) {
        cursor = CBORCursor(payload)
    }

    mutating func writeJSON(to output: inout [UInt8]) throws(SenMLError) {
        do throws(CBORError) {
            var pack = try cursor.readHead()
            // "This is CBOR", before the array.
            if pack.major == .tag { pack = try cursor.readHead() }
            output.append(UInt8(ascii: "["))
            var left = pack.argument
            while pack.isIndefinite ? !cursor.takeBreak() : left > 0 {
                if record > 0 { output.append(UInt8(ascii: ",")) }
                try writeRecord(to: &output)
                record += 1
                left &-= 1
            }
            output.append(UInt8(ascii: "]"))
        } catch {
            throw SenMLError(.cbor(error.kind), record: record, offset: error.offset)
        }
    }

    private mutating func writeRecord(to output: inout [UInt8]) throws(CBORError) {
        let head = try cursor.readHead()
        output.append(UInt8(ascii: "{"))
        var isFirst = true
        var left = head.argument
        while head.isIndefinite ? !cursor.takeBreak() : left > 0 {
            let start = output.count
            if !isFirst { output.append(UInt8(ascii: ",")) }
            if try writeMember(to: &output) {
                isFirst = false
            } else {
                output.removeSubrange(start...)
            }
            left &-= 1
        }
        output.append(UInt8(ascii: "}"))
    }

    /// - Returns: false where the member cannot stand in JSON; what was written of it has to go.
    private mutating func writeMember(to output: inout [UInt8]) throws(CBORError) -> Bool {
        let key = try cursor.readHead()
        switch key.major {
        case .unsigned where key.argument <= 8: return try writeField(Int(key.argument), to: &output)
        case .negative where key.argument <= 5: return try writeField(-1 - Int(key.argument), to: &output)
        case .text:
            try readText(key)
            appendText(to: &output)
            output.append(UInt8(ascii: ":"))
            return try writeUnknown(to: &output)
        case .unsigned, .negative, .bytes, .array, .map, .tag, .simple:
            try cursor.skipItem(depth: Limits.jsonDepth)
            return false
        }
    }

    private mutating func writeField(_ number: Int, to output: inout [UInt8]) throws(CBORError) -> Bool {
        guard let label = SenMLLabel(number: number) else {
            try cursor.skipItem(depth: Limits.jsonDepth)
            return false
        }
        output.append(UInt8(ascii: "\""))
        output.append(contentsOf: label.text.utf8)
        output.append(contentsOf: "\":".utf8)
        guard label == .dataValue else { return try writeUnknown(to: &output) }
        var head = try cursor.readHead()
        // A hint how it would be written as text, which it is.
        if head.major == .tag { head = try cursor.readHead() }
        let content = UnsafeRawBufferPointer(rebasing: cursor.bytes[try cursor.readContent(head)])
        output.append(UInt8(ascii: "\""))
        Base64URL.encode(content, into: &output)
        output.append(UInt8(ascii: "\""))
        return true
    }

    /// An item that JSON has a form for.
    ///
    /// - Returns: false where it has none; the item is passed over all the same.
    private mutating func writeUnknown(to output: inout [UInt8]) throws(CBORError) -> Bool {
        var ahead = cursor
        let head = try ahead.readHead()
        switch head.major {
        case .unsigned, .negative: return try writeNumber(to: &output)
        case .text:
            cursor = ahead
            try readText(head)
            appendText(to: &output)
            return true
        case .array, .map:
            cursor = ahead
            return try writeContainer(head, to: &output)
        case .simple:
            if CBORCursor.float(head) != nil { return try writeNumber(to: &output) }
            cursor = ahead
            switch ahead.bytes[ahead.offset - 1] {
            case SenMLCBORWriter.falseByte: output.append(contentsOf: "false".utf8)
            case SenMLCBORWriter.trueByte: output.append(contentsOf: "true".utf8)
            case SenMLCBORWriter.nullByte: output.append(contentsOf: "null".utf8)
            default: return false
            }
            return true
        case .tag:
            if try writeNumber(to: &output) { return true }
            return false
        case .bytes:
            try cursor.skipItem(depth: Limits.jsonDepth)
            return false
        }
    }

    private mutating func writeContainer(_ head: CBORCursor.Head, to output: inout [UInt8]) throws(CBORError) -> Bool {
        let isMap = head.major == .map
        var canStand = true
        var isFirst = true
        output.append(isMap ? UInt8(ascii: "{") : UInt8(ascii: "["))
        var left = head.argument
        while head.isIndefinite ? !cursor.takeBreak() : left > 0 {
            if !isFirst { output.append(UInt8(ascii: ",")) }
            isFirst = false
            if isMap {
                let key = try cursor.readHead()
                if key.major == .text {
                    try readText(key)
                    appendText(to: &output)
                } else {
                    try cursor.skipItem(key, depth: Limits.jsonDepth)
                    canStand = false
                }
                output.append(UInt8(ascii: ":"))
            }
            if try !writeUnknown(to: &output) { canStand = false }
            left &-= 1
        }
        output.append(isMap ? UInt8(ascii: "}") : UInt8(ascii: "]"))
        return canStand
    }

    /// A number in one of section 6's forms.
    ///
    /// - Returns: false where it is another item or not finite; the item is passed over all the same.
    private mutating func writeNumber(to output: inout [UInt8]) throws(CBORError) -> Bool {
        var ahead = cursor
        let number: CBORNumber?
        do throws(CBORError) { number = try CBORNumber(reading: &ahead) } catch { number = nil }
        guard let number, number.isFinite else {
            try cursor.skipItem(depth: Limits.jsonDepth)
            return false
        }
        cursor = ahead
        switch number {
        case .integer(let decimal), .fraction(let decimal): SenMLJSONWriter.append(decimal, to: &output)
        // Its shortest decimal is another number than the integer that may have been meant.
        case .float(-0x1p64): output.append(contentsOf: "-18446744073709551616".utf8)
        case .float(let value) where value == 0 && value.sign == .minus: output.append(contentsOf: "-0".utf8)
        case .float(let value): SenMLJSONWriter.append(DecimalNumber(shortest: value), to: &output)
        }
        return true
    }

    private mutating func readText(_ head: CBORCursor.Head) throws(CBORError) {
        text.removeAll(keepingCapacity: true)
        guard head.isIndefinite else {
            text.append(contentsOf: UnsafeRawBufferPointer(rebasing: cursor.bytes[try cursor.readContent(head)]))
            return
        }
        while let chunk = try cursor.readChunk(of: .text) {
            text.append(contentsOf: UnsafeRawBufferPointer(rebasing: cursor.bytes[chunk]))
        }
    }

    private func appendText(to output: inout [UInt8]) {
        text.withUnsafeBytes { JSONText.append(quoted: $0, to: &output) }
    }
}
