// SPDX-License-Identifier: Apache-2.0
import Bus
import Core
import Foundation
import Identity
import Logging
import Messaging
import NIOCore
import Observability
import Postgres
import Synchronization
import TestKit
import Testing

@testable import ThingsService

/// An event that cannot be followed does not hold up those behind it, and is not lost either.
@Suite(.serialized) struct UsersEventsTests {
    /// Answers each departure as the test says.
    private final class ScriptedStore: AccessStore, DomainStatesStore {
        private let state = Mutex((failures: [UserID: ServiceError](), departed: [UserID](), states: [Bool]()))

        var departed: [UserID] { state.withLock { $0.departed } }
        var states: [Bool] { state.withLock { $0.states } }
        func fail(_ user: UserID, with error: ServiceError?) { state.withLock { $0.failures[user] = error } }

        func removeGrants(of user: UserID, givenUntil time: Int64, _ events: ChangeEvents) async throws(ServiceError) {
            let failure = state.withLock { state in
                if state.failures[user] == nil { state.departed.append(user) }
                return state.failures[user]
            }
            if let failure { throw failure }
        }

        func domains(withGrantsOf user: UserID) async throws(ServiceError) -> [DomainID] { [] }

        func setDomain(enabled: Bool, at place: StreamPlace, _ events: ChangeEvents) async throws(ServiceError) {
            state.withLock { $0.states.append(enabled) }
        }

        func roles(of actor: Actor, onThings things: [ThingID]) async throws(ServiceError) -> [ThingID: Role] { [:] }
        func roles(of actor: Actor, onChannels channels: [ChannelID]) async throws(ServiceError) -> [ChannelID: Role] {
            [:]
        }
        func roles(of actor: Actor, onGroups groups: [GroupID]) async throws(ServiceError) -> [GroupID: Role] { [:] }
        func reach(of actor: Actor) async throws(ServiceError) -> Reach { Reach(groups: [], things: [], channels: []) }
        func grant(
            _ role: Role, to users: [UserID], on subject: Subject, by actor: Actor, _ events: ChangeEvents
        ) async throws(ServiceError) {}
        func revoke(
            from users: [UserID], on subject: Subject, by actor: Actor, _ events: ChangeEvents
        ) async throws(ServiceError) {}
        func grants(on subject: Subject, in domain: DomainID) async throws(ServiceError) -> [Grant] { [] }
    }

    private static let refused = ServiceError(storing: PostgresError(.server(.checkViolation), "refused"))
    private static let unexplained = ServiceError(storing: PostgresError(.server(.undefinedTable), "no such table"))

    private func departure(of user: UserID) throws -> ByteBuffer {
        let event = EntityEvent(
            id: .new(), at: 1, service: "users", entity: "membership", what: "removed", domain: .new(), user: user)
        return ByteBuffer(bytes: try JSONEncoder().encode(event))
    }

    private func withEvents(
        _ body: (ScriptedBus, ScriptedStore, MetricsRegistry) async throws -> Void
    ) async throws {
        let bus = ScriptedBus()
        let store = ScriptedStore()
        let metrics = MetricsRegistry()
        let events = UsersEvents(
            bus: bus, store: store, clock: .system, metrics: metrics,
            logger: Logger(label: "events") { _ in SwiftLogNoOpLogHandler() })
        let running = Task { try? await events.run() }
        do {
            try await eventually("they are read") { bus.readers == 1 }
            try await body(bus, store, metrics)
        } catch {
            running.cancel()
            throw error
        }
        running.cancel()
        await running.value
    }

    private static let subject = "events.users.membership.removed"

    @Test func whatIsRefusedForGoodIsADeadLetterAtOnce() async throws {
        try await withEvents { bus, store, metrics in
            let (bad, good) = (UserID.new(), UserID.new())
            store.fail(bad, with: Self.refused)
            bus.append([try departure(of: bad), try departure(of: good)], subject: Self.subject)
            try await eventually("both are dealt with") { bus.verdicts == [.givenUp(1), .acknowledged(2)] }
            #expect(store.departed == [good])
            #expect(metrics.exposition().contains("martlet_things_users_events_given_up_total 1"))
        }
    }

    @Test func whatFailsForAnotherReasonComesAgainLaterAndIsADeadLetterInTheEnd() async throws {
        try await withEvents { bus, store, _ in
            let (failing, good) = (UserID.new(), UserID.new())
            store.fail(failing, with: Self.unexplained)
            bus.append([try departure(of: failing), try departure(of: good)], subject: Self.subject)
            try await eventually("it is to come again") { bus.verdicts == [.rejected(1), .acknowledged(2)] }
            bus.deliver(1...1, count: UsersEvents.maximumDeliveries)
            try await eventually("it is given up") { bus.verdicts.last == .givenUp(1) }
            // Mended before that, it is followed.
            bus.append([try departure(of: failing)], subject: Self.subject)
            try await eventually("another is to come again") { bus.verdicts.last == .rejected(3) }
            store.fail(failing, with: nil)
            bus.deliver(3...3, count: 2)
            try await eventually("it is followed") { bus.verdicts.last == .acknowledged(3) }
            #expect(store.departed == [good, failing])
        }
        #expect(
            (1...12).map { UsersEvents.delay(behind: $0) }
                == ([1, 2, 4, 8, 16, 32] + Array(repeating: 60, count: 6)).map { .seconds($0) })
        #expect(UsersEvents.delay(behind: 0) <= .seconds(1))
        #expect(UsersEvents.delay(behind: .max) == .seconds(60))
    }

    @Test func nothingIsGivenUpBecauseTheDatabaseIsAway() async throws {
        try await withEvents { bus, store, metrics in
            let user = UserID.new()
            store.fail(user, with: ServiceError(storing: PostgresError(.connectionLost, "away")))
            bus.append([try departure(of: user)], subject: Self.subject)
            bus.deliver(1...1, count: UsersEvents.maximumDeliveries + 1)
            try await eventually("it is tried several times") {
                metrics.exposition().contains("martlet_things_users_event_failures_total 3")
            }
            #expect(bus.verdicts.isEmpty)
            store.fail(user, with: nil)
            try await eventually("both deliveries are followed") {
                bus.verdicts == [.acknowledged(1), .acknowledged(1)]
            }
        }
    }

    @Test func whatIsNoEventIsADeadLetterAndOthersArePassedOver() async throws {
        try await withEvents { bus, store, _ in
            bus.append([ByteBuffer(string: "{"), ByteBuffer()], subject: "events.users.domain.disabled")
            bus.append([ByteBuffer(string: "{")], subject: "events.users.user.created")
            let domain = EntityEvent(
                id: .new(), at: 1, service: "users", entity: "domain", what: "disabled", domain: .new(), actor: .new())
            bus.append([ByteBuffer(bytes: try JSONEncoder().encode(domain))], subject: domain.subject)
            try await eventually("all are dealt with") {
                bus.verdicts == [.givenUp(1), .givenUp(2), .acknowledged(3), .acknowledged(4)]
            }
            #expect(store.states == [false])
        }
    }

    @Test func aRefusedDepartureIsADeadLetterOfTheRealBusAndTheNextIsFollowed() async throws {
        try await withThings { stack in
            let bus = try await stack.usersBus()
            let tool = try await stack.bus(named: "martlet")
            let domain = DomainID.new()
            let admin = try await stack.person(.admin, in: domain)
            let kept = try await stack.person(.none, in: domain)
            let leaving = try await stack.person(.none, in: domain)
            let thing = "/things/\(try await admin.makeThing().id)"
            for person in [kept, leaving] {
                #expect(try await admin.give(person, "viewer", on: thing + "/share").status == 201)
            }
            let pool = PostgresPool(configuration: PostgresConfiguration(url: stack.databaseURL))
            defer { pool.close() }
            try await pool.withConnection { connection in
                try await connection.executeScript(
                    """
                    ALTER TABLE things.grants ADD COLUMN refuses boolean;
                    CREATE FUNCTION things.refuse() RETURNS trigger LANGUAGE plpgsql AS $$
                    BEGIN
                        RAISE EXCEPTION 'refused' USING ERRCODE = 'check_violation';
                    END
                    $$;
                    CREATE TRIGGER refuse BEFORE DELETE ON things.grants
                        FOR EACH ROW WHEN (OLD.refuses) EXECUTE FUNCTION things.refuse();
                    """)
                try await connection.execute("UPDATE things.grants SET refuses = true WHERE user_id = \(kept.user)")
            }
            for person in [kept, leaving] {
                let event = EntityEvent(
                    id: .new(), at: WallClock.system.now(), service: "users", entity: "membership", what: "removed",
                    domain: domain, actor: admin.user, user: person.user)
                let payload = ByteBuffer(bytes: try JSONEncoder().encode(event))
                _ = try await bus.publishDurably(BusMessage(subject: event.subject, payload: payload))
            }
            try await eventually("the second departure is followed") { try await leaving.get(thing).status == 404 }
            var dead: [StreamMessage] = []
            try await eventually("the first is a dead letter") {
                dead = try await tool.read(stream: Streams.deadLetters, from: 1, maximumBytes: 1 << 20)
                return !dead.isEmpty
            }
            #expect(dead.map(\.subject) == ["dead.events.things"])
            #expect(dead.first?.headers.deadLetter?.reason == "it cannot be followed: not-storable")
            #expect(try await kept.get(thing).status == 200)
            await bus.close()
            await tool.close()
        }
    }
}
