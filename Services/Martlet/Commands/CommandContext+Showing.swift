// SPDX-License-Identifier: Apache-2.0

extension CommandContext {
    /// A list as a document, or as a table with what is left of it.
    func show(_ list: JSONValue, _ member: String, _ columns: [EntityColumn]) {
        if console.isJSON { return console.print(list) }
        let elements = list[member]?.elements ?? []
        guard !elements.isEmpty else { return console.note("No \(member).") }
        var table = Table(columns.map(\.column))
        for element in elements { table.append(columns.map { $0.cell(element) }) }
        console.print(table)
        let shown = (list["offset"]?.integer ?? 0) + elements.count
        if let total = list["total"]?.integer, total > shown {
            let atLeast = list["total_is_exact"]?.flag == false ? "at least " : ""
            console.note("\(elements.count) of \(atLeast)\(total); --limit and --offset show others.", .faint)
        }
    }

    /// An entity as a document, or its members below each other.
    func show(_ entity: JSONValue) {
        if console.isJSON { return console.print(entity) }
        console.printFields(
            (entity.members ?? []).compactMap { member in
                // The same key under its older name.
                if member.name == "key" && entity["credentials"] != nil { return nil }
                if member.name == "credentials" {
                    return member.value["secret"].map { ("key", $0.text) }
                        ?? member.value["identity"].map { ("identity", $0.text) }
                }
                if case .array(let elements) = member.value {
                    let text = elements.compactMap(\.cell).joined(separator: ", ")
                    return text.isEmpty ? nil : (member.name, text)
                }
                if member.value == .object([]) || member.value == .string("") { return nil }
                return (member.name, member.value.cell)
            })
    }

    /// What was done, where the server has nothing to show of it.
    func confirm(_ what: String, _ identifier: String) {
        if console.isJSON {
            console.print(.document([("id", .string(identifier)), ("done", .string(what.lowercased()))]))
        } else {
            console.print("\(what) \(identifier).")
        }
    }
}
