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
    var rows: [Row] = []
    var notes: [String] = []

    /// Adds one run's figures to a row, which is made when it is not there.
    mutating func add(_ values: [Double], to name: String) {
        let index =
            rows.firstIndex { $0.name == name }
            ?? {
                rows.append(Row(name: name, figures: values.map { _ in Samples() }))
                return rows.count - 1
            }()
        for (figure, value) in values.enumerated() where rows[index].figures.indices.contains(figure) {
            // What does not apply to a row has no samples.
            if value.isFinite { rows[index].figures[figure].add(value) }
        }
    }

    func median(_ row: String, _ figure: Int) -> Double {
        rows.first { $0.name == row }?.figures[figure].median ?? .nan
    }

    var markdown: String {
        var text = "### \(title)\n\n| " + columns.joined(separator: " | ") + " |\n"
        text += "|" + String(repeating: "---|", count: columns.count) + "\n"
        for row in rows {
            let cells = row.figures.map { samples in
                guard !samples.values.isEmpty else { return "–" }
                let (least, most) = samples.spread
                let median = Self.text(samples.median)
                return least == most ? median : "\(median) (\(Self.text(least))–\(Self.text(most)))"
            }
            text += "| \(row.name) | " + cells.joined(separator: " | ") + " |\n"
        }
        for note in notes { text += "\n\(note)\n" }
        return text
    }

    private static func text(_ value: Double) -> String {
        guard value.isFinite else { return "–" }
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
        case 1...: return String(format: "%.2f", value)
        case 0: return "0"
        default: return String(format: "%.3f", value)
        }
    }
}
