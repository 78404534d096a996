// SPDX-License-Identifier: Apache-2.0

/// A column of a list of entities: its heading, and what it shows of each.
struct EntityColumn: Sendable {
    let column: Table.Column
    let cell: @Sendable (JSONValue) -> Table.Cell

    init(_ heading: String, isFlexible: Bool = false, _ cell: @escaping @Sendable (JSONValue) -> Table.Cell) {
        column = Table.Column(heading, isFlexible: isFlexible)
        self.cell = cell
    }

    /// A member as it is.
    init(_ heading: String, _ member: String, isFlexible: Bool = false) {
        self.init(heading, isFlexible: isFlexible) { Table.Cell($0[member]?.cell) }
    }

    static let identifier = EntityColumn("ID", "id")
    static let name = EntityColumn("NAME", "name", isFlexible: true)
    static let route = EntityColumn("ROUTE", "route")
    static let tags = EntityColumn("TAGS", isFlexible: true) { entity in
        Table.Cell((entity["tags"]?.elements ?? []).compactMap(\.cell).joined(separator: ", "))
    }
    static let status = EntityColumn("STATUS") { entity in
        let status = entity["status"]?.text
        return Table.Cell(status, status == "enabled" ? .good : .warning)
    }
}
