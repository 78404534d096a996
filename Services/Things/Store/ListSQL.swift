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
/// - what is not connected is found by merging both sides in the order of identifiers, which is as fast whether all, half or none of them are; by name, the
///   first names are asked (``walk(_:)``), and where they are not enough all are found in that order and sorted, if they are not too many (``gathered``);
/// - they are planned anew each time, with the values: a tag on half of the things and one on ten want different plans.
struct ListSQL {
    /// One side of connections: which rows are meant, and the column that holds the listed entities.
    struct Connection {
        let entity: SQL
        let condition: SQL
    }

    /// One statement, and what its planner is told.
    struct Statement {
        let text: SQL
        /// Both sides are merged: asking for each entity in turn takes up to eight times as long when nearly all are connected, which the planner
        /// cannot know.
        let avoidsNestedLoops: Bool
    }

    /// So many names are asked for their connections before all is merged: two milliseconds. They hold a page of ten where more than one in a hundred is
    /// not connected.
    static let walkedNames = 1_000
    /// So many that are not connected are looked up and sorted by name at most: some 20 milliseconds.
    static let gatheredAtMost = 5_000
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
    func page(_ columns: SQL) -> Statement {
        let merging = isWithout && query.order == .id
        let found: SQL = "SELECT entity.id FROM \(source(merging)) \(Self.filter(conditions(merging) + behind))"
        return Statement(text: page(columns, of: found), avoidsNestedLoops: merging)
    }

    /// The same page where the first ``walkedNames`` names hold it whole; otherwise fewer rows than it has. nil: there is nothing to be gained.
    func walk(_ columns: SQL) -> Statement? {
        guard let connection, gathered != nil, offset + query.limit < Self.walkedNames else { return nil }
        let walked: SQL = """
            SELECT entity.id, entity.name, entity.is_enabled FROM \(table) AS entity
            \(Self.filter(["entity.domain = \(domain)"] + behind)) \(order) LIMIT \(Self.walkedNames)
            """
        let found: SQL = """
            SELECT entity.id FROM (\(walked)) AS entity
            \(Self.filter([Self.isNotConnected(connection)] + statusConditions))
            """
        return Statement(text: page(columns, of: found), avoidsNestedLoops: false)
    }

    /// Finds what is not connected and wanted by name, in the order of identifiers; one more than ``gatheredAtMost``, to know whether these are all. nil:
    /// another list.
    var gathered: Statement? {
        guard isWithout, query.order == .name, !isSearch else { return nil }
        let found: SQL = "SELECT entity.id FROM \(source(true)) \(Self.filter(conditions(true)))"
        return Statement(
            text: "\(found) ORDER BY entity.id LIMIT \(Self.gatheredAtMost + 1)", avoidsNestedLoops: true)
    }

    /// The same page, out of all that are in the list.
    func page(_ columns: SQL, outOf all: [ThingID]) -> Statement {
        let found: SQL = """
            SELECT \(columns) FROM \(table) AS entity \(Self.filter(["entity.id = ANY (\(all))"] + behind))
            \(order) LIMIT \(query.limit + 1) OFFSET \(offset)
            """
        return Statement(text: found, avoidsNestedLoops: false)
    }

    private func page(_ columns: SQL, of found: SQL) -> SQL {
        """
        WITH page AS MATERIALIZED (\(found) \(order) LIMIT \(query.limit + 1) OFFSET \(offset))
        SELECT \(columns) FROM \(table) AS entity WHERE entity.id = ANY (ARRAY(SELECT id FROM page)) \(order)
        """
    }

    /// How many there are, but at most ``countedAtMost``.
    var count: Statement {
        let merging = isWithout && (query.order == .id || !isSearch)
        let counted: SQL = "SELECT FROM \(source(merging)) \(Self.filter(conditions(merging))) \(countOrder)"
        return Statement(
            text: "SELECT count(*) FROM (\(counted) LIMIT \(countedAtMost)) AS counted", avoidsNestedLoops: merging)
    }

    var countedAtMost: Int { connection == nil && !isSearch ? Self.countedByIndex : Self.countedByRow }

    /// Whether what is not connected is listed.
    private var isWithout: Bool { connection != nil && !query.isConnected }

    /// Whether more than domain, status and connection decides.
    private var isSearch: Bool {
        !conditions.isEmpty || query.name != nil || query.tag != nil || query.metadata != nil
    }

    /// In the order of an index, so that counting ends where the limit is; a search has no order and needs no sorting to be counted.
    private var countOrder: SQL {
        guard !isSearch else { return "" }
        return isBackwards ? "ORDER BY entity.id DESC" : "ORDER BY entity.id"
    }

    private var isBackwards: Bool { query.order == .id && query.direction == .descending }

    private var offset: Int {
        guard case .offset(let offset) = query.start else { return 0 }
        return offset
    }

    /// - Parameter merging: what is not connected is found by merging both sides.
    private func source(_ merging: Bool) -> SQL {
        guard let connection else { return "\(table) AS entity" }
        if query.isConnected {
            return
                "\(table) AS entity JOIN connections ON \(connection.entity) = entity.id AND \(connection.condition)"
        }
        guard merging else { return "\(table) AS entity" }
        // Sorted, it comes in its index's order: within the outer join the planner would not take the order of one channel's things for that of things.
        let direction: SQL = isBackwards ? " DESC" : ""
        return """
            \(table) AS entity LEFT JOIN (
                SELECT \(connection.entity) AS id FROM connections WHERE \(connection.condition)
                ORDER BY \(connection.entity)\(direction)
            ) AS connected ON connected.id = entity.id
            """
    }

    private static func filter(_ conditions: [SQL]) -> SQL { "WHERE \(SQL.joined(conditions, separator: " AND "))" }

    private static func isNotConnected(_ connection: Connection) -> SQL {
        """
        NOT EXISTS (SELECT FROM connections
            WHERE \(connection.entity) = entity.id AND \(connection.condition))
        """
    }

    private var statusConditions: [SQL] { query.isEnabled.map { ["entity.is_enabled = \($0)"] } ?? [] }

    private func conditions(_ merging: Bool) -> [SQL] {
        var conditions: [SQL] = ["entity.domain = \(domain)"] + self.conditions
        if let connection, !query.isConnected {
            conditions.append(merging ? "connected.id IS NULL" : Self.isNotConnected(connection))
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
        return conditions + statusConditions
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

    /// What is behind the cursor, if the page begins at one.
    private var behind: [SQL] {
        guard case .after(let position) = query.start else { return [] }
        let id = ThingID(high: position.high, low: position.low)
        return switch (query.order, query.direction) {
        case (.id, .ascending): ["entity.id > \(id)"]
        case (.id, .descending): ["entity.id < \(id)"]
        case (.name, .ascending): ["(entity.name, entity.id) > (\(position.name), \(id))"]
        case (.name, .descending): ["(entity.name, entity.id) < (\(position.name), \(id))"]
        }
    }
}
