// SPDX-License-Identifier: Apache-2.0

extension JSONCursor {
    /// Passes over one value of any kind, checking it, without recursion.
    ///
    /// - Parameter depth: how deep arrays and objects may nest, up to ``deepest``.
    mutating func skipValue(depth limit: Int) throws(JSONError) {
        let limit = min(limit, Self.deepest)
        // One bit a level, the innermost lowest: set for an object.
        var objects: UInt64 = 0
        var depth = 0
        while true {
            skipWhiteSpace()
            switch current {
            case UInt8(ascii: "{"):
                guard depth < limit else { throw JSONError(.tooDeep, offset: offset) }
                _ = take(UInt8(ascii: "{"))
                skipWhiteSpace()
                if !take(UInt8(ascii: "}")) {
                    depth += 1
                    objects = objects << 1 | 1
                    _ = try scanKey()
                    continue
                }
            case UInt8(ascii: "["):
                guard depth < limit else { throw JSONError(.tooDeep, offset: offset) }
                _ = take(UInt8(ascii: "["))
                skipWhiteSpace()
                if !take(UInt8(ascii: "]")) {
                    depth += 1
                    objects <<= 1
                    continue
                }
            default: try skipScalar()
            }
            // A value has ended: so may containers around it, or another member follows.
            while true {
                if depth == 0 { return }
                skipWhiteSpace()
                let isObject = objects & 1 == 1
                if take(UInt8(ascii: ",")) {
                    if isObject {
                        skipWhiteSpace()
                        _ = try scanKey()
                    }
                    break
                }
                try expect(isObject ? UInt8(ascii: "}") : UInt8(ascii: "]"))
                depth -= 1
                objects >>= 1
            }
        }
    }

    private mutating func skipScalar() throws(JSONError) {
        switch current {
        case UInt8(ascii: "\""): _ = try scanString()
        case UInt8(ascii: "-"), UInt8(ascii: "0")...UInt8(ascii: "9"): _ = try scanNumber()
        case UInt8(ascii: "t"): try scanLiteral("true")
        case UInt8(ascii: "f"): try scanLiteral("false")
        case UInt8(ascii: "n"): try scanLiteral("null")
        default: throw unexpected
        }
    }
}
