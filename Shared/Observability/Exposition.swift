// SPDX-License-Identifier: Apache-2.0

// The Prometheus text exposition format, version 0.0.4.

func writeHeader(name: String, help: String, type: String, to text: inout String) {
    text += "# HELP \(name) "
    for character in help.unicodeScalars {
        switch character {
        case "\\": text += "\\\\"
        case "\n": text += "\\n"
        default: text.unicodeScalars.append(character)
        }
    }
    text += "\n# TYPE \(name) \(type)\n"
}

func writeSample(name: String, labels: String, value: String, to text: inout String) {
    text += name
    if !labels.isEmpty {
        text += "{\(labels)}"
    }
    text += " \(value)\n"
}

/// `name="value",…` with the three escapes that the format knows.
func renderLabels(_ names: [String], _ values: [String]) -> String {
    var text = ""
    for (name, value) in zip(names, values) {
        if !text.isEmpty { text += "," }
        text += "\(name)=\""
        for character in value.unicodeScalars {
            switch character {
            case "\\": text += "\\\\"
            case "\"": text += "\\\""
            case "\n": text += "\\n"
            default: text.unicodeScalars.append(character)
            }
        }
        text += "\""
    }
    return text
}

/// A Double as Go's ParseFloat reads it; whole numbers without a fraction.
func formatSample(_ value: Double) -> String {
    if value.isNaN { return "NaN" }
    if value.isInfinite { return value < 0 ? "-Inf" : "+Inf" }
    // 2^53: beyond it a whole Double need not be the integer that was meant.
    if value == value.rounded(), abs(value) < 9_007_199_254_740_992 { return String(Int64(value)) }
    return String(value)
}
