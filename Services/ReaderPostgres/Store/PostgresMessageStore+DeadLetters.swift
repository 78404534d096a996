// SPDX-License-Identifier: Apache-2.0
import Core
import Messaging
import Postgres

extension PostgresMessageStore {
    func deadLetters(_ query: DeadLetterQuery) async throws(ServiceError) -> DeadLetterListing {
        let statement = DeadLetterSQL(query: query)
        let page = try await page(statement.page) { row throws(PostgresError) in try StoredDeadLetter(row) }
        let (letters, hasMore) = try settle(page, limit: query.limit, byOffset: query.start.offset != nil)
        let total = try await total(
            found: letters.count, hasMore: hasMore, offset: query.countsTotal || !hasMore ? query.start.offset : nil,
            statement.count)
        return DeadLetterListing(letters: letters, total: total, hasMore: hasMore)
    }
}

extension StoredDeadLetter {
    /// The columns as `DeadLetterSQL` has them.
    fileprivate init(_ row: PostgresRow) throws(PostgresError) {
        let (at, sequence, record, stream, reason, explanation) = try row.decode(
            (Int64, Int64, Int32, StreamID, String, String).self)
        envelope = try row.decode(at: 6)
        position = DeadLetterQuery.Position(refusedAt: at, sequence: sequence, record: record, stream: stream)
        self.reason = reason
        self.explanation = explanation
        message = try? RawMessageView(decoding: envelope)
    }
}
