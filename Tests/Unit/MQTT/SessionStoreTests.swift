// SPDX-License-Identifier: Apache-2.0
import Bus
import Core
import Foundation
import GRDB
import NIOCore
import TestKit
import Testing

@testable import MQTTAdapter

@Suite struct SessionStoreTests {
    @Test func everythingComesBack() async throws {
        let fixture = try await StoreFixture()
        let will = StoredWill(publish: ByteBuffer(bytes: [0x30, 0, 1]), delaySeconds: .max)
        let sessions = [StoredSession.example(1), .example(.max, will: will)]
        let subscription = StoredSubscription(
            filter: "$share/g/a/#", options: 0x2D, identifier: 268_435_455, channel: .new())
        let other = StoredSubscription(filter: "b", options: 0, identifier: 0, channel: nil)
        let reception = StoredReception(packetIdentifier: .max, messageID: "id", isStored: false, position: .max)
        let retained = StoredRetained(
            channel: .new(), subtopic: "", sequence: .max, envelope: ByteBuffer(string: "r"), expiresAt: .max)
        let position = StreamPosition(stream: .new(), sequence: .max)
        let number = sessions[1].number
        var entry = StoredEntry.example(UInt64(Int64.max), sequence: .max)
        try await fixture.store.commit(
            .session(sessions[0]), .session(sessions[1]), .subscription(number, subscription),
            .subscription(number, other),
            .reception(number, reception), .entry(number, entry), .entry(number, .example(7)), .retained(retained),
            .position(position))
        try await fixture.store.commit(
            .sent(number, order: entry.order, packetIdentifier: 65535), .released(number, order: entry.order))
        entry.packetIdentifier = 65535
        entry.isReleased = true

        for isReopened in [false, true] {
            if isReopened { await fixture.store.close() }
            let (store, state) =
                isReopened
                ? (try await StoreFixture.open(fixture.path), nil) : try await fixture.afterKill()
            let found = if let state { state } else { try await store.load() }
            #expect(Set(found.sessions.map(\.number)) == Set(sessions.map(\.number)))
            #expect(found.sessions.allSatisfy { sessions.contains($0) })
            #expect(found.subscriptions == [number: [subscription, other]])
            #expect(found.receptions == [number: [reception]])
            #expect(found.retained == [retained])
            #expect(found.position == position)
            let queue = try #require(found.queues[number])
            #expect(queue.entries == 2 && queue.bytes == 200 && queue.lastOrder == entry.order)
            #expect(queue.inFlight == [entry])
            #expect(try await store.entries(of: number) == [.example(7), entry])
            await store.close()
        }
    }

    @Test func whatIsReplacedAndRemovedIsGone() async throws {
        let fixture = try await StoreFixture()
        var session = StoredSession.example(5, will: StoredWill(publish: ByteBuffer(string: "w"), delaySeconds: 1))
        let number = session.number
        let channel = ChannelID.new()
        var subscription = StoredSubscription(filter: "a", options: 1, identifier: 1, channel: channel)
        var reception = StoredReception(packetIdentifier: 9, messageID: "m", isStored: false, position: 3)
        var retained = StoredRetained(
            channel: channel, subtopic: "a.b", sequence: 1, envelope: ByteBuffer(string: "1"), expiresAt: 5)
        try await fixture.store.commit(
            .session(session), .subscription(number, subscription), .reception(number, reception), .retained(retained))
        session.will = nil
        session.closedAt = nil
        subscription.options = 2
        subscription.channel = nil
        reception.isStored = true
        retained.envelope = ByteBuffer(string: "2")
        retained.expiresAt = nil
        try await fixture.store.commit(
            .session(session), .subscription(number, subscription), .reception(number, reception), .retained(retained),
            .entry(number, .example(1, sequence: 10)), .entry(number, .example(1, sequence: 11, bytes: 5)))
        let state = try await fixture.store.load()
        #expect(state.sessions == [session])
        #expect(state.subscriptions == [number: [subscription]])
        #expect(state.receptions == [number: [reception]])
        #expect(state.retained == [retained])
        #expect(try await fixture.store.entries(of: number) == [.example(1, sequence: 11, bytes: 5)])
        #expect(fixture.store.totals.entries == 1 && fixture.store.totals.bytes == 5)

        try await fixture.store.commit(
            .removeSubscription(number, filter: "a"), .removeReception(number, packetIdentifier: 9),
            .removeEntry(number, order: 1), .removeEntry(number, order: 1), .removeRetained(channel, subtopic: "a.b"))
        let emptied = try await fixture.store.load()
        #expect(emptied.subscriptions.isEmpty && emptied.receptions.isEmpty && emptied.queues.isEmpty)
        #expect(emptied.retained.isEmpty && emptied.sessions == [session])
        await fixture.store.close()
        #expect(try count(fixture.path, "messages") == 0)
    }

    @Test func completionsComeInOrderAndShareTransactions() async throws {
        let fixture = try await StoreFixture()
        let session = StoredSession.example()
        try await fixture.store.commit(.session(session))
        let groups = fixture.store.totals.groups
        let results = await fixture.store.commitAll((1...2000).map { [.entry(session.number, .example($0))] })
        #expect(results.map(\.index) == Array(0..<2000))
        #expect(results.allSatisfy { $0.error == nil })
        // 512, 512, 512, 464.
        #expect(fixture.store.totals.groups - groups == 4)
        #expect(try await fixture.store.entries(of: session.number).map(\.order) == Array(1...2000))
    }

    @Test func readsSeeWhatWasHandedOverBefore() async throws {
        let fixture = try await StoreFixture()
        let session = StoredSession.example()
        fixture.store.commit([.session(session)]) { _ in }
        for order in UInt64(1)...50 {
            fixture.store.commit([.entry(session.number, .example(order))]) { _ in }
            if order.isMultiple(of: 10) {
                #expect(try await fixture.store.entries(of: session.number).count == Int(order))
            }
        }
    }

    @Test func entriesAreReadUpToALimitAndFromBehindAnOrder() async throws {
        let fixture = try await StoreFixture()
        let (one, other) = (StoredSession.example(1), StoredSession.example(2))
        try await fixture.store.commit(.session(one), .session(other))
        for order in [3, 1, 2, 5, 4] as [UInt64] {
            try await fixture.store.commit(.entry(one.number, .example(order)), .entry(other.number, .example(order)))
        }
        let store = fixture.store
        #expect(try await store.entries(of: one.number).map(\.order) == [1, 2, 3, 4, 5])
        #expect(try await store.entries(of: one.number, maximumBytes: 299).map(\.order) == [1, 2])
        #expect(try await store.entries(of: one.number, maximumBytes: 300).map(\.order) == [1, 2, 3])
        #expect(try await store.entries(of: one.number, after: 3, maximumBytes: 0).map(\.order) == [4])
        #expect(try await store.entries(of: one.number, after: 5).isEmpty)
        #expect(try await store.entries(of: one.number, after: .max).isEmpty)
        #expect(try await store.entries(of: SessionNumber(rawValue: 3)).isEmpty)
    }

    @Test func aBodyIsSharedAndGoesWithItsLastEntry() async throws {
        let fixture = try await StoreFixture()
        let sessions = (1...3).map { StoredSession.example($0) }
        let entry = StoredEntry.example(1, sequence: 77)
        for session in sessions { try await fixture.store.commit(.session(session), .entry(session.number, entry)) }
        #expect(try await bodies(fixture) == 1)
        try await fixture.store.commit(.removeEntry(sessions[0].number, order: 1))
        try await fixture.store.commit(.removeSession(sessions[1].number))
        #expect(try await bodies(fixture) == 1)
        #expect(try await fixture.store.entries(of: sessions[2].number) == [entry])
        try await fixture.store.commit(.removeSession(sessions[2].number))
        #expect(try await bodies(fixture) == 0)
        #expect(fixture.store.totals.entries == 0 && fixture.store.totals.bytes == 0)
    }

    @Test("a stream that was begun anew uses sequence numbers again: each entry keeps its own body")
    func sequencesOfAnotherStream() async throws {
        let fixture = try await StoreFixture()
        let session = StoredSession.example()
        var (old, new) = (StoredEntry.example(1, sequence: 9), StoredEntry.example(2, sequence: 9))
        (old.envelope, new.envelope) = (ByteBuffer(string: "old"), ByteBuffer(string: "new"))
        try await fixture.store.commit(.session(session), .entry(session.number, old), .entry(session.number, new))
        #expect(try await fixture.store.entries(of: session.number) == [old, new])
        try await fixture.store.commit(.removeEntry(session.number, order: 1))
        #expect(try await fixture.store.entries(of: session.number) == [new])
        try await fixture.store.commit(.removeEntry(session.number, order: 2))
        #expect(try await bodies(fixture) == 0)
    }

    @Test func aRemovedSessionTakesEverythingAlong() async throws {
        let fixture = try await StoreFixture()
        let (gone, kept) = (StoredSession.example(1), StoredSession.example(2))
        let subscription = StoredSubscription(filter: "a", options: 0, identifier: 0, channel: nil)
        let reception = StoredReception(packetIdentifier: 1, messageID: "m", isStored: true, position: 0)
        for session in [gone, kept] {
            try await fixture.store.commit(
                .session(session), .subscription(session.number, subscription), .reception(session.number, reception),
                .entry(session.number, .example(1)),
                .entry(session.number, .example(2, sequence: session.number.rawValue + 50)))
        }
        try await fixture.store.commit(.removeSession(gone.number))
        // Too late for it, but not for the other's in the same commit.
        try await fixture.store.commit(
            .entry(gone.number, .example(3)), .subscription(gone.number, subscription),
            .reception(gone.number, reception),
            .entry(kept.number, .example(3)))
        let state = try await fixture.store.load()
        #expect(state.sessions == [kept])
        #expect(state.subscriptions == [kept.number: [subscription]])
        #expect(state.receptions == [kept.number: [reception]])
        #expect(state.queues.keys.map(\.self) == [kept.number])
        #expect(try await fixture.store.entries(of: kept.number).map(\.order) == [1, 2, 3])
        #expect(fixture.store.totals.entries == 3)
        #expect(try await bodies(fixture) == 3)
    }

    @Test func aFailingCommitFailsAlone() async throws {
        let fixture = try await StoreFixture()
        let session = StoredSession.example()
        try await fixture.store.commit(.session(session))
        let results = await fixture.store.commitAll(
            (1...100).map { order in
                // The second change cannot be stored: the first must not stay either.
                order == 50
                    ? [.entry(session.number, .example(order)), .entry(session.number, .example(.max))]
                    : [.entry(session.number, .example(order))]
            })
        #expect(results.map(\.index) == Array(0..<100))
        #expect(results.filter { $0.error != nil }.map(\.index) == [49])
        #expect(try await fixture.store.entries(of: session.number).map(\.order) == (1...100).filter { $0 != 50 })
        #expect(fixture.store.totals.entries == 99 && fixture.store.totals.bytes == 9900)
        #expect(fixture.store.totals.failedCommits == 1)
    }

    @Test func hundredThousandEntries() async throws {
        let fixture = try await StoreFixture()
        let session = StoredSession.example()
        try await fixture.store.commit(.session(session))
        let total: UInt64 = 100_000
        for start in stride(from: 1, through: total, by: 1000) {
            let results = await fixture.store.commitAll(
                (start..<start + 1000).map { [.entry(session.number, .example($0, bytes: 300))] })
            #expect(results.allSatisfy { $0.error == nil })
        }
        let full = fixture.store.totals
        #expect(full.entries == 100_000 && full.bytes == 30_000_000)
        for start in stride(from: 1, through: total, by: 1000) {
            let results = await fixture.store.commitAll(
                (start..<start + 1000).map { [.removeEntry(session.number, order: $0)] })
            #expect(results.allSatisfy { $0.error == nil })
        }
        #expect(fixture.store.totals.entries == 0)
        await fixture.store.close()
        #expect(try count(fixture.path, "messages") == 0)
        #expect(fixture.store.totals.fileBytes < full.fileBytes * 3 / 4, "nothing was given back")
    }

    @Test(arguments: StoreSQL.all)
    func noStatementScans(_ sql: String) async throws {
        let fixture = try await StoreFixture()
        await fixture.store.close()
        let plan = try await DatabaseQueue(path: fixture.path).read { database in
            let statement = try database.makeStatement(sql: "EXPLAIN QUERY PLAN \(sql)")
            // Unbound parameters are NULL: the plan does not depend on them.
            statement.setUncheckedArguments(StatementArguments())
            return try Row.fetchAll(statement).map { $0["detail"] as String }
        }
        #expect(
            !plan.contains { $0.contains("SCAN") && !$0.contains("CONSTANT ROW") || $0.contains("TEMP B-TREE") },
            "\(plan)")
    }

    private func count(_ path: String, _ table: String) throws -> Int {
        try DatabaseQueue(path: path).read { try Int.fetchOne($0, sql: "SELECT count(*) FROM \(table)") ?? -1 }
    }

    /// In a copy: the store's own file is locked.
    private func bodies(_ fixture: StoreFixture) async throws -> Int {
        let (store, _) = try await fixture.afterKill()
        await store.close()
        return try count(store.path, "messages")
    }
}
