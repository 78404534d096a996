// SPDX-License-Identifier: Apache-2.0
import Core
import HTTPKit

extension DeadLetterQuery {
    /// - Parameter unit: what `from` and `to` are counted in.
    /// - Throws: `malformed`, naming the parameter.
    init(channel: ChannelID, _ query: QueryParameters, _ unit: TimeUnit) throws(ServiceError) {
        self.init(channel: channel)
        sequence = try query.sequence()
        reason = query["reason"]
        publisher = try query.identifier("publisher")
        from = try unit.time("from", query)
        to = try unit.time("to", query)
        direction = try query.choice("dir") ?? .descending
        countsTotal = try query.boolean("total") ?? false
        let page = try PageRequest(query, maximumLimit: MessageQuery.maximumLimit)
        limit = page.limit
        switch page.start {
        case .offset(let offset): start = .offset(offset)
        case .after(let text): start = .after(try Position(cursor: text))
        }
    }
}

extension DeadLetterQuery.Position {
    /// Reads what ``cursor`` wrote.
    init(cursor text: String) throws(ServiceError) {
        let parts = text.split(separator: ".", omittingEmptySubsequences: false)
        guard parts.count == 4, let refusedAt = Int64(parts[0]), let sequence = Int64(parts[1]),
            let record = Int32(parts[2]), let stream = StreamID(String(parts[3]))
        else { throw ServiceError.foreignCursor }
        self.init(refusedAt: refusedAt, sequence: sequence, record: record, stream: stream)
    }

    var cursor: String { PageRequest.encodeCursor("\(refusedAt).\(sequence).\(record).\(stream)") }
}
