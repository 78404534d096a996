// SPDX-License-Identifier: Apache-2.0

/// A line that is drawn over itself, on a terminal only.
struct ProgressBar {
    private static let filled = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"]
    private static let width = 24

    let terminal: Terminal
    private var isDrawn = false

    init(terminal: Terminal) { self.terminal = terminal }

    /// - Parameter fraction: of what is done; nil where no end is known.
    mutating func draw(_ fraction: Double?, _ text: String) {
        guard terminal.isInteractive else { return }
        var line = text
        if let fraction { line = "\(Self.bar(fraction)) \(text)" }
        line = TextWidth.truncated(line, to: (terminal.width ?? 80) - 1)
        Console.write("\r\u{1B}[K" + line, to: 2)
        isDrawn = true
    }

    /// Takes the line away.
    mutating func clear() {
        guard isDrawn else { return }
        Console.write("\r\u{1B}[K", to: 2)
        isDrawn = false
    }

    /// Eighths of a column are shown.
    static func bar(_ fraction: Double) -> String {
        let clamped = fraction.isFinite ? min(1, max(0, fraction)) : 0
        let eighths = Int(clamped * Double(width * 8))
        let text = String(repeating: "█", count: eighths / 8) + filled[eighths % 8]
        return TextWidth.padded(text, to: width) + " "
            + TextWidth.padded("\(Int(clamped * 100))%", to: 4, isRight: true)
    }
}
