// SPDX-License-Identifier: Apache-2.0
import Foundation
import Glibc

/// Where a command writes: results to standard output, everything else to standard error.
struct Console: Sendable {
    var output: Terminal
    var errors: Terminal
    /// Results as JSON instead of for people.
    var isJSON: Bool
    /// Takes what is written, and to which descriptor; see ``write(_:to:)``.
    var sink: @Sendable (String, Int32) -> Void = Console.write

    init(isJSON: Bool, environment: [String: String] = ProcessInfo.processInfo.environment) {
        output = Terminal.current(1, environment: environment)
        errors = Terminal.current(2, environment: environment)
        self.isJSON = isJSON
    }

    /// A line of a result.
    func print(_ line: String = "") { sink(line + "\n", 1) }

    /// A line about what goes on; not part of the result.
    func note(_ line: String, _ style: Style = .plain) {
        sink(style.apply(line, isColored: errors.isColored) + "\n", 2)
    }

    /// A document by itself: indented, because one document may be read by people too.
    func print(_ document: JSONValue) { print(document.indented) }

    /// One of many documents: a line each (NDJSON).
    func printLine(_ document: JSONValue) { print(document.description) }

    func print(_ table: Table) {
        for line in table.lines(for: output) { print(line) }
    }

    /// One entity: its members below each other.
    func printFields(_ fields: [(String, String?)]) {
        let shown = fields.filter { $0.1 != nil }
        let width = shown.reduce(0) { max($0, TextWidth.columns($1.0)) }
        for (name, value) in shown {
            let label = Style.faint.apply(TextWidth.padded(name, to: width), isColored: output.isColored)
            print("\(label)  \(TextWidth.visible(value ?? ""))")
        }
    }

    func fail(_ failure: CommandFailure) {
        if isJSON {
            sink(failure.json.description + "\n", 2)
            return
        }
        note("martlet: \(TextWidth.visible(failure.message))", failure.status == .interrupted ? .plain : .bad)
        if let advice = failure.advice { note("  \(TextWidth.visible(advice))", .faint) }
    }

    /// Writes all of it; when the reader has gone, this process ends as one that SIGPIPE ended, like any other filter.
    static func write(_ text: String, to descriptor: Int32) {
        var bytes = Array(text.utf8)[...]
        while !bytes.isEmpty {
            let count = bytes.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
            if count > 0 {
                bytes = bytes.dropFirst(count)
            } else if errno == EPIPE {
                signal(SIGPIPE, SIG_DFL)
                raise(SIGPIPE)
                return
            } else if errno == EAGAIN {
                var waiting = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
                _ = poll(&waiting, 1, -1)
            } else if errno != EINTR {
                return
            }
        }
    }
}
