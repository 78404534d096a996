// SPDX-License-Identifier: Apache-2.0
import Core
import Postgres

/// The statements of a list, which things and channels share; `entity` is the alias of the listed table.
///
/// What keeps a page of 100,000 entities within milliseconds, with the plans that the tests hold on to:
/// - a page's identifiers are found first, from an index alone where nothing but domain, status and order is asked for, so that an offset
///   walks the index and not the table; the rows are fetched for the page only;
/// - a tag or metadata is searched within the domain (`in_domain` in ``ThingsMigrations``): another domain that uses the same one costs nothing;
/// - a part of a name is searched in an index that holds the folded names;
/// - they are planned anew each time, with the values: a tag on half of the things and one on ten want different plans.
struct ListSQL {
    /// One side of connections: which rows are meant, and the column that holds the listed entities.
    struct Connection {
        let entity: SQL
        let condition: SQL
    }

    /// Counting goes on to here when an index alone answers.
    static let countedByIndex = 100_000
    /// Counting goes on to here when each row has to be looked at or found on the other side.
    static let countedByRow = 10_000

    let query: ListQuery
    let domain: DomainID
    /// `things` or `channels`.
    let table: SQL
    /// nil: all of the domain.
    var connection: Connection?
    /// What else must hold of a listed entity, told from an index.
    var conditions: [SQL] = []

    /// One page of `columns`; one row more than asked for, to know whether more follow.
    func page(_ columns: SQL) -> SQL {
        var found: SQL = "SELECT entity.id FROM \(source) \(filter)"
        switch query.start {
        case .offset(let offset): found = found + " \(order) LIMIT \(query.limit + 1) OFFSET \(offset)"
        case .after(let position): found = found + " AND \(behind(position)) \(order) LIMIT \(query.limit + 1)"
        }
        return """
            WITH page AS MATERIALIZED (\(found))
            SELECT \(columns) FROM \(table) AS entity WHERE entity.id = ANY (ARRAY(SELECT id FROM page)) \(order)
            """
    }

    /// How many there are, but at most ``countedAtMost``.
    var count: SQL {
        "SELECT count(*) FROM (SELECT FROM \(source) \(filter) \(countOrder) LIMIT \(countedAtMost)) AS counted"
    }

    var countedAtMost: Int { isAnsweredByIndex ? Self.countedByIndex : Self.countedByRow }

    /// In order of identifiers both sides are merged: asking for each entity in turn takes twice as long when nearly all are connected.
    var avoidsNestedLoops: Bool { connection != nil && !query.isConnected && query.order == .id }

    private var isAnsweredByIndex: Bool {
        connection == nil && conditions.isEmpty && query.name == nil && query.tag == nil && query.metadata == nil
    }

    /// In the order of an index, so that counting ends where the limit is; a search has no order and needs no sorting to be counted.
    private var countOrder: SQL {
        conditions.isEmpty && query.name == nil && query.tag == nil && query.metadata == nil ? "ORDER BY entity.id" : ""
    }

    private var source: SQL {
        guard let connection, query.isConnected else { return "\(table) AS entity" }
        return "\(table) AS entity JOIN connections ON \(connection.entity) = entity.id AND \(connection.condition)"
    }

    private var filter: SQL {
        var conditions: [SQL] = ["entity.domain = \(domain)"] + self.conditions
        if let connection, !query.isConnected {
            conditions.append(
                """
                NOT EXISTS (SELECT FROM connections
                    WHERE \(connection.entity) = entity.id AND \(connection.condition))
                """)
        }
        if let name = query.name, !name.isEmpty {
            conditions.append(
                """
                entity.id IN (SELECT named.id FROM \(table) AS named
                    WHERE named.domain = \(domain) AND named.folded_name LIKE lower(\(Self.pattern(containing: name))))
                """)
        }
        // The second condition is the index's. The first one is cheap and spares rows that a walk passes the second; CASE hides it from the planner,
        // which would count the same condition twice.
        if let tag = query.tag {
            conditions.append(
                """
                CASE WHEN entity.tags @> \([tag]) THEN true END
                    AND in_domain(entity.domain, entity.tags) @> in_domain(\(domain), \([tag]))
                """)
        }
        if let metadata = query.metadata, metadata != "{}" {
            let metadata = PostgresJSON(text: metadata)
            conditions.append(
                """
                CASE WHEN entity.metadata @> \(metadata) THEN true END
                    AND in_domain(entity.domain, entity.metadata) @> in_domain(\(domain), \(metadata))
                """)
        }
        if let isEnabled = query.isEnabled { conditions.append("entity.is_enabled = \(isEnabled)") }
        return "WHERE \(SQL.joined(conditions, separator: " AND "))"
    }

    /// For LIKE, whose own signs in `text` stand for themselves.
    private static func pattern(containing text: String) -> String {
        var pattern = "%"
        for character in text.unicodeScalars {
            if character == "%" || character == "_" || character == "\\" { pattern += "\\" }
            pattern.unicodeScalars.append(character)
        }
        return pattern + "%"
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
    /// Runs a list: the page, and the count unless the page begins at a cursor or shows the list's end.
    func listing<Item: Sendable>(
        _ list: ListSQL, columns: SQL, _ decode: (PostgresRow) throws(PostgresError) -> Item
    ) async throws(ServiceError) -> Listing<Item> {
        var items = try rows(of: try await search(list.page(columns), of: list), decode)
        let hasMore = items.count > list.query.limit
        if hasMore { items.removeLast(items.count - list.query.limit) }
        var total: ListTotal?
        if case .offset(let offset) = list.query.start {
            let seen = offset + items.count
            if !hasMore, offset == 0 || !items.isEmpty {
                total = ListTotal(count: seen, isExact: true)
            } else {
                let counted =
                    try rows(of: try await search(list.count, of: list)) { row throws(PostgresError) in
                        try row.decode(Int.self, at: 0)
                    }.first ?? 0
                // What was shown is there: who pages until `total` never stops too early.
                total = ListTotal(
                    count: hasMore ? max(counted, seen + 1) : counted, isExact: counted < list.countedAtMost)
            }
        }
        return Listing(items: items, total: total, hasMore: hasMore)
    }

    /// One statement of a list, planned for its values.
    private func search(_ sql: SQL, of list: ListSQL) async throws(ServiceError) -> PostgresResult {
        let avoidsNestedLoops = list.avoidsNestedLoops
        do throws(PostgresError) {
            return try await pool.perform { session throws(PostgresError) in
                guard avoidsNestedLoops else { return try session.execute(sql, prepared: false) }
                return try session.transaction(readOnly: true) { session throws(PostgresError) in
                    try session.executeScript("SET LOCAL enable_nestloop = off")
                    return try session.execute(sql, prepared: false)
                }
            }
        } catch {
            throw ServiceError(storing: error)
        }
    }
}
