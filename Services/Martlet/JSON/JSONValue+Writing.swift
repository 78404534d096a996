// SPDX-License-Identifier: Apache-2.0

extension JSONValue: CustomStringConvertible {
    /// On one line, without spaces.
    var description: String {
        var text = ""
        write(to: &text, indent: nil)
        return text
    }

    /// Over several lines, two spaces a level.
    var indented: String {
        var text = ""
        write(to: &text, indent: 0)
        return text
    }

    private func write(to text: inout String, indent: Int?) {
        switch self {
        case .null: text += "null"
        case .bool(let flag): text += flag ? "true" : "false"
        case .number(let number): text += number
        case .string(let string): Self.write(string, to: &text)
        case .array(let elements):
            Self.writeList("[", elements, "]", to: &text, indent: indent) { $1.write(to: &$0, indent: $2) }
        case .object(let members):
            Self.writeList("{", members, "}", to: &text, indent: indent) { text, member, indent in
                Self.write(member.name, to: &text)
                text += indent == nil ? ":" : ": "
                member.value.write(to: &text, indent: indent)
            }
        }
    }

    private static func writeList<Element>(
        _ opening: String, _ elements: [Element], _ closing: String, to text: inout String, indent: Int?,
        _ body: (inout String, Element, Int?) -> Void
    ) {
        text += opening
        let inner = indent.map { $0 + 2 }
        for (index, element) in elements.enumerated() {
            if index > 0 { text += "," }
            if let inner { text += "\n" + String(repeating: " ", count: inner) }
            body(&text, element, inner)
        }
        if let indent, !elements.isEmpty { text += "\n" + String(repeating: " ", count: indent) }
        text += closing
    }

    private static func write(_ string: String, to text: inout String) {
        text += "\""
        for scalar in string.unicodeScalars {
            switch scalar {
            case "\"": text += "\\\""
            case "\\": text += "\\\\"
            case "\n": text += "\\n"
            case "\r": text += "\\r"
            case "\t": text += "\\t"
            // DEL and C1 may be said plainly in JSON, but a terminal may take them for commands.
            case "\u{0}"..<" ", "\u{7F}"..."\u{9F}":
                let digits = String(scalar.value, radix: 16)
                text += "\\u" + String(repeating: "0", count: 4 - digits.utf8.count) + digits
            default: text.unicodeScalars.append(scalar)
            }
        }
        text += "\""
    }
}
