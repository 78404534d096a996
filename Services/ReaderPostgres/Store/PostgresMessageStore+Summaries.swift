// SPDX-License-Identifier: Apache-2.0
import Core
import Postgres

extension PostgresMessageStore {
    func aggregate(_ query: AggregationQuery) async throws(ServiceError) -> AggregationListing {
        let statement = AggregationSQL(query: query)
        let page = try await page(statement.page) { row throws(PostgresError) in
            try AggregatedValue(row, query.function)
        }
        let (values, hasMore) = try settle(page, limit: query.limit, byOffset: query.start.offset != nil)
        let total = try await total(
            found: values.count, hasMore: hasMore, offset: query.countsTotal ? query.start.offset : nil, statement.count
        )
        return AggregationListing(values: values, total: total, hasMore: hasMore)
    }

    func latest(_ query: LatestQuery) async throws(ServiceError) -> MessageListing {
        let statement = LatestSQL(query: query)
        let page = try await page(statement.page) { row throws(PostgresError) in try StoredMessage(row, .messages) }
        let (messages, hasMore) = try settle(page, limit: query.limit, byOffset: query.start.offset != nil)
        let total = try await total(
            found: messages.count, hasMore: hasMore, offset: query.countsTotal || !hasMore ? query.start.offset : nil,
            statement.count)
        return MessageListing(messages: messages, total: total, hasMore: hasMore)
    }
}

extension AggregatedValue {
    fileprivate init(_ row: PostgresRow, _ function: AggregationQuery.Function) throws(PostgresError) {
        position = AggregationQuery.Position(
            bucket: try row.decode(named: "bucket"), name: try row.decode(named: "name"),
            publisher: try row.decode(named: "publisher"))
        count = try row.decode(named: "count")
        unit = try row.decode(named: "unit")
        guard count > 0 else {
            content = nil
            return
        }
        switch function {
        case .average, .minimum, .maximum, .sum, .count:
            content = .number(try row.decode(named: "number"))
        case .first, .last:
            let record = StoredMessage.Record(
                name: position.name, unit: unit, value: try row.decode(named: "value"),
                stringValue: try row.decode(named: "string_value"), boolValue: try row.decode(named: "bool_value"),
                dataValue: try row.decode([UInt8]?.self, named: "data_value"), sum: try row.decode(named: "sum"),
                updateTime: try row.decode(named: "update_time"))
            content = .record(record, time: try row.decode(named: "time"))
        }
    }
}
