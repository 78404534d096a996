// SPDX-License-Identifier: Apache-2.0
import Core
import HTTPKit
import Postgres
import TestKit
import Testing

@testable import ThingsService

/// What the planner makes of every list, on two domains of 20,000 things each: the shape of the plans, not times.
@Suite struct ListPlanTests {
    @Test func noListWalksTheTableOrSortsIt() async throws {
        try await withFilledStore { pool in
            for (label, list) in Self.lists {
                var statements: [(String, SQL)] = [("page", list.page("entity.id, entity.name, entity.metadata"))]
                if case .offset = list.query.start { statements.append(("count", list.count)) }
                for (part, statement) in statements {
                    let plan = try await Self.explain(statement, list, on: pool)
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
            // By name one of the two sides has to be hashed or asked, whatever the planner likes better.
            add("not on channel \(channel)", on: on) { query in
                query.isConnected = false
                query.order = .id
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

    private static func explain(_ statement: SQL, _ list: ListSQL, on pool: PostgresPool) async throws -> Plan {
        let explained: SQL = "EXPLAIN (ANALYZE, FORMAT JSON) \(statement)"
        let avoidsNestedLoops = list.avoidsNestedLoops
        let text = try await pool.perform { session throws(PostgresError) in
            try session.transaction { session throws(PostgresError) in
                if avoidsNestedLoops { try session.executeScript("SET LOCAL enable_nestloop = off") }
                return try session.execute(explained, prepared: false).first?.decode(PostgresJSON.self, at: 0).text
            }
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
