// SPDX-License-Identifier: Apache-2.0
import Core
import Postgres

/// The statements that find the last record of each name.
///
/// They hop over the index on names from one name to the next and look at one record of each, so it does not matter how many records there are.
struct LatestSQL {
    let query: LatestQuery

    /// One more than asked for, to know whether more follow; see ``SizedPage``.
    var page: SQL {
        // Names come out of `names` in their order, and there is only one way to join what depends on it: asking for an order would make
        // the server go through all names before the first one.
        let rows: SQL = """
            \(names) SELECT latest.* FROM names CROSS JOIN LATERAL (\(latest)) AS latest
            LIMIT \(query.limit + 1) OFFSET \(query.start.offset ?? 0)
            """
        return SizedPage.cut(
            rows, size: SizedPage.recordSize, order: "name COLLATE \"C\"", bytes: MessageQuery.maximumBytes)
    }

    var count: SQL {
        """
        \(names) SELECT count(*) FROM (SELECT 1 FROM names CROSS JOIN LATERAL (\(latest)) AS latest
            LIMIT \(MessageListing.maximumTotal)) AS counted
        """
    }

    private var latest: SQL {
        """
        SELECT \(StoredMessage.recordColumns) FROM senml
        WHERE \(FilterSQL(filter: query.filter).conditions) AND name = names.name COLLATE "C"
        ORDER BY time DESC, sequence DESC, record DESC LIMIT 1
        """
    }

    private var names: SQL {
        if let name = query.filter.name { return "WITH names AS (SELECT \(name)::text AS name\(single(name)))" }
        var start: SQL = ""
        if case .after(let name) = query.start { start = " AND name > \(name) COLLATE \"C\"" }
        return """
            WITH RECURSIVE hops AS (
                (SELECT name FROM senml WHERE channel = \(query.filter.channel)\(days)\(start) ORDER BY name COLLATE "C" LIMIT 1)
                UNION ALL
                SELECT (SELECT next.name FROM senml AS next WHERE channel = \(query.filter.channel)\(days)
                    AND next.name > hops.name COLLATE "C" ORDER BY next.name COLLATE "C" LIMIT 1)
                FROM hops WHERE hops.name IS NOT NULL),
            names AS (SELECT name FROM hops WHERE name IS NOT NULL)
            """
    }

    /// A list of one name has no second page.
    private func single(_ name: String) -> SQL {
        guard case .after(let last) = query.start else { return "" }
        return " WHERE \(name)::text > \(last) COLLATE \"C\""
    }

    /// Days that the bounds on time touch: whole partitions are left out by them, and within those that remain every record holds them, so
    /// that a hop need not pass over any.
    private var days: SQL {
        var conditions: SQL = ""
        if let from = query.filter.from { conditions = " AND time >= \(Self.startOfDay(from))" }
        if let to = query.filter.to {
            let (end, overflow) = Self.startOfDay(to).addingReportingOverflow(Self.day)
            if !overflow { conditions = "\(conditions) AND time < \(end)" }
        }
        return conditions
    }

    private static let day: Int64 = 86_400 * 1_000_000_000

    private static func startOfDay(_ time: Int64) -> Int64 {
        let rest = time % day
        let (start, overflow) = time.subtractingReportingOverflow(rest < 0 ? rest + day : rest)
        return overflow ? .min : start
    }
}
