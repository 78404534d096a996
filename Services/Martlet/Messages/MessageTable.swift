// SPDX-License-Identifier: Apache-2.0

/// Stored or live messages as rows for people.
struct MessageTable {
    /// Which columns, by what kind of messages they are.
    enum Layout {
        case records
        case documents
    }

    let layout: Layout
    /// Columns that no message of the page fills are left out.
    private let showsSubtopic: Bool

    init(_ layout: Layout, showsSubtopic: Bool) {
        self.layout = layout
        self.showsSubtopic = showsSubtopic
    }

    init(_ page: [JSONValue]) {
        let isRecords = page.contains { $0["name"] != nil }
        self.init(isRecords ? .records : .documents, showsSubtopic: page.contains { $0["subtopic"] != nil })
    }

    func table(_ messages: [JSONValue]) -> Table {
        var columns = [Table.Column("TIME")]
        if showsSubtopic { columns.append(Table.Column("SUBTOPIC", isFlexible: true)) }
        switch layout {
        case .records:
            columns += [Table.Column("NAME", isFlexible: true), Table.Column("VALUE", .right), Table.Column("UNIT")]
        case .documents:
            columns += [Table.Column("TYPE", isFlexible: true), Table.Column("CONTENT", isFlexible: true)]
        }
        var table = Table(columns + [Table.Column("PUBLISHER", isFlexible: true)])
        for message in messages {
            var cells = [Table.Cell(TimeArgument.text((message["time"] ?? message["created"])?.double), .faint)]
            if showsSubtopic { cells.append(Table.Cell(message["subtopic"]?.text)) }
            switch layout {
            case .records:
                cells += [
                    Table.Cell(message["name"]?.text), Table.Cell(Self.value(message), .bold),
                    Table.Cell(message["unit"]?.text),
                ]
            case .documents:
                cells += [
                    Table.Cell(message["content_type"]?.text ?? "application/json"),
                    Table.Cell((message["payload"] ?? message["payload_base64"])?.cell),
                ]
            }
            table.append(cells + [Table.Cell(message["publisher"]?.text, .faint)])
        }
        return table
    }

    static func value(_ message: JSONValue) -> String? {
        let members = ["value", "string_value", "bool_value", "data_value"]
        if let value = members.lazy.compactMap({ message[$0]?.cell }).first { return value }
        return message["sum"]?.cell.map { "Σ \($0)" }
    }
}
