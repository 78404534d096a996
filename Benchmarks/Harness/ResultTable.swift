// SPDX-License-Identifier: Apache-2.0
import Foundation

/// Several runs of one measurement.
struct Samples: Codable, Sendable {
    private(set) var values: [Double] = []

    mutating func add(_ value: Double) { values.append(value) }

    /// NaN without values.
    var median: Double {
        guard !values.isEmpty else { return .nan }
        let sorted = values.sorted()
        let middle = sorted.count / 2
        return sorted.count % 2 == 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
    }

    var spread: (least: Double, most: Double) { (values.min() ?? .nan, values.max() ?? .nan) }
}

/// A table of results: rows are what was measured, columns figures with their unit.
struct ResultTable: Codable, Sendable {
    struct Row: Codable, Sendable {
        var name: String
        var figures: [Samples]
    }

    var title: String
    /// The first column's head, then the figures'.
    var columns: [String]
    var rows: [Row]
    var notes: [String] = []

    func median(_ row: String, _ figure: Int) -> Double {
        rows.first { $0.name == row }?.figures[figure].median ?? .nan
    }

    /// Writes `<name>.md` and `<name>.json` into a folder.
    static func write(_ tables: [ResultTable], named name: String, to folder: String) throws {
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        let markdown = tables.map(\.markdown).joined(separator: "\n")
        try markdown.write(toFile: "\(folder)/\(name).md", atomically: true, encoding: .utf8)
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys]
        try encoder.encode(tables).write(to: URL(fileURLWithPath: "\(folder)/\(name).json"))
    }

    var markdown: String {
        var text = "### \(title)\n\n| " + columns.joined(separator: " | ") + " |\n"
        text += "|" + String(repeating: "---|", count: columns.count) + "\n"
        for row in rows {
            let cells = row.figures.map { samples in
                guard !samples.values.isEmpty else { return "–" }
                let (least, most) = samples.spread
                return "\(Self.text(samples.median)) (\(Self.text(least))–\(Self.text(most)))"
            }
            text += "| \(row.name) | " + cells.joined(separator: " | ") + " |\n"
        }
        for note in notes { text += "\n\(note)\n" }
        return text
    }

    private static func text(_ value: Double) -> String {
        switch abs(value) {
        case 100...:
            var digits = String(Int(value.rounded()))
            var index = digits.count - 3
            while index > 0 {
                digits.insert(",", at: digits.index(digits.startIndex, offsetBy: index))
                index -= 3
            }
            return digits
        case 10...: return String(format: "%.1f", value)
        default: return String(format: "%.3f", value)
        }
    }
}
