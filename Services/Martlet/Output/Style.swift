// SPDX-License-Identifier: Apache-2.0

/// How a piece of text stands out, in the terminal's own colours (ECMA-48 SGR).
enum Style: String, Sendable {
    case plain = ""
    case bold = "1"
    case faint = "2"
    case good = "32"
    case warning = "33"
    case bad = "31"

    func apply(_ text: String, isColored: Bool) -> String {
        isColored && self != .plain ? "\u{1B}[\(rawValue)m\(text)\u{1B}[0m" : text
    }
}
