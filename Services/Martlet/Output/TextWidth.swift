// SPDX-License-Identifier: Apache-2.0

/// How many columns of a terminal a text takes.
///
/// Wide are the ranges W and F of Unicode's EastAsianWidth.txt (annex 11), as blocks, and what is shown as an emoji; marks that combine take none.
enum TextWidth {
    static func columns(_ text: some StringProtocol) -> Int {
        if text.utf8.allSatisfy({ 0x20...0x7E ~= $0 }) { return text.utf8.count }
        return text.reduce(0) { $0 + columns($1) }
    }

    static func columns(_ character: Character) -> Int {
        guard let first = character.unicodeScalars.first else { return 0 }
        // A variation selector asks for the picture, which is two columns wide (Unicode technical standard 51).
        if character.unicodeScalars.contains("\u{FE0F}") { return 2 }
        return columns(first)
    }

    private static func columns(_ scalar: Unicode.Scalar) -> Int {
        switch scalar.properties.generalCategory {
        case .nonspacingMark, .enclosingMark, .format, .control, .lineSeparator, .paragraphSeparator: return 0
        default: break
        }
        if scalar.properties.isEmojiPresentation { return 2 }
        return isWide(scalar.value) ? 2 : 1
    }

    private static let wide: [ClosedRange<UInt32>] = [
        0x1100...0x115F, 0x2E80...0x303E, 0x3041...0x33FF, 0x3400...0x4DBF, 0x4E00...0x9FFF, 0xA000...0xA4CF,
        0xA960...0xA97F, 0xAC00...0xD7A3, 0xF900...0xFAFF, 0xFE10...0xFE19, 0xFE30...0xFE6F, 0xFF00...0xFF60,
        0xFFE0...0xFFE6, 0x16FE0...0x18AFF, 0x1B000...0x1B2FF, 0x1F200...0x1F2FF, 0x20000...0x3FFFD,
    ]

    private static func isWide(_ value: UInt32) -> Bool { value >= 0x1100 && wide.contains { $0.contains(value) } }

    /// Cut to so many columns, the last of them an ellipsis where something is missing.
    static func truncated(_ text: String, to limit: Int) -> String {
        guard columns(text) > limit else { return text }
        guard limit > 0 else { return "" }
        var kept = ""
        var width = 0
        for character in text {
            let next = columns(character)
            guard width + next <= limit - 1 else { break }
            kept.append(character)
            width += next
        }
        while kept.last == " " { kept.removeLast() }
        return kept + "…"
    }

    static func padded(_ text: String, to width: Int, isRight: Bool = false) -> String {
        let space = String(repeating: " ", count: max(0, width - columns(text)))
        return isRight ? space + text : text + space
    }

    /// On one line and harmless: what somebody else wrote must not steer the terminal that shows it.
    static func visible(_ text: String) -> String {
        guard text.unicodeScalars.contains(where: isUnsafe) else { return text }
        var result = String.UnicodeScalarView()
        for scalar in text.unicodeScalars {
            if !isUnsafe(scalar) {
                result.append(scalar)
            } else if scalar.value < 0x20, let picture = Unicode.Scalar(0x2400 + scalar.value) {
                result.append(picture)
            } else {
                result.append("\u{FFFD}")
            }
        }
        return String(result)
    }

    /// Control characters, and those that turn the direction of what follows.
    private static func isUnsafe(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.value {
        case 0..<0x20, 0x7F...0x9F, 0x2028...0x202E, 0x2066...0x2069: true
        default: false
        }
    }
}
