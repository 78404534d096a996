// SPDX-License-Identifier: Apache-2.0
import Foundation

/// Text in a header (RFC 2047): always encoded, so that no character of it can be taken for the header's end.
enum EncodedWord {
    /// `=?UTF-8?B?…?=` holds at most 75 characters (section 2), so 63 of base64, so 45 bytes.
    static let bytesPerWord = 45

    static func encode(_ text: String) -> String {
        var words: [String] = []
        var word: [UInt8] = []
        // A character is never split between two words (section 5).
        for scalar in text.unicodeScalars {
            let bytes = Array(String(scalar).utf8)
            if word.count + bytes.count > bytesPerWord {
                words.append(Self.word(word))
                word = []
            }
            word += bytes
        }
        words.append(Self.word(word))
        return words.joined(separator: "\r\n ")
    }

    private static func word(_ bytes: [UInt8]) -> String { "=?UTF-8?B?\(Data(bytes).base64EncodedString())?=" }
}

/// The body's encoding (RFC 2045 section 6.7).
enum QuotedPrintable {
    static let lineLength = 76

    static func encode(_ text: String) -> String {
        let lines = text.utf8.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
        return lines.map { encode(line: Array($0)) }.joined(separator: "\r\n")
    }

    private static func encode(line: [UInt8]) -> String {
        var result = ""
        var length = 0
        for (index, byte) in line.enumerated() {
            let isLast = index == line.count - 1
            let isPlain = (0x21...0x7E).contains(byte) && byte != UInt8(ascii: "=") || byte == 0x20 && !isLast
            let piece = isPlain ? String(UnicodeScalar(byte)) : escape(byte)
            // Room for the sign of a soft line break.
            if length + piece.utf8.count > lineLength - 1 {
                result += "=\r\n"
                length = 0
            }
            result += piece
            length += piece.utf8.count
        }
        return result
    }

    private static func escape(_ byte: UInt8) -> String {
        let digits = String(byte, radix: 16, uppercase: true)
        return digits.utf8.count < 2 ? "=0\(digits)" : "=\(digits)"
    }
}

/// A header's date (RFC 5322 section 3.3), in UTC.
enum MailDate {
    private static let days = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"]
    private static let months = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ]

    static func text(_ nanoseconds: Int64) -> String {
        var calendar = Calendar(identifier: .gregorian)
        calendar.timeZone = .gmt
        let date = Date(timeIntervalSince1970: Double(nanoseconds) / 1e9)
        let parts = calendar.dateComponents(
            [.year, .month, .day, .hour, .minute, .second, .weekday], from: date)
        func two(_ value: Int?) -> String {
            let text = String(value ?? 0)
            return text.utf8.count < 2 ? "0\(text)" : text
        }
        let day = days[max(0, min(6, (parts.weekday ?? 1) - 1))]
        let month = months[max(0, min(11, (parts.month ?? 1) - 1))]
        let time = "\(two(parts.hour)):\(two(parts.minute)):\(two(parts.second))"
        return "\(day), \(two(parts.day)) \(month) \(parts.year ?? 1970) \(time) +0000"
    }
}
