// SPDX-License-Identifier: Apache-2.0

/// Rows under headings, aligned, as wide as the terminal at most.
struct Table {
    struct Column: Sendable {
        enum Alignment: Sendable { case left, right }

        var heading: String
        var alignment: Alignment
        /// May lose its end where the terminal is too narrow; identifiers and numbers may not.
        var isFlexible: Bool

        init(_ heading: String, _ alignment: Alignment = .left, isFlexible: Bool = false) {
            self.heading = heading
            self.alignment = alignment
            self.isFlexible = isFlexible
        }
    }

    struct Cell: Sendable, ExpressibleByStringLiteral {
        var text: String
        var style: Style

        init(_ text: String?, _ style: Style = .plain) {
            self.text = TextWidth.visible(text ?? "")
            self.style = style
        }

        init(stringLiteral value: String) { self.init(value) }
    }

    /// No column is made narrower than this.
    private static let minimumWidth = 8
    private static let gap = "  "

    let columns: [Column]
    private(set) var rows: [[Cell]] = []

    init(_ columns: [Column]) { self.columns = columns }

    /// Cells beyond the columns are left out, missing ones are empty.
    mutating func append(_ cells: [Cell]) {
        rows.append(columns.indices.map { cells.indices.contains($0) ? cells[$0] : Cell(nil) })
    }

    /// - Parameter widths: of a table of which this is a later part; nil: as these rows need.
    func lines(for terminal: Terminal, hasHeadings: Bool = true, widths: [Int]? = nil) -> [String] {
        let widths = widths ?? self.widths(within: terminal.width)
        var lines: [String] = []
        if hasHeadings { lines.append(line(columns.map { Cell($0.heading, .faint) }, widths, terminal)) }
        return lines + rows.map { line($0, widths, terminal) }
    }

    /// What every column needs, flexible ones narrowed, the widest first, until the whole fits.
    func widths(within limit: Int?) -> [Int] {
        var widths = columns.indices.map { index in
            rows.reduce(TextWidth.columns(columns[index].heading)) { max($0, TextWidth.columns($1[index].text)) }
        }
        guard let limit else { return widths }
        var excess = widths.reduce(0, +) + Self.gap.count * max(0, columns.count - 1) - limit
        while excess > 0,
            let widest = columns.indices.filter({ columns[$0].isFlexible && widths[$0] > Self.minimumWidth })
                .max(by: { widths[$0] < widths[$1] })
        {
            widths[widest] -= 1
            excess -= 1
        }
        return widths
    }

    private func line(_ cells: [Cell], _ widths: [Int], _ terminal: Terminal) -> String {
        var line = ""
        for (index, cell) in cells.enumerated() {
            let column = columns[index]
            let text = column.isFlexible ? TextWidth.truncated(cell.text, to: widths[index]) : cell.text
            let styled = cell.style.apply(text, isColored: terminal.isColored)
            let space = String(repeating: " ", count: max(0, widths[index] - TextWidth.columns(text)))
            // No spaces at a line's end: they would wrap where the terminal is exactly as wide.
            let isLast = index == cells.count - 1
            line += column.alignment == .right ? space + styled : isLast ? styled : styled + space
            if !isLast { line += Self.gap }
        }
        while line.last == " " { line.removeLast() }
        return line
    }
}
