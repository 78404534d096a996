// SPDX-License-Identifier: Apache-2.0

/// RFC 8428 section 4.5.1.
enum SenMLName {
    static func isValid(_ name: String) -> Bool {
        guard let first = name.utf8.first, isAlphanumeric(first) else { return false }
        return name.utf8.allSatisfy(isAllowed)
    }

    /// What may stand in a name, for what may not: an underscore; in front of a name that begins otherwise: an `x`.
    static func made(from text: String) -> String {
        var name = ""
        for scalar in text.unicodeScalars {
            if scalar.isASCII, isAllowed(UInt8(truncatingIfNeeded: scalar.value)) {
                name.unicodeScalars.append(scalar)
            } else {
                name += "_"
            }
        }
        guard let first = name.utf8.first, isAlphanumeric(first) else { return "x" + name }
        return name
    }

    private static func isAlphanumeric(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"):
            true
        default: false
        }
    }

    private static func isAllowed(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "-"), UInt8(ascii: ":"), UInt8(ascii: "."), UInt8(ascii: "/"), UInt8(ascii: "_"): true
        default: isAlphanumeric(byte)
        }
    }
}
