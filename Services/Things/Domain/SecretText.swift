// SPDX-License-Identifier: Apache-2.0
import Foundation

/// How bytes that nobody can read are written.
enum SecretText {
    enum Encoding: String, Sendable, CaseIterable {
        case hexadecimal = "hex"
        case base64
    }

    /// Reads hexadecimal digits of either case, or base64 of either alphabet, padded or not (RFC 4648 sections 4 and 5).
    ///
    /// - Parameter encoding: nil: hexadecimal when the text could be that, which 16 or more random bytes in base64 do not happen to be.
    static func bytes(_ text: String, as encoding: Encoding? = nil) -> [UInt8]? {
        switch encoding {
        case .hexadecimal: hexadecimal(text)
        case .base64: base64(text)
        case nil: hexadecimal(text) ?? base64(text)
        }
    }

    /// Lower-case digits.
    static func hexadecimal(_ bytes: [UInt8]) -> String {
        let digits = Array("0123456789abcdef".utf8)
        return String(
            decoding: bytes.flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] }, as: UTF8.self)
    }

    private static func hexadecimal(_ text: String) -> [UInt8]? {
        let digits = Array(text.utf8)
        guard digits.count.isMultiple(of: 2) else { return nil }
        var bytes: [UInt8] = []
        bytes.reserveCapacity(digits.count / 2)
        for index in stride(from: 0, to: digits.count, by: 2) {
            guard let high = nibble(digits[index]), let low = nibble(digits[index + 1]) else { return nil }
            bytes.append(high << 4 | low)
        }
        return bytes
    }

    private static func base64(_ text: String) -> [UInt8]? {
        var unpadded = text[...]
        for _ in 0..<2 where unpadded.last == "=" { unpadded = unpadded.dropLast() }
        let isWhole = unpadded.utf8.count == text.utf8.count || text.utf8.count.isMultiple(of: 4)
        // One character more than whole groups is six bits, which are no byte.
        guard isWhole, !unpadded.contains("="), unpadded.utf8.count % 4 != 1 else { return nil }
        let padding = String(repeating: "=", count: (4 - unpadded.utf8.count % 4) % 4)
        let standard = unpadded.replacing("-", with: "+").replacing("_", with: "/") + padding
        return Data(base64Encoded: String(standard)).map { Array($0) }
    }

    private static func nibble(_ digit: UInt8) -> UInt8? {
        switch digit {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): digit - UInt8(ascii: "0")
        case UInt8(ascii: "a")...UInt8(ascii: "f"): digit - UInt8(ascii: "a") + 10
        case UInt8(ascii: "A")...UInt8(ascii: "F"): digit - UInt8(ascii: "A") + 10
        default: nil
        }
    }
}
