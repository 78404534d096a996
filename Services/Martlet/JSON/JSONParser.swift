// SPDX-License-Identifier: Apache-2.0

/// Reads JSON strictly by RFC 8259, into a ``JSONValue``.
struct JSONParser {
    /// Deeper than anything that a service answers; what comes in may nest at most 32.
    static let maximumDepth = 128

    struct Failure: Error, Equatable, CustomStringConvertible {
        /// In bytes from the beginning.
        var offset: Int
        var description: String { "not JSON: unexpected at byte \(offset)" }
    }

    private let bytes: [UInt8]
    private var offset = 0

    private init(_ bytes: [UInt8]) { self.bytes = bytes }

    /// - Throws: ``Failure`` where it is not one whole document of UTF-8.
    static func parse(_ bytes: [UInt8]) throws(Failure) -> JSONValue {
        var parser = JSONParser(bytes)
        let value = try parser.value(depth: 0)
        parser.skipWhiteSpace()
        guard parser.offset == bytes.count else { throw parser.failure }
        return value
    }

    static func parse(_ text: String) throws(Failure) -> JSONValue { try parse(Array(text.utf8)) }

    private var failure: Failure { Failure(offset: offset) }

    private var next: UInt8? { offset < bytes.count ? bytes[offset] : nil }

    private mutating func skipWhiteSpace() {
        while let next, next == 0x20 || next == 0x09 || next == 0x0A || next == 0x0D { offset += 1 }
    }

    private mutating func take(_ byte: UInt8) -> Bool {
        guard next == byte else { return false }
        offset += 1
        return true
    }

    private mutating func expect(_ text: StaticString) throws(Failure) {
        for index in 0..<text.utf8CodeUnitCount {
            guard take(text.utf8Start[index]) else { throw failure }
        }
    }

    private mutating func value(depth: Int) throws(Failure) -> JSONValue {
        guard depth < Self.maximumDepth else { throw failure }
        skipWhiteSpace()
        switch next {
        case UInt8(ascii: "{"): return try object(depth: depth)
        case UInt8(ascii: "["): return try array(depth: depth)
        case UInt8(ascii: "\""): return .string(try string())
        case UInt8(ascii: "t"):
            try expect("true")
            return .bool(true)
        case UInt8(ascii: "f"):
            try expect("false")
            return .bool(false)
        case UInt8(ascii: "n"):
            try expect("null")
            return .null
        default: return .number(try number())
        }
    }

    private mutating func array(depth: Int) throws(Failure) -> JSONValue {
        offset += 1
        var elements: [JSONValue] = []
        skipWhiteSpace()
        if take(UInt8(ascii: "]")) { return .array([]) }
        repeat {
            elements.append(try value(depth: depth + 1))
            skipWhiteSpace()
        } while take(UInt8(ascii: ","))
        guard take(UInt8(ascii: "]")) else { throw failure }
        return .array(elements)
    }

    private mutating func object(depth: Int) throws(Failure) -> JSONValue {
        offset += 1
        var members: [JSONValue.Member] = []
        skipWhiteSpace()
        if take(UInt8(ascii: "}")) { return .object([]) }
        repeat {
            skipWhiteSpace()
            guard next == UInt8(ascii: "\"") else { throw failure }
            let name = try string()
            skipWhiteSpace()
            guard take(UInt8(ascii: ":")) else { throw failure }
            members.append(JSONValue.Member(name, try value(depth: depth + 1)))
            skipWhiteSpace()
        } while take(UInt8(ascii: ","))
        guard take(UInt8(ascii: "}")) else { throw failure }
        return .object(members)
    }

    private mutating func number() throws(Failure) -> String {
        let start = offset
        _ = take(UInt8(ascii: "-"))
        if !take(UInt8(ascii: "0")) { try digits() }
        if take(UInt8(ascii: ".")) { try digits() }
        if take(UInt8(ascii: "e")) || take(UInt8(ascii: "E")) {
            if !take(UInt8(ascii: "+")) { _ = take(UInt8(ascii: "-")) }
            try digits()
        }
        return String(decoding: bytes[start..<offset], as: UTF8.self)
    }

    private mutating func digits() throws(Failure) {
        let start = offset
        while let next, next >= UInt8(ascii: "0"), next <= UInt8(ascii: "9") { offset += 1 }
        guard offset > start else { throw failure }
    }

    private mutating func string() throws(Failure) -> String {
        offset += 1
        var content: [UInt8] = []
        while let byte = next {
            offset += 1
            switch byte {
            case UInt8(ascii: "\""):
                guard let text = String(validating: content, as: UTF8.self) else { throw failure }
                return text
            case UInt8(ascii: "\\"): content += try escape().utf8
            case 0..<0x20: throw failure
            default: content.append(byte)
            }
        }
        throw failure
    }

    private mutating func escape() throws(Failure) -> String {
        guard let byte = next else { throw failure }
        offset += 1
        switch byte {
        case UInt8(ascii: "\""): return "\""
        case UInt8(ascii: "\\"): return "\\"
        case UInt8(ascii: "/"): return "/"
        case UInt8(ascii: "b"): return "\u{8}"
        case UInt8(ascii: "f"): return "\u{C}"
        case UInt8(ascii: "n"): return "\n"
        case UInt8(ascii: "r"): return "\r"
        case UInt8(ascii: "t"): return "\t"
        case UInt8(ascii: "u"):
            var units = [try hexadecimal()]
            if units[0] & 0xFC00 == 0xD800 {
                try expect("\\u")
                units.append(try hexadecimal())
            }
            guard let text = String(validating: units, as: UTF16.self) else { throw failure }
            return text
        default: throw failure
        }
    }

    private mutating func hexadecimal() throws(Failure) -> UInt16 {
        guard bytes.count - offset >= 4 else { throw failure }
        var unit: UInt16 = 0
        for byte in bytes[offset..<(offset + 4)] {
            guard let digit = Character(UnicodeScalar(byte)).hexDigitValue, byte < 0x80 else { throw failure }
            unit = unit << 4 | UInt16(digit)
        }
        offset += 4
        return unit
    }
}
