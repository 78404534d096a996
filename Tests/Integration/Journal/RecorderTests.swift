// SPDX-License-Identifier: Apache-2.0
import Bus
import Core
import Foundation
import Logging
import Messaging
import NIOCore
import Observability
import Postgres
import Synchronization
import TestKit
import Testing

@testable import JournalService

/// What the recorder says to the bus of each notice, and that one which cannot be written is kept among the dead letters.
@Suite(.serialized) struct RecorderTests {
    /// Holds whatever does not come from `refused`, and nothing at all while it is away.
    private final class ScriptedStore: JournalStore {
        private let state = Mutex((entries: [JournalEntry](), isAway: false))

        var entries: [JournalEntry] { state.withLock { $0.entries } }
        func setAway(_ isAway: Bool) { state.withLock { $0.isAway = isAway } }

        func append(_ entries: [JournalEntry]) async throws -> Int {
            try state.withLock { state in
                if state.isAway { throw PostgresError(.connectionFailed, "away") }
                guard entries.allSatisfy({ $0.service != "refused" }) else {
                    throw PostgresError(.server(SQLState(rawValue: "22P05")), "untranslatable character")
                }
                state.entries += entries
                return entries.count
            }
        }

        func page(_ query: JournalQuery, counting: Bool) async throws -> JournalPage {
            JournalPage(entries: [], hasMore: false, total: nil)
        }

        func removeExpired(before: Int64, atMost maximum: Int) async throws -> Int { 0 }
    }

    private static func notice(from service: String = "users") throws -> ByteBuffer {
        let event = EntityEvent(id: .new(), at: 1, service: service, entity: "user", what: "created")
        return ByteBuffer(bytes: try JSONEncoder().encode(event))
    }

    private func withRecorder(_ body: (ScriptedBus, ScriptedStore) async throws -> Void) async throws {
        let bus = ScriptedBus()
        let store = ScriptedStore()
        let recorder = JournalRecorder(
            bus: bus, stream: Streams.events, store: store, metrics: RecorderMetrics(registry: MetricsRegistry()),
            logger: Logger(label: "recorder") { _ in SwiftLogNoOpLogHandler() })
        let running = Task { try? await recorder.run() }
        do {
            try await eventually("it reads") { bus.readers == 1 }
            try await body(bus, store)
        } catch {
            running.cancel()
            throw error
        }
        running.cancel()
        await running.value
    }

    @Test func noAcknowledgementCoversWhatWasGivenUp() async throws {
        try await withRecorder { bus, store in
            bus.append(
                [
                    ByteBuffer(string: "{"), try Self.notice(), try Self.notice(from: "refused"), try Self.notice(),
                ], subject: "events.users.user.created")
            try await eventually("all are dealt with") { bus.verdicts.count == 4 }
            #expect(store.entries.count == 2)
            #expect(
                Set(bus.verdicts.map(String.init(describing:)))
                    == Set(
                        [.givenUp(1), .acknowledged(2), .givenUp(3), .acknowledged(4)].map {
                            (verdict: ScriptedBus.Verdict) in
                            String(describing: verdict)
                        }))
        }
    }

    @Test func whatCannotBeReadIsGivenUpAloneAndWhatFollowsIsRecorded() async throws {
        try await withRecorder { bus, store in
            bus.append([ByteBuffer(), ByteBuffer(string: "null")], subject: "refusals.things")
            try await eventually("both are given up") { bus.verdicts == [.givenUp(1), .givenUp(2)] }
            #expect(store.entries.isEmpty)
            bus.append([try Self.notice()], subject: "events.users.user.created")
            try await eventually("the third is acknowledged") { bus.verdicts.last == .acknowledged(3) }
            #expect(store.entries.count == 1)
        }
    }

    @Test func nothingIsAcknowledgedBeforeItIsWritten() async throws {
        try await withRecorder { bus, store in
            store.setAway(true)
            bus.append([ByteBuffer(string: "{"), try Self.notice()], subject: "events.users.user.created")
            try await eventually("the first is given up") { bus.verdicts == [.givenUp(1)] }
            bus.disconnect()
            store.setAway(false)
            try await eventually("it is written") { store.entries.count == 1 }
            try await eventually("it is acknowledged") { bus.verdicts.contains(.acknowledged(2)) }
        }
    }

    @Test func whatTheDatabaseCannotHoldIsADeadLetterAndItsNeighboursAreWritten() async throws {
        let stack = try await Stack.start(settings: ["users": ["MARTLET_USERS_PASSWORD_COST": "10"]])
        let bus = SocketBus.connect(
            SocketBusConfiguration(path: stack.directory.file("bus.sock"), name: "users"),
            logger: Logger(label: "users"))
        try await bus.waitUntilConnected(timeout: .seconds(60))
        let tool = SocketBus.connect(
            SocketBusConfiguration(path: stack.directory.file("bus.sock"), name: "martlet"),
            logger: Logger(label: "martlet"))
        try await tool.waitUntilConnected(timeout: .seconds(60))
        let notices = try (0..<40).map { number in
            var text = String(buffer: try Self.notice())
            if number % 4 == 1 { text = "{" }
            // A character that JSON has and PostgreSQL's does not.
            if number % 4 == 2 { text = text.dropLast() + #","note":"\u0000"}"# }
            return ByteBuffer(string: text)
        }
        // All on their way at once, so that those which are given up have others behind them in their batch.
        try await withThrowingTaskGroup { group in
            for notice in notices {
                group.addTask {
                    _ = try await bus.publishDurably(BusMessage(subject: "events.users.user.created", payload: notice))
                }
            }
            try await group.waitForAll()
        }
        try await eventually("the others are written") {
            let counted = try await stack.database.execute(
                "SELECT count(*) FROM journal.entries WHERE operation = 'user.created' AND at = 1")
            return try counted.first?.decode(Int.self, at: 0) == 20
        }
        var dead: [StreamMessage] = []
        try await eventually("those that cannot be are dead letters") {
            dead = try await tool.read(stream: Streams.deadLetters, from: 1, maximumBytes: 1 << 20)
                .filter { $0.subject == "dead.events.journal" }
            return dead.count >= 20
        }
        #expect(dead.count == 20)
        let state = try await tool.consumerState(stream: Streams.events, consumer: Streams.journalConsumer)
        #expect(state.deadLettered == 20)
        #expect(try await stack.metric("journal", "martlet_journal_unreadable_total") == 20)
        await bus.close()
        await tool.close()
        try await stack.stop()
    }
}
