// SPDX-License-Identifier: Apache-2.0
import Core
import Postgres

/// ``MessageStore`` on the tables that `writer-postgres` fills: `senml`, `json`, `blobs` and `dead_letters` in schema `messages`.
///
/// Statements are text of this folder; what a client says is bound, so it cannot become part of one.
struct PostgresMessageStore: MessageStore {
    let pool: PostgresPool
    let clock: WallClock

    func messages(_ query: MessageQuery) async throws(ServiceError) -> MessageListing {
        let statement = MessageSQL(query: query)
        let page = try await page(query, statement)
        let (messages, hasMore) = try settle(page, limit: query.limit, byOffset: query.start.offset != nil)
        let total = try await total(
            found: messages.count, hasMore: hasMore, offset: query.countsTotal ? query.start.offset : nil,
            statement.count)
        return MessageListing(messages: messages, total: total, hasMore: hasMore)
    }

    /// Looks where the page probably is; see ``PageWindows``.
    private func page(
        _ query: MessageQuery, _ statement: MessageSQL
    ) async throws(ServiceError) -> Page<StoredMessage> {
        var page = Page<StoredMessage>()
        for bound in PageWindows.bounds(of: query, now: clock.now()) {
            page = try await self.page(statement.page(within: bound)) { row throws(PostgresError) in
                try StoredMessage(row, query.filter.format)
            }
            // One that is not full may have more in a wider window.
            if page.isCut || page.rows.count > query.limit { break }
        }
        return page
    }
}

// MARK: - What the statements have in common

extension PostgresMessageStore {
    /// Rows as they came: maybe one more than asked for.
    struct Page<Row> {
        var rows: [Row] = []
        /// Whether rows were left out because those before were too large.
        var isCut = false
    }

    /// Reads the rows of a statement that has a column `is_followed` (``SizedPage``).
    func page<Row>(
        _ statement: SQL, _ decode: (PostgresRow) throws(PostgresError) -> Row
    ) async throws(ServiceError) -> Page<Row> {
        do throws(PostgresError) {
            var page = Page<Row>()
            for row in try await rows(of: statement) {
                page.rows.append(try decode(row))
                page.isCut = try row.decode(named: "is_followed")
            }
            return page
        } catch {
            throw ServiceError(reading: error)
        }
    }

    /// Takes off what is more than asked for.
    func settle<Row>(
        _ page: Page<Row>, limit: Int, byOffset: Bool
    ) throws(ServiceError) -> (rows: [Row], hasMore: Bool) {
        var rows = page.rows
        if rows.count > limit {
            rows.removeLast(rows.count - limit)
            return (rows, true)
        }
        // Whoever pages by offset goes on behind the limit, and would pass over what was left out.
        if page.isCut, rows.count < limit, byOffset {
            throw ServiceError(
                .unprocessable, reason: "page-too-large",
                "these \(limit) messages have more than \(MessageQuery.maximumBytes) bytes: ask for fewer at a time")
        }
        return (rows, page.isCut)
    }

    /// How many there are in all: asked for only where the page does not tell.
    /// - Parameter offset: nil when nobody wants to know.
    func total(
        found: Int, hasMore: Bool, offset: Int?, _ count: @autoclosure () -> SQL
    ) async throws(ServiceError) -> Int? {
        guard let offset else { return nil }
        if !hasMore, found > 0 || offset == 0 { return offset + found }
        do throws(PostgresError) {
            return try await rows(of: count()).first?.decode(Int.self, at: 0)
        } catch {
            throw ServiceError(reading: error)
        }
    }

    /// Not prepared: planned for its values, a statement between two times concerns their partitions, not all that there are.
    func rows(of statement: SQL) async throws(PostgresError) -> PostgresResult {
        try await pool.perform { session throws(PostgresError) in try session.execute(statement, prepared: false) }
    }
}
