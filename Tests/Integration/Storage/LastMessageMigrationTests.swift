// SPDX-License-Identifier: Apache-2.0
import Core
import Messaging
import NIOCore
import Postgres
import TestKit
import Testing

@testable import ReaderPostgres
@testable import WriterPostgres

/// Messages that were there before their last ones were pointed to, and the plans of the two statements.
@Suite struct LastMessageMigrationTests {
    private static let channel = ChannelID.new()
    private static let today = Day(number: 20_000)
    private static let days = 40

    private static func emptyDatabase() async throws -> PostgresPool {
        PostgresPool(
            configuration: PostgresConfiguration(
                url: try await PostgresCluster.shared().createDatabase(), schema: "messages", maximumConnections: 1,
                acquireTimeout: .seconds(30), statementTimeout: .seconds(120)), logger: quiet)
    }

    @Test func oldMessagesArePointedTo() async throws {
        let pool = try await Self.emptyDatabase()
        defer { pool.close() }
        try await pool.migrate(Array(MessageMigrations.all.prefix(4)))
        let start = Self.today.start
        // Two records of one message, the first of them by time the second in the pack; older ones before; in two channels.
        try await pool.execute(
            """
            INSERT INTO senml (time, sequence, record, channel, domain, publisher, subtopic, protocol, name, value)
            SELECT \(start) + t, s, r, \(Self.channel), md5('d')::uuid, md5('p')::uuid, topic, 'http', 'n', v
            FROM (VALUES (0::bigint, 1::bigint, 0, '', 1), (9, 5, 0, '', 2), (7, 5, 1, '', 3), (100, 4, 0, '', 4),
                (3, 6, 0, 'a.b', 5), (3, 2, 0, 'c', 6)) AS given (t, s, r, topic, v)
            """)
        try await pool.execute(
            """
            INSERT INTO json (created, sequence, channel, domain, publisher, subtopic, protocol, payload)
            VALUES (\(start), 7, \(Self.channel), md5('d')::uuid, md5('p')::uuid, 'a.b', 'http', '{"a": 1}')
            """)
        try await pool.execute(
            """
            INSERT INTO blobs (created, sequence, channel, domain, publisher, subtopic, protocol, content_type, payload)
            VALUES (\(start + 1), 1, \(Self.channel), md5('d')::uuid, md5('p')::uuid, 'c', 'http', 'image/x', '\\x01'),
                (\(start + 2), 1, \(Self.channel), md5('d')::uuid, md5('p')::uuid, 'd', 'http', 'image/x', '\\x02')
            """)
        try await pool.migrate(MessageMigrations.all)
        let store = PostgresMessageStore(pool: pool, clock: WallClock { start })
        var found: [String: String] = [:]
        for subtopic in ["", "a.b", "c", "d"] {
            let message = try #require(try await store.lastMessage(channel: Self.channel, subtopic: subtopic))
            found[subtopic] = "\(message.sequence) \(message.created - start) \(String(buffer: message.payload))"
        }
        let seconds = start / 1_000_000_000
        #expect(
            found == [
                "":
                    #"5 9 [{"n":"n","t":\#(seconds).000000007,"v":3},{"n":"n","t":\#(seconds).000000009,"v":2}]"#,
                "a.b": #"7 0 {"a": 1}"#, "c": #"2 3 [{"n":"n","t":\#(seconds).000000003,"v":6}]"#, "d": "1 2 \u{2}",
            ])
    }

    /// One descent of the key, then one partition, however many resources, partitions and records there are.
    @Test func indexesServeBothStatements() async throws {
        let pool = try await Self.filledTables()
        defer { pool.close() }
        let statement = LastMessageSQL(channel: Self.channel, subtopic: "s.7")
        for kind in QueryPlan.Kind.allCases {
            let plan = try await pool.withConnection { try await QueryPlan.of(statement.place, kind, on: $0) }
            #expect(plan.nodes.map(\.type) == ["Index Scan"], "\(kind)")
            #expect(plan.indexes == ["last_messages_pkey"], "\(kind)")
        }
        for format in MessageFilter.Format.allCases {
            let time = Self.today.start + 5_000_000_000
            let place = LastMessageSQL.Place(sequence: 77_777, created: time, format: format, times: time...time)
            let plan = try await pool.withConnection {
                try await QueryPlan.of(statement.rows(place), .custom, on: $0)
            }
            #expect(plan.types.isSubset(of: ["Limit", "Index Scan", "Result"]), "\(plan.types) \(format)")
            #expect(plan.indexes.count == 1, "\(plan.indexes) \(format)")
            let name = format == .messages ? "senml_p" : format == .json ? "json_p" : "blobs_p"
            #expect(plan.indexes.allSatisfy { $0.hasPrefix(name) && $0.contains("_channel_") }, "\(plan.indexes)")
        }
    }

    /// A pack whose records are weeks apart: by the ranges of pages that have its number, not through everything of the channel between them.
    @Test func recordsFarApartAreFoundByTheirNumber() async throws {
        let pool = try await Self.filledTables()
        defer { pool.close() }
        let place = LastMessageSQL.Place(
            sequence: 77_777, created: Self.today.start, format: .messages,
            times: Self.today.advanced(by: -30).start...(Self.today.start - 1))
        let plan = try await pool.withConnection {
            try await QueryPlan.of(
                LastMessageSQL(channel: Self.channel, subtopic: "s.7").rows(place), .custom, on: $0)
        }
        #expect(!plan.indexes.isEmpty)
        #expect(plan.indexes.allSatisfy { $0.contains("_sequence_idx") }, "\(plan.indexes)")
    }

    /// Forty days, one channel that has most of the records, and as many resources as records.
    private static func filledTables() async throws -> PostgresPool {
        let pool = try await emptyDatabase()
        try await pool.migrate(MessageMigrations.all)
        let days = Set((1 - Self.days...0).map { today.advanced(by: $0) })
        try await Partitions(
            pool: pool, pastDays: 92, clock: WallClock { today.start }, logger: quiet
        ).ensure(Dictionary(uniqueKeysWithValues: MessageTable.allCases.map { ($0, days) }))
        let start = today.advanced(by: 1 - Self.days).start
        let step = Int64(Self.days) * Day.nanoseconds / 200_000
        try await pool.execute(
            """
            INSERT INTO senml (time, sequence, record, channel, domain, publisher, subtopic, protocol, name, value)
            SELECT \(start) + i * \(step), i, 0,
                CASE WHEN i % 5 < 4 THEN \(channel) ELSE md5('c' || i / 5 % 1000)::uuid END, md5('d')::uuid,
                md5('p')::uuid, 's.' || i % 100, 'http', 'n', i
            FROM generate_series(0::bigint, 199999) AS i
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
        try await pool.execute(
            """
            INSERT INTO last_messages
            SELECT md5('c' || i)::uuid, 's', i, i, 'json', i, i FROM generate_series(1::bigint, 100000) AS i
            """)
        try await pool.withConnection { _ = try await $0.executeScript("VACUUM ANALYZE") }
        try await QueryPlan.install(in: pool)
        return pool
    }
}
