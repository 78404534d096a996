// SPDX-License-Identifier: Apache-2.0
import Core
import NIOCore
import Postgres

/// ``MessageStore`` on the tables that `writer-postgres` fills: `senml`, `json` and `blobs` in schema `messages`.
///
/// Statements are text of this file; what a client says is bound, so it cannot become part of one.
struct PostgresMessageStore: MessageStore {
    let pool: PostgresPool

    func messages(_ query: MessageQuery) async throws(ServiceError) -> MessageListing {
        do throws(PostgresError) {
            let statement = MessageSQL(query: query)
            var messages: [StoredMessage] = []
            for row in try await pool.execute(statement.page) {
                messages.append(try Self.decode(row, query.format))
            }
            let hasMore = messages.count > query.limit
            if hasMore { messages.removeLast(messages.count - query.limit) }
            return MessageListing(
                messages: messages, total: try await total(query, statement, found: messages.count, hasMore: hasMore),
                hasMore: hasMore)
        } catch {
            throw ServiceError(reading: error)
        }
    }

    /// Counted only for a page by offset, and only where the page itself does not tell.
    private func total(
        _ query: MessageQuery, _ statement: MessageSQL, found: Int, hasMore: Bool
    ) async throws(PostgresError) -> Int? {
        guard case .offset(let offset) = query.start, query.countsTotal else { return nil }
        if !hasMore, found > 0 || offset == 0 { return offset + found }
        return try await pool.execute(statement.count).first?.decode(Int.self, at: 0)
    }

    private static func decode(
        _ row: PostgresRow, _ format: MessageQuery.Format
    ) throws(PostgresError) -> StoredMessage {
        let (time, sequence, record, subtopic, publisher, transport) = try row.decode(
            (Int64, Int64, Int32, String, ThingID, String).self)
        let content: StoredMessage.Content
        switch format {
        case .messages:
            content = .senml(
                StoredMessage.Record(
                    name: try row.decode(at: 6), unit: try row.decode(at: 7), value: try row.decode(at: 8),
                    stringValue: try row.decode(at: 9), boolValue: try row.decode(at: 10),
                    dataValue: try row.decode([UInt8]?.self, at: 11), sum: try row.decode(at: 12),
                    updateTime: try row.decode(at: 13)))
        case .json:
            content = .json(try row.decode(PostgresJSON.self, at: 6).text)
        case .blobs:
            content = .blob(contentType: try row.decode(at: 6), bytes: try row.decode([UInt8].self, at: 7))
        }
        return StoredMessage(
            position: MessageQuery.Position(time: time, sequence: sequence, record: record), subtopic: subtopic,
            publisher: publisher, transport: transport, content: content)
    }
}

extension ServiceError {
    /// What a failure of the database means to who asked.
    init(reading error: PostgresError) {
        // The statement timeout, which counts as retriable: but the same query would take as long again.
        if error.sqlState == .queryCanceled {
            self.init(
                .unprocessable, reason: "query-too-slow",
                "this query takes too long: narrow it by time, page by cursor, or leave out the total",
                detail: "\(error)")
        } else if error.isRetriable || error.kind == .cancelled || error.kind == .closed {
            self.init(
                .unavailable, reason: "database-unavailable", "the database cannot be reached now; try again",
                detail: "\(error)", retryAfterSeconds: 2)
        } else if error.sqlState == .undefinedTable {
            self.init(
                .unavailable, reason: "nothing-stored-yet", "the tables of messages are not there yet; try again",
                detail: "\(error)", retryAfterSeconds: 5)
        } else if error.isDataError {
            self.init(
                .malformed, reason: "invalid-parameter", "one of the parameters cannot be compared with",
                detail: "\(error)")
        } else {
            self.init(.internalFailure, reason: "internal", "something went wrong on our side", detail: "\(error)")
        }
    }
}
