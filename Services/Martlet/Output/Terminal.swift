// SPDX-License-Identifier: Apache-2.0
import Foundation
import Glibc

/// What one of the standard streams is connected to.
struct Terminal: Sendable {
    var isInteractive: Bool
    /// Columns; nil where lines may have any length, because nobody looks.
    var width: Int?
    var isColored: Bool

    static let plain = Terminal(isInteractive: false, width: nil, isColored: false)

    /// - Parameter descriptor: 1 or 2.
    static func current(_ descriptor: Int32, environment: [String: String]) -> Terminal {
        guard isatty(descriptor) == 1 else { return .plain }
        let isDumb = environment["TERM"] == "dumb"
        // https://no-color.org: set and not empty, whatever its value.
        let refusesColor = !(environment["NO_COLOR"] ?? "").isEmpty
        return Terminal(
            isInteractive: !isDumb, width: columns(descriptor, environment), isColored: !isDumb && !refusesColor)
    }

    private static func columns(_ descriptor: Int32, _ environment: [String: String]) -> Int {
        if let text = environment["COLUMNS"], let columns = Int(text), columns > 0 { return columns }
        var size = winsize()
        guard ioctl(descriptor, UInt(TIOCGWINSZ), &size) == 0, size.ws_col > 0 else { return 80 }
        return Int(size.ws_col)
    }
}
