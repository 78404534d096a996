// SPDX-License-Identifier: Apache-2.0

/// A line through points, drawn with braille characters: two dots across and four down in each (Unicode block 2800).
struct BraillePlot {
    struct Point: Equatable, Sendable {
        /// Seconds since 1970.
        var time: Double
        var value: Double
    }

    /// Bits of a character's dots, by row, then column.
    private static let dots: [[UInt8]] = [[0x01, 0x08], [0x02, 0x10], [0x04, 0x20], [0x40, 0x80]]

    /// Of the drawing itself, in characters.
    let width: Int
    let height: Int
    private var cells: [[UInt8]]

    /// - Parameters:
    ///   - width: of the whole, with the values' scale at the left.
    ///   - points: in order of time; values that are not finite are left out.
    /// - Returns: lines, the lowest with the times; empty without points.
    static func lines(_ points: [Point], width: Int, height: Int, time: (Double) -> String) -> [String] {
        let points = points.filter { $0.value.isFinite && $0.time.isFinite }
        guard let first = points.first, let last = points.last else { return [] }
        var low = points.reduce(first.value) { min($0, $1.value) }
        var high = points.reduce(first.value) { max($0, $1.value) }
        let labels = [scale(high), scale(low)]
        if low == high { (low, high) = (low - 1, high + 1) }
        let margin = labels.map { TextWidth.columns($0) }.max() ?? 0
        var plot = BraillePlot(width: max(8, width - margin - 2), height: max(2, height))
        plot.draw(points, from: first.time, to: last.time, low: low, high: high)

        var lines = plot.cells.enumerated().map { row, cells in
            let label = row == 0 ? labels[0] : row == plot.height - 1 ? labels[1] : ""
            let tick = row == 0 || row == plot.height - 1 ? "┤" : "│"
            return TextWidth.padded(label, to: margin, isRight: true) + " " + tick + text(cells)
        }
        let (start, end) = (time(first.time), time(last.time))
        let space = max(1, plot.width - TextWidth.columns(start) - TextWidth.columns(end))
        lines.append(String(repeating: " ", count: margin + 2) + start + String(repeating: " ", count: space) + end)
        return lines
    }

    private init(width: Int, height: Int) {
        self.width = width
        self.height = height
        cells = Array(repeating: Array(repeating: 0, count: width), count: height)
    }

    private mutating func draw(_ points: [Point], from start: Double, to end: Double, low: Double, high: Double) {
        let span = end > start ? end - start : 1
        var previous: (x: Int, y: Int)?
        for point in points {
            let x = Self.position((point.time - start) / span, width * 2)
            // The top row is 0.
            let y = Self.position((high - point.value) / (high - low), height * 4)
            if let previous { drawLine(from: previous, to: (x, y)) } else { set(x, y) }
            previous = (x, y)
        }
    }

    private static func position(_ fraction: Double, _ count: Int) -> Int {
        guard fraction.isFinite else { return 0 }
        return min(count - 1, max(0, Int((fraction * Double(count - 1)).rounded())))
    }

    /// Every dot between two (Bresenham).
    private mutating func drawLine(from start: (x: Int, y: Int), to end: (x: Int, y: Int)) {
        let (dx, dy) = (abs(end.x - start.x), -abs(end.y - start.y))
        let (stepX, stepY) = (start.x < end.x ? 1 : -1, start.y < end.y ? 1 : -1)
        var (x, y, error) = (start.x, start.y, dx + dy)
        while true {
            set(x, y)
            if x == end.x && y == end.y { return }
            let twice = 2 * error
            if twice >= dy {
                error += dy
                x += stepX
            }
            if twice <= dx {
                error += dx
                y += stepY
            }
        }
    }

    private mutating func set(_ x: Int, _ y: Int) {
        guard cells.indices.contains(y / 4), cells[y / 4].indices.contains(x / 2) else { return }
        cells[y / 4][x / 2] |= Self.dots[y % 4][x % 2]
    }

    private static func text(_ cells: [UInt8]) -> String {
        var text = String.UnicodeScalarView()
        for cell in cells { text.append(Unicode.Scalar(0x2800 + UInt32(cell)) ?? " ") }
        return String(text)
    }

    /// Four significant digits are what an axis needs.
    private static func scale(_ value: Double) -> String { NumberText.short(value) }
}
