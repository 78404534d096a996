// SPDX-License-Identifier: Apache-2.0
import Core
import Postgres

/// The statements of one list of dead letters.
struct DeadLetterSQL {
    let query: DeadLetterQuery

    /// One more than asked for, to know whether more follow; see ``SizedPage``.
    var page: SQL {
        let rows: SQL = """
            SELECT at, sequence, record, stream, reason, message, envelope FROM dead_letters
            WHERE \(conditions)\(start) ORDER BY \(order) LIMIT \(query.limit + 1) OFFSET \(query.start.offset ?? 0)
            """
        return SizedPage.cut(rows, size: "octet_length(envelope)", order: order, bytes: MessageQuery.maximumBytes)
    }

    /// How many match, up to ``MessageListing/maximumTotal``.
    var count: SQL {
        """
        SELECT count(*) FROM (SELECT 1 FROM dead_letters WHERE \(conditions)
            LIMIT \(MessageListing.maximumTotal)) AS counted
        """
    }

    private var conditions: SQL {
        var conditions: [SQL] = ["channel = \(query.channel)"]
        if let sequence = query.sequence { conditions.append("sequence = \(sequence)") }
        if let reason = query.reason { conditions.append("reason = \(reason)") }
        if let publisher = query.publisher { conditions.append("publisher = \(publisher)") }
        if let from = query.from { conditions.append("at >= \(from)") }
        if let to = query.to { conditions.append("at < \(to)") }
        return .joined(conditions, separator: " AND ")
    }

    private var start: SQL {
        guard case .after(let last) = query.start else { return "" }
        let place: SQL = "(\(last.refusedAt), \(last.sequence), \(last.record), \(last.stream))"
        return query.direction == .descending
            ? " AND (at, sequence, record, stream) < \(place)" : " AND (at, sequence, record, stream) > \(place)"
    }

    private var order: SQL {
        query.direction == .descending
            ? "at DESC, sequence DESC, record DESC, stream DESC" : "at, sequence, record, stream"
    }
}
