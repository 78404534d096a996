// SPDX-License-Identifier: Apache-2.0
import Core
import Foundation
import GRDB
import NIOCore
import TestKit
import Testing

@testable import MQTTAdapter

@Suite struct SessionStoreFaultTests {
    @Test func aFullDiskFailsCommitsAndIsGotOver() async throws {
        let fixture = try await StoreFixture { $0.maximumFileBytes = 512 << 10 }
        let session = StoredSession.example()
        try await fixture.store.commit(.session(session))
        var stored: [UInt64] = []
        var failure: SessionStoreError?
        for order in UInt64(1)...1000 where failure == nil {
            do {
                try await fixture.store.commit(.entry(session.number, .example(order, bytes: 10_000)))
                stored.append(order)
            } catch { failure = error as? SessionStoreError }
        }
        #expect(failure == .full)
        #expect(stored.count > 10)
        #expect(try await fixture.store.entries(of: session.number).map(\.order) == stored)
        // In one group: what does not fit fails, what makes room and what is small does not.
        let results = await fixture.store.commitAll([
            [.entry(session.number, .example(2000, bytes: 300_000))], [.removeEntry(session.number, order: 1)],
            [.removeEntry(session.number, order: 2)], [.entry(session.number, .example(2001, bytes: 10_000))],
        ])
        #expect(results.map(\.error) == [.full, nil, nil, nil])
        let (copy, state) = try await fixture.afterKill()
        #expect(state.queues[session.number]?.entries == stored.count - 1)
        await copy.close()
    }

    @Test func twoCannotOpenOneFile() async throws {
        let fixture = try await StoreFixture()
        try await fixture.store.commit(.session(.example()))
        let message = "\(fixture.path): another process uses this session store"
        await #expect(throws: SessionStoreError.failed(message)) { try await StoreFixture.open(fixture.path) }
        // Another process, with SQLite's own means.
        let script = "import sqlite3, sys; sqlite3.connect(sys.argv[1], timeout=0).execute('SELECT * FROM sessions')"
        let other = try ServiceProcess(
            program: Executables.system("python3"), arguments: ["-c", script, fixture.path],
            log: fixture.directory.file("python.log"))
        #expect(try await other.waitForExit() == .exited(1))
        #expect(other.log.contains("database is locked"), "\(other.log)")
        await fixture.store.close()
        let next = try await StoreFixture.open(fixture.path)
        #expect(try await next.load().sessions.count == 1)
        await next.close()
    }

    @Test func unusableFilesAreNamed() async throws {
        let directory = try TemporaryDirectory("store")
        let text = directory.file("text.db")
        try Data(repeating: 0x41, count: 100_000).write(to: URL(fileURLWithPath: text))
        let foreign = directory.file("foreign.db")
        try await DatabaseQueue(path: foreign).write {
            try $0.execute(sql: "CREATE TABLE sessions (a); INSERT INTO sessions VALUES (1)")
        }
        let before = try Data(contentsOf: URL(fileURLWithPath: foreign))
        let newer = directory.file("newer.db")
        await (try StoreFixture.open(newer)).close()
        try await DatabaseQueue(path: newer).write { try $0.execute(sql: "PRAGMA user_version = 99") }
        for path in [text, foreign, newer, directory.file("missing/sessions.db"), directory.path] {
            do {
                _ = try await StoreFixture.open(path)
                Issue.record("\(path) was opened")
            } catch {
                guard case .failed(let text) = error as? SessionStoreError else { throw error }
                #expect(text.hasPrefix("\(path): "), "\(text)")
            }
        }
        #expect(try Data(contentsOf: URL(fileURLWithPath: foreign)) == before)
    }

    @Test func rowsThatCannotBeReadAreLeftOutAndCounted() async throws {
        let fixture = try await StoreFixture()
        let (good, bad) = (StoredSession.example(1), StoredSession.example(2))
        let subscription = StoredSubscription(filter: "a", options: 0, identifier: 0, channel: nil)
        try await fixture.store.commit(
            .session(good), .session(bad), .subscription(good.number, subscription),
            .subscription(bad.number, subscription),
            .entry(good.number, .example(1)), .entry(good.number, .example(2)), .entry(good.number, .example(3)),
            .entry(good.number, .example(4)))
        await fixture.store.close()
        try await DatabaseQueue(path: fixture.path).write { database in
            try database.execute(sql: "UPDATE sessions SET version = 77 WHERE session = 2")
            try database.execute(sql: "DELETE FROM messages WHERE message = 2")
            try database.execute(sql: "UPDATE entries SET qos = 3, packet_identifier = 1 WHERE number = 3")
            try database.execute(sql: "UPDATE entries SET subscription_identifiers = x'00' WHERE number = 4")
        }
        let store = try await StoreFixture.open(fixture.path)
        let state = try await store.load()
        #expect(state.sessions == [good])
        #expect(state.subscriptions == [good.number: [subscription]])
        #expect(state.queues[good.number]?.lastOrder == 4)
        #expect(state.queues[good.number]?.inFlight == [])
        // The bad session and its subscription; the entry without body, the one with a QoS that does not exist.
        #expect(store.totals.unreadableRows == 4)
        #expect(try await store.entries(of: good.number) == [.example(1)])
        #expect(store.totals.unreadableRows == 7)
        // They go with their session.
        try await store.commit(.removeSession(good.number))
        await store.close()
        let left = try await DatabaseQueue(path: fixture.path).read {
            try Int.fetchOne($0, sql: "SELECT count(*) FROM entries")
        }
        #expect(left == 0)
    }

    @Test("bytes flipped anywhere in the file never trap: an error, or what is still readable", arguments: 1...40)
    func damage(_ seed: Int) async throws {
        let fixture = try await StoreFixture()
        let session = StoredSession.example(1)
        try await fixture.store.commit(.session(session))
        _ = await fixture.store.commitAll((1...200).map { [.entry(session.number, .example($0))] })
        await fixture.store.close()
        var generator = SeededGenerator(seed: UInt64(seed))
        var bytes = try Data(contentsOf: URL(fileURLWithPath: fixture.path))
        for _ in 0..<200 {
            bytes[Int.random(in: 0..<bytes.count, using: &generator)] = .random(in: 0 ... .max, using: &generator)
        }
        try bytes.write(to: URL(fileURLWithPath: fixture.path))
        do {
            let store = try await StoreFixture.open(fixture.path)
            _ = try? await store.load()
            _ = try? await store.entries(of: session.number)
            try? await store.commit(.entry(session.number, .example(500)), .removeEntry(session.number, order: 100))
            try? await store.commit(.removeSession(session.number))
            await store.close()
        } catch {
            guard case .failed(let text) = error as? SessionStoreError else { throw error }
            #expect(text.hasPrefix("\(fixture.path): "), "\(text)")
        }
    }

    @Test func whatWaitsIsBounded() async throws {
        let fixture = try await StoreFixture { $0.maximumWaitingBytes = 100_000 }
        let session = StoredSession.example()
        try await fixture.store.commit(.session(session))
        let results = await fixture.store.commitAll(
            (1...100).map { [.entry(session.number, .example($0, bytes: 90_000))] })
        #expect(results.map(\.index) == Array(0..<100))
        let refused = results.filter { $0.error != nil }
        #expect(refused.count == 99)
        #expect(try await fixture.store.entries(of: session.number).count == 100 - refused.count)
        #expect(fixture.store.totals.waitingCommits == 0 && fixture.store.totals.waitingBytes == 0)
    }

    @Test func afterTheCloseNothingIsTaken() async throws {
        let fixture = try await StoreFixture()
        let session = StoredSession.example()
        fixture.store.commit([.session(session)]) { result in
            if case .failure(let error) = result { Issue.record("\(error)") }
        }
        await fixture.store.close()
        await #expect(throws: SessionStoreError.closed) { try await fixture.store.commit(.session(session)) }
        await #expect(throws: SessionStoreError.closed) { try await fixture.store.entries(of: session.number) }
        await #expect(throws: SessionStoreError.closed) { try await fixture.store.load() }
        await fixture.store.close()
        let next = try await StoreFixture.open(fixture.path)
        #expect(try await next.load().sessions == [session])
        await next.close()
    }
}
