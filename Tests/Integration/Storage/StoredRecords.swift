// SPDX-License-Identifier: Apache-2.0
import Core
import NIOCore
import Postgres
import TestKit

@testable import ReaderPostgres
@testable import WriterPostgres

/// Records in a database of their own, by the writer's tables and partitions, and the same ones in memory to compare with.
struct StoredRecords {
    /// 2024-10-04, midnight.
    static let today = Day(number: 20_000)

    let pool: PostgresPool
    let store: PostgresMessageStore
    let channel = ChannelID.new()
    private(set) var all: [StoredMessage] = []

    /// - Parameter statementTimeout: after which the server ends a statement.
    static func make(statementTimeout: Duration = .seconds(60)) async throws -> StoredRecords {
        let pool = PostgresPool(
            configuration: PostgresConfiguration(
                url: try await PostgresCluster.shared().createDatabase(), schema: "messages", maximumConnections: 4,
                acquireTimeout: .seconds(30), statementTimeout: statementTimeout), logger: quiet)
        try await pool.migrate(MessageMigrations.all)
        let clock = WallClock { today.start + Day.nanoseconds / 2 }
        let days = Set((-3...0).map { today.advanced(by: $0) })
        try await Partitions(pool: pool, pastDays: 92, clock: clock, logger: quiet).ensure(
            Dictionary(uniqueKeysWithValues: MessageTable.allCases.map { ($0, days) }))
        return StoredRecords(pool: pool, store: PostgresMessageStore(pool: pool, clock: clock))
    }

    private init(pool: PostgresPool, store: PostgresMessageStore) {
        self.pool = pool
        self.store = store
    }

    func close() { pool.close() }

    /// Stores records as they are; their sequences are given here.
    mutating func add(_ records: [StoredMessage]) async throws {
        for record in records {
            var record = record
            record.position.sequence = Int64(all.count + 1)
            guard case .senml(let content) = record.content else { continue }
            try await pool.execute(
                """
                INSERT INTO senml (time, sequence, record, channel, domain, publisher, subtopic, protocol, name, unit, value,
                    string_value, bool_value, data_value, sum, update_time)
                VALUES (\(record.position.time), \(record.position.sequence), \(record.position.record), \(channel),
                    \(channel.description)::uuid, \(record.publisher), \(record.subtopic), \(record.transport),
                    \(content.name), \(content.unit as String?), \(content.value as Double?), \(content.stringValue as String?), \(content.boolValue as Bool?),
                    \(content.dataValue.map { ByteBuffer(bytes: $0) } as ByteBuffer?), \(content.sum as Double?), \(content.updateTime as Double?))
                """)
            all.append(record)
        }
    }

    func filter(from: Int64? = nil, to: Int64? = nil) -> MessageFilter {
        MessageFilter(channel: channel, from: from, to: to)
    }
}

extension StoredMessage {
    /// A record; its sequence comes when it is stored.
    static func make(
        _ name: String, time: Int64, unit: String? = nil, value: Double? = nil, text: String? = nil, flag: Bool? = nil,
        publisher: ThingID, subtopic: String = ""
    ) -> StoredMessage {
        StoredMessage(
            position: MessageQuery.Position(time: time, sequence: 0, record: 0), subtopic: subtopic,
            publisher: publisher, transport: "http",
            content: .senml(
                Record(
                    name: name, unit: unit, value: value, stringValue: text, boolValue: flag, dataValue: nil, sum: nil,
                    updateTime: nil)))
    }

    var record: Record? {
        guard case .senml(let record) = content else { return nil }
        return record
    }
}
