// SPDX-License-Identifier: Apache-2.0

/// Prints messages as they come: lines of JSON, or rows whose columns keep their place.
struct MessagePrinter {
    let console: Console
    /// Of the columns, by layout: they grow when something wider comes, and never shrink.
    private var widths: [MessageTable.Layout: [Int]] = [:]

    init(console: Console) { self.console = console }

    mutating func print(_ messages: [JSONValue]) {
        if console.isJSON {
            for message in messages { console.printLine(message) }
            return
        }
        // Runs of one kind, so that the order stays.
        var rest = messages[...]
        while let first = rest.first {
            let layout: MessageTable.Layout = first["name"] == nil ? .documents : .records
            let run = rest.prefix { ($0["name"] == nil) == (first["name"] == nil) }
            rest = rest.dropFirst(run.count)
            print(MessageTable(layout, showsSubtopic: true).table(Array(run)), layout)
        }
    }

    private mutating func print(_ table: Table, _ layout: MessageTable.Layout) {
        let needed = table.widths(within: console.output.width)
        let before = widths[layout]
        let now = before.map { zip($0, needed).map { max($0, $1) } } ?? needed
        widths[layout] = now
        for line in table.lines(for: console.output, hasHeadings: before == nil, widths: now) { console.print(line) }
    }
}
