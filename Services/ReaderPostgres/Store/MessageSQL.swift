// SPDX-License-Identifier: Apache-2.0
import Core
import Postgres

/// The statements of one list of messages.
struct MessageSQL {
    let query: MessageQuery
    private let filter: FilterSQL

    init(query: MessageQuery) {
        self.query = query
        filter = FilterSQL(filter: query.filter)
    }

    /// One more than asked for, to know whether more follow; see ``SizedPage``.
    /// - Parameter bound: what else must hold; see ``PageWindows``.
    func page(within bound: TimeBound? = nil) -> SQL {
        let found: SQL = """
            SELECT \(columns) FROM \(filter.table) WHERE \(filter.conditions)\(start)\(condition(bound))
            ORDER BY \(order) LIMIT \(query.limit + 1) OFFSET \(query.start.offset ?? 0)
            """
        // A document's text is made once, and not for what an offset passes over.
        let rows: SQL =
            query.filter.format == .json
            ? """
            SELECT created, sequence, record, subtopic, publisher, protocol, payload::text AS payload
            FROM (\(found)) AS found ORDER BY \(order) OFFSET 0
            """ : found
        return SizedPage.cut(rows, size: size, order: order, bytes: query.byteLimit)
    }

    /// How many match, up to ``MessageListing/maximumTotal``: a channel that holds a hundred times more costs no more.
    var count: SQL {
        """
        SELECT count(*) FROM (SELECT 1 FROM \(filter.table) WHERE \(filter.conditions)
            LIMIT \(MessageListing.maximumTotal)) AS counted
        """
    }

    /// The columns of a message, in the order in which `StoredMessage` reads them.
    private var columns: SQL {
        switch query.filter.format {
        case .messages: StoredMessage.recordColumns
        case .json: "created, sequence, 0 AS record, subtopic, publisher, protocol, payload"
        case .blobs: "created, sequence, 0 AS record, subtopic, publisher, protocol, content_type, payload"
        }
    }

    private var size: SQL {
        query.filter.format == .messages ? SizedPage.recordSize : "octet_length(payload)"
    }

    /// The bound on time says nothing new; by it the server leaves out whole partitions.
    private var start: SQL {
        guard case .after(let position) = query.start else { return "" }
        return switch (query.filter.format, query.direction) {
        case (.messages, .descending):
            """
             AND time <= \(position.time)
            AND (time, sequence, record) < (\(position.time), \(position.sequence), \(position.record))
            """
        case (.messages, .ascending):
            """
             AND time >= \(position.time)
            AND (time, sequence, record) > (\(position.time), \(position.sequence), \(position.record))
            """
        case (_, .descending):
            " AND created <= \(position.time) AND (created, sequence) < (\(position.time), \(position.sequence))"
        case (_, .ascending):
            " AND created >= \(position.time) AND (created, sequence) > (\(position.time), \(position.sequence))"
        }
    }

    private func condition(_ bound: TimeBound?) -> SQL {
        switch bound {
        case nil: ""
        case .notBefore(let time): " AND \(filter.time) >= \(time)"
        case .before(let time): " AND \(filter.time) < \(time)"
        }
    }

    /// Values that are not there come last, whichever way the list goes.
    private var order: SQL {
        let isAscending = query.direction == .ascending
        let column: SQL
        switch query.order {
        case .time, .created: return isAscending ? oldestFirst : newestFirst
        case .name: column = "name COLLATE \"C\""
        case .value: column = "value"
        case .stringValue: column = "string_value COLLATE \"C\""
        case .boolValue: column = "bool_value"
        case .dataValue: column = "data_value"
        case .unit: column = "unit COLLATE \"C\""
        case .publisher: column = "publisher"
        case .transport: column = "protocol COLLATE \"C\""
        case .subtopic: column = "subtopic COLLATE \"C\""
        }
        return isAscending
            ? "\(column) ASC NULLS LAST, \(newestFirst)" : "\(column) DESC NULLS LAST, \(newestFirst)"
    }

    private var newestFirst: SQL {
        query.filter.format == .messages ? "time DESC, sequence DESC, record DESC" : "created DESC, sequence DESC"
    }

    private var oldestFirst: SQL {
        query.filter.format == .messages ? "time, sequence, record" : "created, sequence"
    }
}
