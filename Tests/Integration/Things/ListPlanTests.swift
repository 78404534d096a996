// SPDX-License-Identifier: Apache-2.0
import Bus
import Core
import HTTPKit
import Logging
import Postgres
import TestKit
import Testing

@testable import ThingsService

/// What the planner makes of every list, on two domains of 20,000 things each: the shape of the plans, not times.
@Suite struct ListPlanTests {
    @Test func noListWalksTheTableOrSortsIt() async throws {
        try await withFilledStore { pool in
            for (label, list) in Self.lists {
                // By name one of the two sides has to be hashed or asked in the end, whatever the planner likes better.
                for (part, statement) in Self.statements(list) where list.gathered == nil || part != "page" {
                    let plan = try await Self.explain(statement, on: pool)
                    #expect(!plan.nodes.contains { $0.type == "Seq Scan" }, "\(label), \(part): \(plan.summary)")
                    // A merge may bring the identifiers of one channel's connections into its order.
                    let sorted = label.hasPrefix("not on") ? 0 : plan.sortedRows
                    #expect(sorted <= Filling.things / 8, "\(label), \(part) sorts \(sorted) rows: \(plan.summary)")
                    if label.hasPrefix("foreign") {
                        #expect(plan.fetchedRows <= 100, "\(label), \(part) meets others' rows: \(plan.summary)")
                    }
                    if label.hasPrefix("all") {
                        #expect(plan.fetchedRows <= 11, "\(label), \(part) fetches what it leaves out: \(plan.summary)")
                    }
                }
            }
        }
    }

    /// What is not connected is found in one pass through both sides, from indexes alone, however many are connected; by name, the first names are asked
    /// before, and what was found is looked up and sorted.
    @Test func whatIsNotConnectedIsMergedFromIndexesAlone() async throws {
        try await withFilledStore { pool in
            for (label, list) in Self.lists where label.hasPrefix("not on") {
                for (part, statement) in Self.statements(list) {
                    let plan = try await Self.explain(statement, on: pool)
                    let joins = plan.nodes.map(\.type).filter { $0.contains("Join") || $0.contains("Loop") }
                    switch part {
                    case "walk":
                        #expect(plan.fetchedRows <= 11, "\(label), \(part) looks at the table: \(plan.summary)")
                        let scanned = plan.nodes.filter { $0.type == "Index Only Scan" }.map(\.rows).max() ?? 0
                        #expect(scanned <= ListSQL.walkedNames + 20, "\(label) walks too far: \(plan.summary)")
                    case "page" where list.query.order == .name: break
                    case "out of all":
                        #expect(joins.isEmpty && plan.fetchedRows <= 10, "\(label), \(part): \(plan.summary)")
                    default:
                        #expect(plan.fetchedRows <= 11, "\(label), \(part) looks at the table: \(plan.summary)")
                        #expect(joins == ["Merge Join"], "\(label), \(part) merges nothing: \(plan.summary)")
                        #expect(plan.sortedRows <= 11, "\(label), \(part) sorts: \(plan.summary)")
                    }
                }
            }
        }
    }

    /// Pages by name of what is not connected, from the first names or merged, by offset and behind cursors: the same as one statement finds.
    @Test func whatIsNotConnectedIsFoundWholeAndInOrder() async throws {
        try await withFilledStore { pool in
            let logger = Logger(label: "lists")
            let bus = SocketBus.connect(SocketBusConfiguration(path: "/nowhere", name: "things"), logger: logger)
            let store = PostgresThingsStore(pool: pool, announcer: Announcer(outbox: Outbox(pool: pool), bus: bus))
            for channel in [1, 2, 7] {
                for direction in ListQuery.Direction.allCases {
                    let rows = try await pool.execute(
                        """
                        SELECT id FROM things WHERE domain = \(Filling.domain) AND is_enabled AND id NOT IN (
                            SELECT thing FROM connections WHERE channel = \(Filling.channel(channel)))
                        ORDER BY name, id
                        """)
                    var expected: [ThingID] = []
                    for row in rows { expected.append(try row.decode(ThingID.self, at: 0)) }
                    if direction == .descending { expected.reverse() }
                    var query = ListQuery(isEnabled: true, isConnected: false, order: .name, direction: direction)
                    query.limit = 7
                    func found() async throws -> Listing<Thing> {
                        try await store.things(query, on: Filling.channel(channel), in: Filling.domain, within: nil)
                    }
                    for offset in [
                        0, 5, 400, 990, 1_000, 4_000, expected.count - 3, expected.count, expected.count + 1,
                    ] {
                        query.start = .offset(offset)
                        let page = try await found()
                        #expect(
                            page.items.map(\.id) == Array(expected.dropFirst(offset).prefix(7)), "\(channel), \(offset)"
                        )
                        #expect(page.hasMore == (offset + 7 < expected.count), "\(channel), \(offset)")
                        let total = try #require(page.total)
                        #expect(total.isExact ? total.count == expected.count : total.count <= expected.count)
                    }
                    query.start = .offset(0)
                    var seen: [ThingID] = []
                    while seen.count < 30 {
                        let page = try await found()
                        seen += page.items.map(\.id)
                        guard page.hasMore, let last = page.items.last else { break }
                        let position = ListQuery.Position(
                            name: last.attributes.name, high: last.id.high, low: last.id.low)
                        query.start = .after(position)
                    }
                    #expect(seen == Array(expected.prefix(seen.count)) && seen.count >= min(30, expected.count))
                }
            }
            await bus.close()
        }
    }

    private static func statements(_ list: ListSQL) -> [(part: String, ListSQL.Statement)] {
        let columns: SQL = "entity.id, entity.name, entity.metadata"
        var statements = [("page", list.page(columns))]
        if let walk = list.walk(columns) { statements.append(("walk", walk)) }
        if let gathered = list.gathered {
            let last = ((Filling.things - 9)...Filling.things).map(Filling.thing)
            statements += [("gathered", gathered), ("out of all", list.page(columns, outOf: last))]
        }
        if case .offset = list.query.start { statements.append(("count", list.count)) }
        return statements
    }

    /// Every filter in every order, on values that are common, rare, late in the order, and only another domain's.
    private static let lists: [(label: String, list: ListSQL)] = {
        var lists: [(String, ListSQL)] = []
        func add(
            _ label: String, table: SQL = "things", on: ListSQL.Connection? = nil, where conditions: [SQL] = [],
            _ change: (inout ListQuery) -> Void
        ) {
            for order in ListQuery.Order.allCases {
                for direction in ListQuery.Direction.allCases {
                    var query = ListQuery(isEnabled: true)
                    (query.order, query.direction) = (order, direction)
                    change(&query)
                    lists.append(
                        (
                            "\(label) by \(order) \(direction)",
                            ListSQL(
                                query: query, domain: Filling.domain, table: table, connection: on,
                                conditions: conditions)
                        ))
                }
            }
        }
        add("all") { _ in }
        add("all, whatever the status") { $0.isEnabled = nil }
        add("all, far behind") { $0.start = .offset(Filling.things - 100) }
        add("all behind a cursor") {
            $0.start = .after(ListQuery.Position(name: "sensor 5", high: Filling.domain.high, low: 5))
        }
        add("disabled") { $0.isEnabled = false }
        add("all channels", table: "channels") { _ in }
        for name in ["SENSOR", "19991", "100%_nothing\\"] { add("name \(name)") { $0.name = name } }
        for tag in ["common", "hall-7", "rare", "late"] { add("tag \(tag)") { $0.tag = tag } }
        for metadata in ["{\"vendor\":{\"name\":\"acme\"}}", "{\"kind\":\"pt100\"}", "{\"serial\":\"SN-7777\"}"] {
            add("metadata \(metadata)") { $0.metadata = metadata }
        }
        add("foreign tag") { $0.tag = "foreign" }
        add("foreign metadata") { $0.metadata = "{\"foreign\":true}" }
        for channel in [1, 2, 7] {
            let on = ListSQL.Connection(
                entity: "connections.thing", condition: "connections.channel = \(Filling.channel(channel))")
            add("on channel \(channel)", on: on) { _ in }
            add("not on channel \(channel)", on: on) { $0.isConnected = false }
            add("not on channel \(channel), far behind", on: on) { query in
                query.isConnected = false
                query.start = .offset(Filling.things / 3)
            }
        }
        add("in a group", where: ["entity.parent = ANY(\([Filling.group(123)]))"]) { _ in }
        add("in a branch", where: ["entity.parent = ANY(\(Filling.branch))"]) { _ in }
        let reached: SQL =
            "(entity.parent = ANY(\(Filling.branch)) OR entity.id = ANY(\([Filling.thing(1), Filling.thing(2)])))"
        add("reached", where: [reached]) { _ in }
        add("reached with a tag", where: [reached]) { $0.tag = "common" }
        add("reached with a name", where: [reached]) { $0.name = "hall 7" }
        let of = ListSQL.Connection(
            entity: "connections.channel", condition: "connections.thing = \(Filling.thing(5))")
        add("channels of a thing", table: "channels", on: of) { _ in }
        return lists
    }()

    private static func explain(_ statement: ListSQL.Statement, on pool: PostgresPool) async throws -> Plan {
        let text = try await pool.perform { session throws(PostgresError) in
            try session.execute(statement, prefix: "EXPLAIN (ANALYZE, FORMAT JSON) ").first?.decode(
                PostgresJSON.self, at: 0
            ).text
        }
        return try Plan(try JSONBody.decode(JSONValue.self, from: Array(try #require(text).utf8)))
    }
}

/// An executed plan, flattened.
struct Plan {
    struct Node {
        var type: String
        var name: String
        /// Rows of all loops, those that a filter removed included.
        var rows: Int
        /// Rows that its first input gave.
        var inputRows: Int
    }

    var nodes: [Node] = []

    init(_ explained: JSONValue) throws {
        guard case .array(let plans) = explained, case .object(let first)? = plans.first, let root = first["Plan"]
        else {
            throw SystemError(call: "no plan in \(explained)", code: 0)
        }
        visit(root)
    }

    private mutating func visit(_ value: JSONValue) {
        guard case .object(let node) = value, case .string(let type)? = node["Node Type"] else { return }
        var children: [JSONValue] = []
        if case .array(let plans)? = node["Plans"] { children = plans }
        var name = ""
        if case .string(let index)? = node["Index Name"] { name = index }
        if case .string(let table)? = node["Relation Name"], name.isEmpty { name = table }
        nodes.append(
            Node(type: type, name: name, rows: Self.rows(value), inputRows: children.first.map(Self.rows) ?? 0))
        for child in children { visit(child) }
    }

    private static func rows(_ value: JSONValue) -> Int {
        guard case .object(let node) = value else { return 0 }
        func number(_ key: String) -> Double {
            switch node[key] {
            case .integer(let value)?: Double(value)
            case .number(let value)?: value
            default: 0
            }
        }
        return Int((number("Actual Rows") + number("Rows Removed by Filter")) * number("Actual Loops"))
    }

    /// Rows that were sorted in whole, not merely in groups that an index had ordered.
    var sortedRows: Int { nodes.filter { $0.type == "Sort" }.map(\.inputRows).max() ?? 0 }

    /// Rows for which the table was visited.
    var fetchedRows: Int {
        nodes.filter { $0.type == "Index Scan" || $0.type == "Bitmap Heap Scan" || $0.type == "Seq Scan" }
            .map(\.rows).reduce(0, +)
    }

    var summary: String { nodes.map { "\($0.type) \($0.name) \($0.rows)" }.joined(separator: ", ") }
}
