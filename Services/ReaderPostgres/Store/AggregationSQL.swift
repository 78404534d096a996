// SPDX-License-Identifier: Apache-2.0
import Core
import Postgres

/// The statements of one aggregation.
///
/// The rows of a page: when the interval begins, name, thing, how many records, and then the number, or for the first and last record its columns.
struct AggregationSQL {
    let query: AggregationQuery
    /// The intervals that the page can lie in.
    private let window: Buckets

    init(query: AggregationQuery) {
        self.query = query
        var window = query.buckets
        // Each interval with gaps has at least one row, so the page cannot reach further than this.
        let maximum: Int64 = query.listsGaps ? Int64(clamping: query.limit + (query.start.offset ?? 0)) + 2 : .max
        switch (query.direction, query.start) {
        case (.descending, .offset): window = window.through(window.last, maximum: maximum)
        case (.descending, .after(let position)): window = window.through(position.bucket, maximum: maximum)
        case (.ascending, .offset): window = window.from(window.first, maximum: maximum)
        case (.ascending, .after(let position)): window = window.from(position.bucket, maximum: maximum)
        }
        self.window = window
    }

    /// One more than asked for, to know whether more follow; see ``SizedPage``.
    var page: SQL {
        let rows: SQL = """
            SELECT bucket, name, publisher, count, number, place, unit
            FROM (\(query.listsGaps ? withGaps : summary(window))) AS summed
            WHERE true\(start) ORDER BY \(order) LIMIT \(query.limit + 1) OFFSET \(query.start.offset ?? 0)
            """
        guard query.function == .first || query.function == .last else {
            return """
                SELECT bucket, name, publisher, count, number, unit, false AS is_followed FROM (\(rows)) AS page
                ORDER BY \(order)
                """
        }
        let filter = FilterSQL(filter: query.filter)
        let found: SQL = """
            SELECT bucket, page.name, page.publisher, count, chosen.* FROM (\(rows)) AS page LEFT JOIN LATERAL (
                SELECT time, unit, value, string_value, bool_value, data_value, sum, update_time FROM senml AS chosen
                WHERE \(filter.selection) AND chosen.name = page.name COLLATE "C" AND time = page.place[1]
                    AND sequence = page.place[2] AND record = page.place[3]::integer LIMIT 1) AS chosen ON true
            """
        return SizedPage.cut(found, size: SizedPage.recordSize, order: order, bytes: MessageQuery.maximumBytes)
    }

    /// How many rows the list has, up to ``MessageListing/maximumTotal``, or what its gaps fill it up to.
    var count: SQL {
        query.listsGaps
            ? "SELECT count(*) * \(query.buckets.count) FROM (\(groups)) AS groups"
            : """
            SELECT count(*) FROM (SELECT 1 FROM (\(records(query.buckets))) AS records GROUP BY \(keys)
                LIMIT \(MessageListing.maximumTotal)) AS counted
            """
    }

    // MARK: Parts

    private var keys: SQL { query.grouping == .publisher ? "bucket, name, publisher" : "bucket, name" }

    /// The records in these intervals, each with its own.
    private func records(_ buckets: Buckets) -> SQL {
        var filter = query.filter
        let (end, overflow) = buckets.last.addingReportingOverflow(buckets.width)
        filter.from = max(filter.from ?? .min, buckets.first)
        filter.to = min(filter.to ?? .max, overflow ? .max : end)
        let first = query.buckets.first
        return """
            SELECT \(first) + (time - \(first)) / \(buckets.width) * \(buckets.width) AS bucket,
                name, publisher, value, unit, time, sequence, record
            FROM senml WHERE \(FilterSQL(filter: filter).conditions)\(onlyNumbers)
            """
    }

    private var onlyNumbers: SQL { query.function.isNumeric ? " AND value IS NOT NULL" : "" }

    private func summary(_ buckets: Buckets) -> SQL {
        let publisher: SQL = query.grouping == .publisher ? "publisher" : "NULL::uuid AS publisher"
        return """
            SELECT bucket, name, \(publisher), count(*) AS count, \(number) AS number, \(place) AS place,
                CASE WHEN min(unit COLLATE "C") = max(unit COLLATE "C") THEN min(unit COLLATE "C") END AS unit
            FROM (\(records(buckets))) AS records GROUP BY \(keys)
            """
    }

    private var number: SQL {
        switch query.function {
        case .average: "avg(value)"
        case .minimum: "min(value)"
        case .maximum: "max(value)"
        case .sum: "sum(value)"
        case .count: "count(*)::double precision"
        case .first, .last: "NULL::double precision"
        }
    }

    /// Where the record stands that is meant: its values are fetched for the rows of the page only.
    private var place: SQL {
        switch query.function {
        case .first: "min(ARRAY[time, sequence, record::bigint])"
        case .last: "max(ARRAY[time, sequence, record::bigint])"
        default: "NULL::bigint[]"
        }
    }

    /// The names, and things, that have records between the bounds.
    private var groups: SQL {
        let columns: SQL = query.grouping == .publisher ? "name, publisher" : "name, NULL::uuid AS publisher"
        return "SELECT DISTINCT \(columns) FROM senml WHERE \(FilterSQL(filter: query.filter).conditions)\(onlyNumbers)"
    }

    private var withGaps: SQL {
        let same: SQL = query.grouping == .publisher ? " AND summed.publisher = groups.publisher" : ""
        return """
            SELECT times.bucket, groups.name, groups.publisher, coalesce(summed.count, 0) AS count, summed.number,
                summed.place, summed.unit
            FROM generate_series(\(window.first), \(window.last), \(window.width)) AS times (bucket)
            CROSS JOIN (\(groups)) AS groups LEFT JOIN (\(summary(window))) AS summed
                ON summed.bucket = times.bucket AND summed.name = groups.name\(same)
            """
    }

    private var start: SQL {
        guard case .after(let position) = query.start else { return "" }
        let behind: SQL =
            if let publisher = position.publisher {
                "(name COLLATE \"C\", publisher) > (\(position.name) COLLATE \"C\", \(publisher))"
            } else {
                "name > \(position.name) COLLATE \"C\""
            }
        return query.direction == .descending
            ? " AND (bucket < \(position.bucket) OR bucket = \(position.bucket) AND \(behind))"
            : " AND (bucket > \(position.bucket) OR bucket = \(position.bucket) AND \(behind))"
    }

    private var order: SQL {
        query.direction == .descending
            ? "bucket DESC, name COLLATE \"C\", publisher" : "bucket, name COLLATE \"C\", publisher"
    }
}
