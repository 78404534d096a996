// SPDX-License-Identifier: Apache-2.0
import Bus
import Core
import Logging
import Messaging
import NIOCore
import Observability
import Postgres
import TestKit

@testable import WriterPostgres

/// A writer on a scripted stream and a real database.
struct WriterFixture {
    let bus: ScriptedBus
    let pool: PostgresPool
    let metrics: WriterMetrics
    let configuration: WriterConfiguration
    let clock: WallClock
    let channel = ChannelID.new()
    let thing = ThingID.new()
    let domain = DomainID.new()

    /// Runs `body` beside the writer.
    static func run(
        url: String? = nil, clock: WallClock = .system, starting: Bool = true,
        configuration: WriterConfiguration = WriterConfiguration(), _ body: (WriterFixture) async throws -> Void
    ) async throws {
        let target: String
        if let url { target = url } else { target = try await PostgresCluster.shared().createDatabase() }
        let pool = PostgresPool(
            configuration: PostgresConfiguration(url: target, schema: "messages", acquireTimeout: .seconds(5)),
            logger: quiet)
        defer { pool.close() }
        let fixture = WriterFixture(
            bus: ScriptedBus(), pool: pool, metrics: WriterMetrics(registry: MetricsRegistry(), clock: clock),
            configuration: configuration, clock: clock)
        try await fixture.eventually {
            do {
                try await pool.migrate(MessageMigrations.all)
                return true
            } catch let error as PostgresError where error.isRetriable {
                return false
            }
        }
        let writer = starting ? fixture.startWriter() : nil
        do {
            try await body(fixture)
        } catch {
            writer?.cancel()
            await writer?.value
            throw error
        }
        writer?.cancel()
        await writer?.value
    }

    /// Another writer process on the same stream and database, as far as the database can tell.
    func startWriter() -> Task<Void, Never> {
        let writer = Writer(
            bus: bus, pool: pool, configuration: configuration, metrics: metrics, clock: clock, logger: quiet)
        return Task { await writer.run() }
    }

    /// One message's wire form.
    func message(_ contentType: ContentType, _ payload: ByteBuffer, created: Int64? = nil, subtopic: String = "room.1")
        -> ByteBuffer
    {
        var buffer = ByteBuffer()
        RawMessage(
            domain: domain, channel: channel, subtopic: subtopic, publisher: thing, transport: .http,
            contentType: contentType, created: created ?? clock.now(), payload: payload
        ).encode(into: &buffer)
        return buffer
    }

    /// A SenML message with one numbered reading.
    func reading(_ number: Int, time: Int64? = nil) -> ByteBuffer {
        let time = Double(time ?? clock.now()) / 1e9
        return message(.senmlJSON, ByteBuffer(string: #"[{"n":"count","t":\#(time),"v":\#(number)}]"#))
    }

    func readings(_ numbers: Range<Int>) -> [ByteBuffer] { numbers.map { reading($0) } }

    /// The values of the stored readings, sorted.
    func storedReadings() async throws -> [Int] {
        try await pool.execute("SELECT value::int8 FROM senml WHERE name = 'count' ORDER BY value").map {
            try $0.decode(Int.self, at: 0)
        }
    }

    func count(_ sql: SQL) async throws -> Int {
        try await pool.execute("SELECT count(*) FROM \(sql)").first?.decode(Int.self, at: 0) ?? -1
    }

    func deadLetters() async throws -> [(sequence: Int, record: Int, reason: String)] {
        try await pool.execute("SELECT sequence, record, reason FROM dead_letters ORDER BY sequence, record").map {
            try $0.decode((Int, Int, String).self)
        }
    }

    func eventually(_ condition: () async throws -> Bool) async throws {
        let deadline = ContinuousClock.now + .seconds(60)
        while ContinuousClock.now < deadline {
            if try await condition() { return }
            try await Task.sleep(for: .milliseconds(5))
        }
        throw TimedOut()
    }

    struct TimedOut: Error {}
}

let quiet = Logger(label: "tests") { _ in SwiftLogNoOpLogHandler() }
