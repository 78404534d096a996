// SPDX-License-Identifier: Apache-2.0
import Core

/// Writes JSON (RFC 8259) straight into bytes: a page of a thousand messages is read out of the database and into the answer without
/// a tree between.
struct JSONWriter {
    private(set) var bytes: [UInt8]
    private var needsComma = false

    /// - Parameter bytes: what to write behind.
    init(bytes: [UInt8] = []) { self.bytes = bytes }

    mutating func beginObject() { begin(UInt8(ascii: "{")) }
    mutating func endObject() { end(UInt8(ascii: "}")) }
    mutating func beginArray() { begin(UInt8(ascii: "[")) }
    mutating func endArray() { end(UInt8(ascii: "]")) }

    /// A member's name; its value comes next.
    mutating func member(_ name: StaticString) {
        separate()
        bytes.append(UInt8(ascii: "\""))
        name.withUTF8Buffer { bytes += $0 }
        bytes.append(UInt8(ascii: "\""))
        bytes.append(UInt8(ascii: ":"))
        needsComma = false
    }

    mutating func write(_ text: String) {
        separate()
        bytes.append(UInt8(ascii: "\""))
        for byte in text.utf8 {
            switch byte {
            case UInt8(ascii: "\""), UInt8(ascii: "\\"):
                bytes.append(UInt8(ascii: "\\"))
                bytes.append(byte)
            case 0..<0x20:
                bytes += #"\u00"#.utf8
                bytes.append(byte < 0x10 ? UInt8(ascii: "0") : UInt8(ascii: "1"))
                let nibble = byte & 15
                bytes.append(nibble < 10 ? nibble + UInt8(ascii: "0") : nibble - 10 + UInt8(ascii: "a"))
            default: bytes.append(byte)
            }
        }
        bytes.append(UInt8(ascii: "\""))
    }

    mutating func write(_ value: Int) {
        separate()
        bytes += String(value).utf8
    }

    mutating func write(_ value: Bool) {
        separate()
        bytes += (value ? "true" : "false").utf8
    }

    /// The shortest form that reads back as the same number; one that JSON cannot write becomes null.
    mutating func write(_ value: Double) {
        separate()
        if value.isFinite { Self.append(value, to: &bytes) } else { bytes += "null".utf8 }
    }

    /// The shortest text that reads back as the same number.
    static func append(_ value: Double, to bytes: inout [UInt8]) {
        if let integer = Int64(exactly: value), integer.magnitude < 1 << 53 {
            bytes += String(integer).utf8
        } else {
            bytes += value.description.utf8
        }
    }

    mutating func write<Kind>(_ identifier: Identifier<Kind>) {
        separate()
        bytes.append(UInt8(ascii: "\""))
        identifier.withText { bytes += $0 }
        bytes.append(UInt8(ascii: "\""))
    }

    /// Nanoseconds as a decimal of the unit.
    mutating func write(_ nanoseconds: Int64, in unit: TimeUnit) {
        separate()
        unit.write(nanoseconds, to: &bytes)
    }

    mutating func writeNull() {
        separate()
        bytes += "null".utf8
    }

    /// Text that is JSON already.
    mutating func write(json text: String) {
        separate()
        bytes += text.utf8
    }

    /// Ends a value that is a document of its own, one to a line.
    mutating func endLine() {
        bytes.append(UInt8(ascii: "\n"))
        needsComma = false
    }

    private mutating func begin(_ bracket: UInt8) {
        separate()
        bytes.append(bracket)
        needsComma = false
    }

    private mutating func end(_ bracket: UInt8) {
        bytes.append(bracket)
        needsComma = true
    }

    private mutating func separate() {
        if needsComma { bytes.append(UInt8(ascii: ",")) }
        needsComma = true
    }
}
