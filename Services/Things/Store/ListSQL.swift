// SPDX-License-Identifier: Apache-2.0
import Core
import Postgres

/// The parts of a list's statement that things and channels share; `entity` is the alias of the listed table.
struct ListSQL {
    let query: ListQuery
    let domain: DomainID
    /// Which entities the other side of a connection selects; nil: all.
    let connection: SQL?

    /// What a total counts.
    var filter: SQL {
        var conditions: [SQL] = ["entity.domain = \(domain)"]
        if let connection {
            conditions.append(query.isConnected ? "EXISTS (\(connection))" : "NOT EXISTS (\(connection))")
        }
        if let name = query.name, !name.isEmpty {
            conditions.append("strpos(lower(entity.name), lower(\(name))) > 0")
        }
        if let tag = query.tag { conditions.append("entity.tags @> \([tag])") }
        if let metadata = query.metadata { conditions.append("entity.metadata @> \(PostgresJSON(text: metadata))") }
        if let isEnabled = query.isEnabled { conditions.append("entity.is_enabled = \(isEnabled)") }
        return "WHERE \(SQL.joined(conditions, separator: " AND "))"
    }

    /// What selects and orders one page; one more than asked for, to know whether more follow.
    var page: SQL {
        switch query.start {
        case .offset(let offset): "\(filter) \(order) LIMIT \(query.limit + 1) OFFSET \(offset)"
        case .after(let position): "\(filter) AND \(behind(position)) \(order) LIMIT \(query.limit + 1)"
        }
    }

    private var order: SQL {
        switch (query.order, query.direction) {
        case (.id, .ascending): "ORDER BY entity.id"
        case (.id, .descending): "ORDER BY entity.id DESC"
        case (.name, .ascending): "ORDER BY entity.name, entity.id"
        case (.name, .descending): "ORDER BY entity.name DESC, entity.id DESC"
        }
    }

    private func behind(_ position: ListQuery.Position) -> SQL {
        let id = ThingID(high: position.high, low: position.low)
        return switch (query.order, query.direction) {
        case (.id, .ascending): "entity.id > \(id)"
        case (.id, .descending): "entity.id < \(id)"
        case (.name, .ascending): "(entity.name, entity.id) > (\(position.name), \(id))"
        case (.name, .descending): "(entity.name, entity.id) < (\(position.name), \(id))"
        }
    }
}

extension PostgresThingsStore {
    /// Runs a list: the page, and the count unless the page begins at a cursor.
    func listing<Item: Sendable>(
        _ list: ListSQL, columns: SQL, from table: SQL, _ decode: (PostgresRow) throws(PostgresError) -> Item
    ) async throws(ServiceError) -> Listing<Item> {
        var total: Int?
        if case .offset = list.query.start {
            let counted = try await execute("SELECT count(*) FROM \(table) \(list.filter)")
            total = try rows(of: counted) { row throws(PostgresError) in try row.decode(Int.self, at: 0) }.first
        }
        let found = try await execute("SELECT \(columns) FROM \(table) \(list.page)")
        var items = try rows(of: found, decode)
        let hasMore = items.count > list.query.limit
        if hasMore { items.removeLast(items.count - list.query.limit) }
        return Listing(items: items, total: total, hasMore: hasMore)
    }
}
