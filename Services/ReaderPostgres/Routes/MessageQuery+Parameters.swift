// SPDX-License-Identifier: Apache-2.0
import Core
import HTTPKit

extension MessageQuery {
    /// - Throws: `malformed`, naming the parameter.
    init(channel: ChannelID, _ query: QueryParameters, _ unit: TimeUnit) throws(ServiceError) {
        self.init(filter: try MessageFilter(channel: channel, query, unit))
        for name in ["interval", "group", "gaps"] where query[name] != nil {
            throw ServiceError(.malformed, reason: "invalid-parameter", "'\(name)' goes with 'aggregation' only")
        }
        order = try query.choice("order") ?? .time
        direction = try query.choice("dir") ?? .descending
        countsTotal = try query.boolean("total") ?? true
        let page = try PageRequest(query, maximumLimit: Self.maximumLimit)
        limit = page.limit
        switch page.start {
        case .offset(let offset): start = .offset(offset)
        case .after(let text):
            guard order.isByTime else {
                throw ServiceError(
                    .malformed, reason: "invalid-parameter",
                    "only a list by time has a 'cursor'; 'order=\(order.rawValue)' is paged by 'offset'")
            }
            start = .after(try Position(cursor: text))
        }
        guard filter.format == .messages || !order.isOfRecords else {
            throw ServiceError(
                .malformed, reason: "invalid-parameter",
                "'order=\(order.rawValue)' sorts SenML records, not format '\(filter.format.rawValue)'")
        }
    }
}

extension MessageQuery.Position {
    /// Reads what ``cursor`` wrote.
    init(cursor text: String) throws(ServiceError) {
        let parts = text.split(separator: ".", omittingEmptySubsequences: false)
        guard parts.count == 3, let time = Int64(parts[0]), let sequence = Int64(parts[1]), let record = Int32(parts[2])
        else { throw ServiceError.foreignCursor }
        self.init(time: time, sequence: sequence, record: record)
    }

    var cursor: String { PageRequest.encodeCursor("\(time).\(sequence).\(record)") }
}

extension ServiceError {
    static let foreignCursor = ServiceError(
        .malformed, reason: "invalid-parameter", "'cursor' is not one that this list gave")
}
