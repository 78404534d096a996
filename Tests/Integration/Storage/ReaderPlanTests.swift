// SPDX-License-Identifier: Apache-2.0
import Core
import Postgres
import TestKit
import Testing

@testable import ReaderPostgres
@testable import WriterPostgres

/// The reader's very statements on a filled table: what an index is there for is served by it, in its order, whatever plan the server has come to.
///
/// Shapes only: times are in `Services/ReaderPostgres/README.md`.
@Suite struct ReaderPlanTests {
    /// 2024-10-04, midnight.
    private static let today = Day(number: 20_000)
    private static let channel = ChannelID.new()
    private static let publisher = ThingID.new()

    @Test func indexesServeWhatTheyAreThereFor() async throws {
        let pool = try await Self.filledTables()
        defer { pool.close() }
        for query in Self.served {
            let index =
                switch (query.filter.format, query.filter.name, query.filter.publisher) {
                case (.messages, nil, _): "_channel_time_"
                case (.messages, _, _): "_channel_name_"
                case (_, _, nil): "_channel_created_"
                default: "_channel_publisher_"
                }
            for kind in QueryPlan.Kind.allCases {
                let plan = try await pool.withConnection {
                    try await QueryPlan.of(MessageSQL(query: query).page(), kind, on: $0)
                }
                #expect(
                    plan.types.isSubset(of: Self.ordered),
                    "\(kind) \(query)")
                #expect(!plan.indexes.isEmpty, "\(kind) \(query)")
                #expect(plan.indexes.allSatisfy { $0.contains(index) }, "\(plan.indexes) \(kind) \(query)")
                // Half an hour is in one partition; where the values are known only at execution, the others are left out then.
                if query.filter.from != nil { #expect(plan.indexes.count == 1, "\(kind) \(query)") }
            }
        }
    }

    @Test func countingEndsSomewhere() async throws {
        let pool = try await Self.filledTables()
        defer { pool.close() }
        for format in MessageFilter.Format.allCases {
            for kind in QueryPlan.Kind.allCases {
                let query = MessageQuery(filter: MessageFilter(channel: Self.channel, format: format))
                let plan = try await pool.withConnection {
                    try await QueryPlan.of(MessageSQL(query: query).count, kind, on: $0)
                }
                #expect(plan.nodes.prefix(2).map(\.type) == ["Aggregate", "Limit"], "\(kind) \(format)")
                #expect(plan.types.isDisjoint(with: ["Sort", "Incremental Sort"]), "\(kind) \(format)")
            }
        }
        for kind in QueryPlan.Kind.allCases {
            let named = MessageQuery(filter: MessageFilter(channel: Self.channel, name: "sensor-7"))
            let plan = try await pool.withConnection {
                try await QueryPlan.of(MessageSQL(query: named).count, kind, on: $0)
            }
            #expect(plan.types == ["Aggregate", "Limit", "Append", "Index Only Scan"], "\(kind)")
            #expect(plan.indexes.allSatisfy { $0.contains("_channel_name_") }, "\(kind)")
        }
    }

    /// A message by its number, of a channel that has most of the records: by ranges of pages, not through the channel.
    @Test func aNumberIsFoundByRangesOfPages() async throws {
        let pool = try await Self.filledTables()
        defer { pool.close() }
        for format in MessageFilter.Format.allCases {
            let query = MessageQuery(filter: MessageFilter(channel: Self.channel, format: format, sequence: 77_777))
            let plan = try await pool.withConnection {
                try await QueryPlan.of(MessageSQL(query: query).page(), .custom, on: $0)
            }
            #expect(plan.indexes.allSatisfy { $0.contains("_sequence_idx") }, "\(plan.indexes) \(format)")
            // In each day and the default partition.
            #expect(plan.indexes.count == 5, "\(plan.indexes) \(format)")
        }
    }

    /// From name to name, and one record of each: no step that goes through all records.
    @Test func theLatestOfEachNameIsFoundByHops() async throws {
        let pool = try await Self.filledTables()
        defer { pool.close() }
        var queries = [LatestQuery(filter: MessageFilter(channel: Self.channel))]
        queries.append(queries[0])
        queries[1].start = .after("sensor-3")
        queries.append(queries[0])
        queries[2].filter.from = Self.today.start
        for query in queries {
            for kind in QueryPlan.Kind.allCases {
                let plan = try await pool.withConnection {
                    try await QueryPlan.of(LatestSQL(query: query).page, kind, on: $0)
                }
                #expect(
                    plan.types.isDisjoint(with: ["Seq Scan", "Bitmap Heap Scan", "Hash Join", "Incremental Sort"]),
                    "\(kind)")
                #expect(!plan.indexes.isEmpty)
                #expect(plan.indexes.allSatisfy { $0.contains("_channel_name_") }, "\(plan.indexes) \(kind)")
                // Of the page that was found, and nothing else.
                let sorts = plan.nodes.filter { $0.type == "Sort" }
                #expect(sorts.count <= 1)
                #expect(sorts.allSatisfy { $0.all.contains { $0.type == "Limit" } })
            }
        }
    }

    /// What an index in its order needs, and the cut by bytes on top of it.
    private static let ordered: Set = [
        "Limit", "Merge Append", "Append", "Index Scan", "Result", "Subquery Scan", "WindowAgg",
    ]

    /// Every form that has an index: newest and oldest, first page, by offset, by cursor, between two times; all, of one name, of one thing.
    private static var served: [MessageQuery] {
        var queries: [MessageQuery] = []
        let inside = today.start + Day.nanoseconds / 2
        for format in MessageFilter.Format.allCases {
            for direction in MessageQuery.Direction.allCases {
                var plain = MessageQuery(filter: MessageFilter(channel: channel, format: format))
                plain.direction = direction
                var selected = plain
                if format == .messages {
                    selected.filter.name = "sensor-7"
                } else {
                    selected.filter.publisher = publisher
                }
                for query in [plain, selected] {
                    var byOffset = query
                    byOffset.start = .offset(100)
                    var byCursor = query
                    byCursor.start = .after(MessageQuery.Position(time: inside, sequence: 7, record: 0))
                    var between = query
                    between.filter.from = inside
                    between.filter.to = inside + 1_800_000_000_000
                    queries += [query, byOffset, byCursor, between]
                }
                if format == .messages {
                    var valued = selected
                    valued.filter.value = 500
                    valued.filter.comparator = .greaterOrEqual
                    queries.append(valued)
                }
            }
        }
        return queries
    }

    /// Four days and rows with wrong clocks, in one big channel and a thousand small ones.
    private static func filledTables() async throws -> PostgresPool {
        let pool = PostgresPool(
            configuration: PostgresConfiguration(
                url: try await PostgresCluster.shared().createDatabase(), schema: "messages", maximumConnections: 1,
                acquireTimeout: .seconds(30), statementTimeout: .seconds(120)), logger: quiet)
        try await pool.migrate(MessageMigrations.all)
        let days = Set((-3...0).map { today.advanced(by: $0) })
        try await Partitions(
            pool: pool, pastDays: 92, clock: WallClock { today.start }, logger: quiet
        ).ensure(Dictionary(uniqueKeysWithValues: MessageTable.allCases.map { ($0, days) }))
        let start = today.advanced(by: -3).start
        // One row in forty has a time just behind 1970; the rest are spread over the days.
        try await pool.execute(
            """
            INSERT INTO senml (time, sequence, record, channel, domain, publisher, subtopic, protocol, name, value)
            SELECT CASE WHEN i % 40 = 0 THEN i ELSE \(start) + i * 2160000000 END, i, 0,
                CASE WHEN i % 5 < 4 THEN \(channel) ELSE md5('c' || i / 5 % 1000)::uuid END, md5('d')::uuid,
                CASE WHEN i / 7 % 50 = 0 THEN \(publisher) ELSE md5('p' || i / 7 % 50)::uuid END, '', 'http',
                'sensor-' || i / 7 % 50, i % 1000
            FROM generate_series(0::bigint, 159999) AS i
            """)
        try await pool.execute(
            """
            INSERT INTO json (created, sequence, channel, domain, publisher, subtopic, protocol, payload)
            SELECT time, sequence, channel, domain, publisher, subtopic, protocol, '{"a":1}' FROM senml
            """)
        try await pool.execute(
            """
            INSERT INTO blobs (created, sequence, channel, domain, publisher, subtopic, protocol, content_type, payload)
            SELECT time, sequence, channel, domain, publisher, subtopic, protocol, 'image/x', '\\x0102' FROM senml
            """)
        try await pool.withConnection { _ = try await $0.executeScript("VACUUM ANALYZE") }
        try await QueryPlan.install(in: pool)
        return pool
    }
}
