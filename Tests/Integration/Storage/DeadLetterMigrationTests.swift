// SPDX-License-Identifier: Apache-2.0
import Core
import Messaging
import NIOCore
import Postgres
import TestKit
import Testing

@testable import ReaderPostgres
@testable import WriterPostgres

/// Letters that were there before they were public, and the plans of their list.
@Suite struct DeadLetterMigrationTests {
    private static let channel = ChannelID.new()
    private static let publisher = ThingID.new()

    private static func emptyDatabase() async throws -> PostgresPool {
        PostgresPool(
            configuration: PostgresConfiguration(
                url: try await PostgresCluster.shared().createDatabase(), schema: "messages", maximumConnections: 1,
                acquireTimeout: .seconds(30), statementTimeout: .seconds(60)), logger: quiet)
    }

    @Test func oldLettersGetTheirChannelAndPublisher() async throws {
        let pool = try await Self.emptyDatabase()
        defer { pool.close() }
        try await pool.migrate(Array(MessageMigrations.all.prefix(2)))
        var expected: [(channel: ChannelID?, publisher: ThingID?)] = []
        // Lengths on both sides of what one and two bytes of length hold.
        for subtopic in ["", "a", "x\u{24}", String(repeating: "s", count: 127), String(repeating: "s", count: 300)] {
            var envelope = ByteBuffer()
            RawMessage(
                domain: .new(), channel: Self.channel, subtopic: subtopic, publisher: Self.publisher, transport: .http,
                contentType: .json, created: 1, payload: ByteBuffer(string: "x")
            ).encode(into: &envelope)
            try await Self.insert(
                envelope, subject: Subjects.messages(channel: Self.channel, subtopic: subtopic), expected.count, pool)
            expected.append((Self.channel, Self.publisher))
        }
        let garbage: [[UInt8]] = [[], [7], Array(repeating: 0xFF, count: 500)]
        for bytes in garbage {
            try await Self.insert(
                ByteBuffer(bytes: bytes), subject: Subjects.messages(channel: Self.channel), expected.count, pool)
            expected.append((Self.channel, nil))
        }
        // As long as one can be, and cut off where the publisher should stand.
        var head = ByteBuffer()
        RawMessage(
            domain: .new(), channel: Self.channel, subtopic: "", publisher: Self.publisher, transport: .http,
            contentType: .json, created: 1, payload: ByteBuffer()
        ).encode(into: &head)
        var cut = try #require(head.getSlice(at: 0, length: 76))
        cut.writeBytes([0x1A, 0xFF, 0xFF] + Array(repeating: 0x24, count: 60))
        try await Self.insert(cut, subject: "channels.test", expected.count, pool)
        expected.append((nil, nil))

        try await pool.migrate(MessageMigrations.all)
        let rows = try await pool.execute("SELECT channel, publisher FROM dead_letters ORDER BY sequence")
        #expect(rows.count == expected.count)
        for (row, expected) in zip(rows, expected) {
            #expect(try row.decode(ChannelID?.self, at: 0) == expected.channel)
            #expect(try row.decode(ThingID?.self, at: 1) == expected.publisher)
        }
    }

    private static func insert(
        _ envelope: ByteBuffer, subject: String, _ sequence: Int, _ pool: PostgresPool
    ) async throws {
        try await pool.execute(
            """
            INSERT INTO dead_letters (stream, sequence, record, reason, message, subject, envelope, at)
            VALUES (\(StreamID.new()), \(sequence), -1, 'r', 'm', \(subject), \(envelope), 1)
            """)
    }

    /// However many letters there are, of this channel and of others.
    @Test func indexesServeTheList() async throws {
        let pool = try await Self.emptyDatabase()
        defer { pool.close() }
        try await pool.migrate(MessageMigrations.all)
        try await pool.execute(
            """
            INSERT INTO dead_letters (stream, sequence, record, reason, message, subject, envelope, at, channel, publisher)
            SELECT md5('s')::uuid, i, -1, 'null-character', 'm', 'channels.x', '\\x00', i / 10,
                CASE WHEN i % 20 = 0 THEN \(Self.channel) ELSE md5('c' || i % 1000)::uuid END, md5('p')::uuid
            FROM generate_series(1::bigint, 60000) AS i
            """)
        try await pool.withConnection { _ = try await $0.executeScript("VACUUM ANALYZE dead_letters") }
        try await QueryPlan.install(in: pool)
        for direction in MessageQuery.Direction.allCases {
            var plain = DeadLetterQuery(channel: Self.channel, direction: direction)
            plain.limit = 100
            var behind = plain
            behind.start = .after(.init(refusedAt: 3_000, sequence: 30_000, record: -1, stream: .new()))
            var between = plain
            between.from = 1_000
            between.to = 4_000
            for query in [plain, behind, between] {
                for kind in QueryPlan.Kind.allCases {
                    let plan = try await pool.withConnection {
                        try await QueryPlan.of(DeadLetterSQL(query: query).page, kind, on: $0)
                    }
                    #expect(plan.indexes == ["dead_letters_channel_at"], "\(kind) \(query)")
                    #expect(!plan.types.contains("Sort"), "\(kind) \(query)")
                }
            }
            var single = plain
            single.sequence = 30_000
            let plan = try await pool.withConnection {
                try await QueryPlan.of(DeadLetterSQL(query: single).page, .custom, on: $0)
            }
            #expect(plan.indexes == ["dead_letters_channel_sequence"], "\(plan.indexes)")
        }
    }
}
