// SPDX-License-Identifier: Apache-2.0
import Core
import Postgres

extension PostgresThingsStore {
    /// Runs a list: the page, and the count unless the page begins at a cursor or shows the list's end.
    func listing<Item: Sendable>(
        _ list: ListSQL, columns: SQL, _ decode: (PostgresRow) throws(PostgresError) -> Item
    ) async throws(ServiceError) -> Listing<Item> {
        var (items, known) = try await page(of: list, columns, decode)
        let hasMore = items.count > list.query.limit
        if hasMore { items.removeLast(items.count - list.query.limit) }
        var total: ListTotal?
        if case .offset(let offset) = list.query.start {
            let seen = offset + items.count
            if let known {
                total = ListTotal(count: known, isExact: true)
            } else if !hasMore, offset == 0 || !items.isEmpty {
                total = ListTotal(count: seen, isExact: true)
            } else {
                let counted =
                    try rows(of: try await search(list.count)) { row throws(PostgresError) in
                        try row.decode(Int.self, at: 0)
                    }.first ?? 0
                // What was shown is there: who pages until `total` never stops too early.
                total = ListTotal(
                    count: hasMore ? max(counted, seen + 1) : counted, isExact: counted < list.countedAtMost)
            }
        }
        return Listing(items: items, total: total, hasMore: hasMore)
    }

    /// The rows of a page, and one more if more follow, in the first way that has them all; how many there are where that is found by the way.
    private func page<Item: Sendable>(
        of list: ListSQL, _ columns: SQL, _ decode: (PostgresRow) throws(PostgresError) -> Item
    ) async throws(ServiceError) -> (items: [Item], total: Int?) {
        if let walk = list.walk(columns) {
            let items = try rows(of: try await search(walk), decode)
            if items.count > list.query.limit { return (items, nil) }
        }
        if let gathered = list.gathered {
            let all = try rows(of: try await search(gathered)) { row throws(PostgresError) in
                try row.decode(ThingID.self, at: 0)
            }
            if all.count <= ListSQL.gatheredAtMost {
                return (try rows(of: try await search(list.page(columns, outOf: all)), decode), all.count)
            }
        }
        return (try rows(of: try await search(list.page(columns)), decode), nil)
    }

    /// One statement of a list, planned for its values.
    private func search(_ statement: ListSQL.Statement) async throws(ServiceError) -> PostgresResult {
        do throws(PostgresError) {
            return try await pool.perform { session throws(PostgresError) in try session.execute(statement) }
        } catch {
            throw ServiceError(storing: error)
        }
    }
}

extension PostgresSession {
    /// Runs one statement of a list; `prefix` goes before its text.
    func execute(_ statement: ListSQL.Statement, prefix: SQL = "") throws(PostgresError) -> PostgresResult {
        guard statement.avoidsNestedLoops else { return try execute(prefix + statement.text, prepared: false) }
        return try transaction(readOnly: true) { session throws(PostgresError) in
            try session.executeScript("SET LOCAL enable_nestloop = off")
            return try session.execute(prefix + statement.text, prepared: false)
        }
    }
}
