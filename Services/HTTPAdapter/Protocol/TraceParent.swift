// SPDX-License-Identifier: Apache-2.0

/// Checks `traceparent` (W3C Trace Context section 3.2): what does not fit is dropped, as the specification asks, and the message goes on without.
enum TraceParent {
    /// `00-` + 32 + `-` + 16 + `-` + 2.
    static let length = 55

    /// - Returns: the value if it is version 00 with identifiers that are not all zero.
    static func validated(_ field: String?) -> String? {
        guard let field, field.utf8.count == length else { return nil }
        var offset = 0
        var traceIsZero = true
        var parentIsZero = true
        for byte in field.utf8 {
            switch offset {
            case 0, 1:
                guard byte == UInt8(ascii: "0") else { return nil }
            case 2, 35, 52:
                guard byte == UInt8(ascii: "-") else { return nil }
            default:
                switch byte {
                case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "a")...UInt8(ascii: "f"): break
                default: return nil
                }
                if byte != UInt8(ascii: "0") {
                    if offset < 35 { traceIsZero = false } else if offset < 52 { parentIsZero = false }
                }
            }
            offset += 1
        }
        return traceIsZero || parentIsZero ? nil : field
    }
}
