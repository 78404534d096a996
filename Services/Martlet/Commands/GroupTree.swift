// SPDX-License-Identifier: Apache-2.0

/// Groups with those below them in them.
struct GroupTree: Sendable {
    /// Documents of groups with `children`, and where these are asked for `things` and `channels`.
    var roots: [JSONValue]
    var hasMembers: Bool

    /// - Parameters:
    ///   - root: a group's identifier; nil: all groups that one sees.
    ///   - levels: how many at most; nil: all.
    static func load(
        below root: String?, levels: Int?, hasMembers: Bool, _ context: CommandContext
    ) async throws -> GroupTree {
        let query = [("tree", "true")] + (levels.map { [("level", String($0))] } ?? [])
        let path = root.map { "/groups/\($0)" } ?? "/groups"
        let list = APIRequest(.get, root == nil ? path : "\(path)/children", query: query)
        var roots = try await context.person(list).json()["groups"]?.elements ?? []
        if root != nil {
            let group = try await context.person(APIRequest(.get, path)).json()
            roots = [group.replacing("children", with: .array(roots))]
        }
        guard hasMembers else { return GroupTree(roots: roots, hasMembers: false) }
        var members: [String: [String: [JSONValue]]] = [:]
        for kind in ["things", "channels"] {
            let place = root == nil ? "/\(kind)" : "\(path)/\(kind)"
            let list = EntityList(path: place, member: kind, filters: [("deep", "true"), ("status", "all")])
            let found = try await list.load(limit: 10_000) { try await context.person($0) }
            members[kind] = Dictionary(grouping: found[kind]?.elements ?? []) { $0["parent_group_id"]?.text ?? "" }
        }
        return GroupTree(roots: roots.map { filled($0, members) }, hasMembers: true)
    }

    private static func filled(_ group: JSONValue, _ members: [String: [String: [JSONValue]]]) -> JSONValue {
        let identifier = group["id"]?.text ?? ""
        let children = (group["children"]?.elements ?? []).map { filled($0, members) }
        return ["things", "channels"].reduce(group.replacing("children", with: .array(children))) { group, kind in
            group.replacing(kind, with: .array(members[kind]?[identifier] ?? []))
        }
    }

    func show(_ console: Console) {
        if console.isJSON { return console.print(.document([("groups", .array(roots))])) }
        guard !roots.isEmpty else { return console.note("No groups.") }
        console.print(table)
    }

    /// A line an entity, with branches as tree(1) draws them.
    var table: Table {
        let kind = hasMembers ? [Table.Column("KIND")] : []
        var table = Table([Table.Column("GROUP", isFlexible: true)] + kind + [Table.Column("ID")])
        for root in roots { append(root, "group", first: "", others: "", to: &table) }
        return table
    }

    /// - Parameters:
    ///   - first: what stands before the entity's own line.
    ///   - others: what stands before the lines of what is below it.
    private func append(_ entity: JSONValue, _ kind: String, first: String, others: String, to table: inout Table) {
        let name = Table.Cell(first + (entity["name"]?.text ?? ""), kind == "group" ? .plain : .faint)
        table.append([name] + (hasMembers ? [Table.Cell(kind)] : []) + [Table.Cell(entity["id"]?.text)])
        let below = [("things", "thing"), ("channels", "channel"), ("children", "group")].flatMap { member, kind in
            (entity[member]?.elements ?? []).map { ($0, kind) }
        }
        for (index, (child, kind)) in below.enumerated() {
            let isLast = index == below.count - 1
            append(
                child, kind, first: others + (isLast ? "└── " : "├── "), others: others + (isLast ? "    " : "│   "),
                to: &table)
        }
    }
}
