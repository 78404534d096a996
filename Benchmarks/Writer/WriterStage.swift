// SPDX-License-Identifier: Apache-2.0
import Bus
import Core
import Foundation
import Logging
import Messaging
import Postgres
import Synchronization
import TestKit

/// A bus and a PostgreSQL server that syncs, on which the writer and raw COPY take turns.
final class WriterStage {
    /// What `writer-postgres` has for `batch.rows` by default; raw COPY gets the same.
    static let rowsPerBatch = 20_000

    struct Outcome: Sendable {
        var records = 0
        var seconds = 0.0
        var transactions = 0
        /// CPU time of the program that stores, of the bus and of PostgreSQL.
        var clientSeconds = 0.0
        var busSeconds = 0.0
        var serverSeconds = 0.0
    }

    private let directory: TemporaryDirectory
    private let cluster: PostgresCluster
    private let databaseURL: String
    private let database: PostgresPool
    private let bus: ServiceProcess
    private let connection: SocketBus
    private let writerPort: Int

    init() async throws {
        directory = try TemporaryDirectory("bench-writer")
        // WAL files are kept and used again: whoever runs first must not pay for making them.
        cluster = try await PostgresCluster.start(
            fsync: true, settings: PostgresCluster.benchmarkSettings + ["min_wal_size=2GB"])
        databaseURL = try await cluster.createDatabase()
        database = PostgresPool(
            configuration: PostgresConfiguration(
                url: databaseURL, applicationName: "bench", maximumConnections: 1, acquireTimeout: .seconds(60),
                statementTimeout: nil, idleInTransactionTimeout: nil))
        writerPort = try FreePort.next()
        let socket = directory.file("bus.sock")
        bus = try ServiceProcess.start(
            "bus",
            environment: [
                "MARTLET_BUS_SOCKET": socket, "MARTLET_BUS_DATA": directory.file("bus"),
                "MARTLET_BUS_HTTP_PORT": String(try FreePort.next()), "MARTLET_BUS_TEST_ROLE": "true",
            ], log: directory.file("bus.log"))
        connection = SocketBus.connect(
            SocketBusConfiguration(path: socket, name: "test"), logger: Logger(label: "bench"))
        try await connection.waitUntilConnected(timeout: .seconds(30))
    }

    func stop() async throws {
        await connection.close()
        try await bus.terminate()
        database.close()
        try await cluster.stop()
    }

    // MARK: The bus

    /// Publishes everything durably.
    /// - Returns: the first message's sequence number; the others follow it without a gap.
    func fill(_ load: WriterLoad) async throws -> UInt64 {
        let before = try await connection.streamState(Streams.messages).lastSequence
        let chunk = 4_096
        for start in stride(from: 0, to: load.messageCount, by: chunk) {
            try await publish((start..<min(start + chunk, load.messageCount)).map { load.message($0) })
        }
        let after = try await connection.streamState(Streams.messages).lastSequence
        guard after - before == UInt64(load.messageCount) else {
            throw BenchmarkFailure(
                description: "the stream has \(after - before) messages more, not \(load.messageCount)")
        }
        return before + 1
    }

    private func publish(_ messages: [BusMessage]) async throws {
        try await withCheckedThrowingContinuation { (continuation: CheckedContinuation<Void, any Error>) in
            let shared = Outstanding(messages.count, continuation)
            for message in messages { connection.publishDurably(message) { shared.answered($0) } }
        }
    }

    /// Resumes once every message of a chunk was answered.
    private final class Outstanding: Sendable {
        private let state: Mutex<(count: Int, failure: BusError?)>
        private let continuation: CheckedContinuation<Void, any Error>

        init(_ count: Int, _ continuation: CheckedContinuation<Void, any Error>) {
            state = Mutex((count, nil))
            self.continuation = continuation
        }

        func answered(_ result: Result<PublishReceipt, BusError>) {
            let (isLast, failure) = state.withLock { state in
                state.count -= 1
                if case .failure(let error) = result { state.failure = error }
                return (state.count == 0, state.failure)
            }
            guard isLast else { return }
            if let failure { continuation.resume(throwing: failure) } else { continuation.resume() }
        }
    }

    // MARK: The database

    /// Empties the table and writes everything that waits in PostgreSQL's memory, so that each run begins alike.
    func empty() async throws {
        try await database.withConnection { connection in
            try await connection.executeScript("TRUNCATE messages.senml")
            try await connection.executeScript("CHECKPOINT")
        }
    }

    /// What tells one set of rows from another.
    struct Fingerprint: Equatable, Sendable {
        var rows: Int64
        /// Of all rows' hashes.
        var sum: String
    }

    func fingerprint() async throws -> Fingerprint {
        let result = try await database.execute(
            "SELECT count(*), coalesce(sum(hashtextextended(senml::text, 0)), 0)::text FROM messages.senml")
        guard let row = result.first else { throw BenchmarkFailure(description: "no fingerprint") }
        let (rows, sum) = try row.decode((Int64, String).self)
        return Fingerprint(rows: rows, sum: sum)
    }

    // MARK: Storing

    /// Starts the writer and waits until it has stored up to `last`; times from its first commit to its last one.
    func runWriter(through last: UInt64, recordsPerMessage: Int) async throws -> Outcome {
        let writer = try ServiceProcess.start(
            "writer-postgres",
            environment: [
                "MARTLET_BUS_SOCKET": directory.file("bus.sock"), "DATABASE_URL": databaseURL,
                "MARTLET_WRITER_POSTGRES_HTTP_PORT": String(writerPort),
            ], log: directory.file("writer.log"))
        // Its schema, the first time.
        try await writer.wait("the writer has made its schema") {
            let result = try await database.execute("SELECT to_regclass('messages.positions') IS NOT NULL")
            return try result.first?.decode(Bool.self, at: 0) ?? false
        }
        let (writerIdentifier, busIdentifier) = (writer.processIdentifier, bus.processIdentifier)
        let serverIdentifier = try cluster.serverIdentifier()
        let outcome = try await database.perform { session throws(PostgresError) -> Outcome? in
            let end = ContinuousClock.now + .seconds(600)
            let usage = {
                Usage(client: writerIdentifier, bus: busIdentifier, server: serverIdentifier)
            }
            var first: (position: Int64, usage: Usage)?
            let initial = try session.position()
            while ContinuousClock.now < end {
                let position = try session.position()
                if first == nil, position > initial { first = (position, usage()) }
                if let first, position >= Int64(clamping: last) {
                    var outcome = usage().since(first.usage)
                    outcome.records = Int(position - first.position) * recordsPerMessage
                    return outcome
                }
                // A question costs the server a tenth of a millisecond: this rarely it does not count.
                usleep(10_000)
            }
            return nil
        }
        guard var outcome else {
            throw BenchmarkFailure(description: "the writer has not stored everything: \(writer.log.suffix(2_000))")
        }
        let metrics = try await HTTPClient(port: writerPort).get("/metrics").text
        outcome.transactions = Int(Self.metric("martlet_writer_batches_total", metrics) ?? 0)
        try await writer.terminate()
        return outcome
    }

    /// Stores the rows with COPY, a transaction for each batch, on one connection.
    func runCopy(_ batches: [CopyBuffer]) async throws -> Outcome {
        let busIdentifier = bus.processIdentifier
        let serverIdentifier = try cluster.serverIdentifier()
        return try await database.perform { session throws(PostgresError) in
            let usage = { Usage(client: getpid(), bus: busIdentifier, server: serverIdentifier) }
            let before = usage()
            var rows = 0
            for batch in batches { rows += try session.copy(WriterLoad.copyStatement, batch) }
            var outcome = usage().since(before)
            outcome.records = rows
            outcome.transactions = batches.count
            return outcome
        }
    }

    private static func metric(_ name: String, _ text: String) -> Double? {
        text.split(separator: "\n").first { $0.hasPrefix(name + " ") }?.split(separator: " ").last.flatMap {
            Double($0)
        }
    }

    /// What was used up to a moment.
    private struct Usage: Sendable {
        let at = ContinuousClock.now
        let client: Double
        let bus: Double
        let server: Double

        init(client: Int32, bus: Int32, server: Int32) {
            self.client = (try? ProcessUsage(of: client).cpuSeconds) ?? .nan
            self.bus = (try? ProcessUsage(of: bus).cpuSeconds) ?? .nan
            self.server = (try? ProcessUsage.cpuSecondsWithChildren(of: server)) ?? .nan
        }

        func since(_ earlier: Usage) -> Outcome {
            Outcome(
                seconds: earlier.at.duration(to: at) / .seconds(1), clientSeconds: client - earlier.client,
                busSeconds: bus - earlier.bus, serverSeconds: server - earlier.server)
        }
    }
}

extension PostgresSession {
    /// How far the writer has come.
    fileprivate func position() throws(PostgresError) -> Int64 {
        let result = try execute("SELECT coalesce(max(sequence), 0) FROM messages.positions")
        guard let row = result.first else { return 0 }
        return try row.decode(Int64.self, at: 0)
    }
}
