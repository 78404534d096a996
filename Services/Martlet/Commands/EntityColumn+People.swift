// SPDX-License-Identifier: Apache-2.0

extension EntityColumn {
    static let identity = EntityColumn("IDENTITY", isFlexible: true) { user in
        Table.Cell(user["credentials"]?["identity"]?.text)
    }

    /// The built-in role (`role`) and the domain's own (`role_ids`, `role_id`) of members, groups of users or invitations.
    ///
    /// - Parameter elements: those that will be shown; the names are asked for only where there are any.
    static func roles(
        of domain: String, in elements: JSONValue?, _ context: CommandContext
    ) async throws -> EntityColumn {
        let isNeeded = !context.console.isJSON && (elements?.elements ?? []).contains { !identifiers($0).isEmpty }
        let names = isNeeded ? try await context.roleNames(of: domain) : [:]
        return EntityColumn("ROLES", isFlexible: true) { element in
            let builtIn = element["role"]?.text.map { $0 == "none" ? [] : [$0] } ?? []
            let own = identifiers(element).map { names[$0] ?? $0 }
            return Table.Cell((builtIn + own.sorted()).joined(separator: ", "))
        }
    }

    private static func identifiers(_ element: JSONValue) -> [String] {
        ((element["role_ids"]?.elements ?? []) + [element["role_id"]].compactMap { $0 }).compactMap(\.text)
    }
}
