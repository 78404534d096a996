// SPDX-License-Identifier: Apache-2.0
import Core
import NIOCore
import Postgres
import TestKit
import Testing

@testable import ReaderPostgres
@testable import WriterPostgres

/// The store on a real database: what the whole product is too far away from to be asked.
@Suite struct ReaderStoreTests {
    private static let today = StoredRecords.today.start
    private static let thing = ThingID.new()

    /// Records in all windows: now, a week, a month and years ago, and ahead of now.
    private static func spread() -> [StoredMessage] {
        let day = Day.nanoseconds
        let times: [Int64] =
            (0..<40).map { today - $0 * 3_600_000_000_000 } + (0..<20).map { today - $0 * 5 * day }
            + (0..<10).map { today - $0 * 400 * day } + [today + 10 * day, today + 1_000 * day, 0, -1]
        return times.map { StoredMessage.make("n", time: $0, value: 1, publisher: thing) }
    }

    /// Whatever window a page is found in, pages put together are the whole list.
    @Test func pagesAreWholeWhereverTheirMessagesLie() async throws {
        var stored = try await StoredRecords.make()
        defer { stored.close() }
        try await stored.add(Self.spread())
        for direction in MessageQuery.Direction.allCases {
            let sorted = stored.all.map(\.position).sorted {
                ($0.time, $0.sequence) < ($1.time, $1.sequence)
            }
            for (from, to) in [(nil, nil), (Self.today - 40 * Day.nanoseconds, Self.today + 1)] as [(Int64?, Int64?)] {
                var expected = sorted.filter { $0.time >= from ?? .min && $0.time < to ?? .max }
                if direction == .descending { expected.reverse() }
                for limit in [1, 7, 1_000] {
                    var query = MessageQuery(filter: stored.filter(from: from, to: to))
                    query.direction = direction
                    query.limit = limit
                    var found: [MessageQuery.Position] = []
                    while true {
                        let page = try await stored.store.messages(query)
                        found += page.messages.map(\.position)
                        guard page.hasMore, let last = page.messages.last else { break }
                        #expect(page.messages.count == limit)
                        query.start = .after(last.position)
                    }
                    #expect(found == expected, "\(direction) \(limit)")
                    query.start = .offset(30)
                    #expect(
                        try await stored.store.messages(query).messages.map(\.position)
                            == Array(expected.dropFirst(30).prefix(limit)))
                }
            }
        }
    }

    @Test func aPageEndsWhereItsBytesDo() async throws {
        var stored = try await StoredRecords.make()
        defer { stored.close() }
        let text = String(repeating: "x", count: 1_000)
        try await stored.add(
            (0..<20).map { StoredMessage.make("n", time: Self.today + $0, text: text, publisher: Self.thing) })
        var query = MessageQuery(filter: stored.filter())
        query.byteLimit = 4_500
        query.limit = 10
        query.start = .after(MessageQuery.Position(time: .max, sequence: 0, record: 0))
        var sizes: [Int] = []
        while true {
            let page = try await stored.store.messages(query)
            sizes.append(page.messages.count)
            guard page.hasMore, let last = page.messages.last else { break }
            query.start = .after(last.position)
        }
        #expect(sizes == [5, 5, 5, 5])
        // A client that goes on at the next offset would miss what was left out.
        query.start = .offset(0)
        await #expect {
            _ = try await stored.store.messages(query)
        } throws: {
            ($0 as? ServiceError)?.reason == "page-too-large"
        }
        query.limit = 5
        #expect(try await stored.store.messages(query).messages.count == 5)
        // One message is a page, however large.
        query.byteLimit = 10
        query.limit = 1
        #expect(try await stored.store.messages(query).messages.count == 1)
    }

    @Test func bytesOfDocumentsAndBlobsCountToo() async throws {
        let stored = try await StoredRecords.make()
        defer { stored.close() }
        let payload = ByteBuffer(repeating: 7, count: 600 << 10)
        let text = String(repeating: "ab ", count: 200 << 10)
        for sequence in 0..<10 {
            let time = Self.today + Int64(sequence)
            try await stored.pool.execute(
                """
                INSERT INTO blobs (created, sequence, channel, domain, publisher, subtopic, protocol, content_type, payload)
                VALUES (\(time), \(sequence), \(stored.channel), md5('d')::uuid, \(Self.thing), '', 'http', 'x/y', \(payload))
                """)
            try await stored.pool.execute(
                """
                INSERT INTO json (created, sequence, channel, domain, publisher, subtopic, protocol, payload)
                VALUES (\(time), \(sequence), \(stored.channel), md5('d')::uuid, \(Self.thing), '', 'http', to_jsonb(\(text)))
                """)
        }
        for format in [MessageFilter.Format.json, .blobs] {
            var query = MessageQuery(filter: MessageFilter(channel: stored.channel, format: format))
            query.start = .after(MessageQuery.Position(time: .max, sequence: 0, record: 0))
            query.limit = 10
            let page = try await stored.store.messages(query)
            // 600 KiB each, 4 MiB at most, and the one that passes the limit.
            #expect(page.messages.count == 7, "\(format)")
            #expect(page.hasMore)
        }
    }

    @Test func listsAreSortedByWhatIsAskedFor() async throws {
        var stored = try await StoredRecords.make()
        defer { stored.close() }
        let others = [ThingID.new(), Self.thing]
        try await stored.add([
            .make("b", time: Self.today + 1, unit: "m", value: 2, publisher: others[0], subtopic: "x"),
            .make("a", time: Self.today + 2, value: -1, publisher: others[1], subtopic: "y"),
            .make("B", time: Self.today + 3, unit: "K", value: 2, publisher: others[0], subtopic: "Y"),
            .make("c", time: Self.today + 4, text: "t", publisher: others[1], subtopic: ""),
        ])
        for (order, direction, names) in [
            (.time, .descending, "cBab"), (.created, .ascending, "baBc"), (.name, .ascending, "Babc"),
            (.name, .descending, "cbaB"), (.value, .ascending, "aBbc"), (.value, .descending, "Bbac"),
            (.unit, .ascending, "Bbca"), (.subtopic, .ascending, "cBba"), (.stringValue, .descending, "cBab"),
            (.transport, .ascending, "cBab"), (.boolValue, .ascending, "cBab"), (.dataValue, .descending, "cBab"),
            (.publisher, others[0].description < others[1].description ? .ascending : .descending, "Bbca"),
        ] as [(MessageQuery.Order, MessageQuery.Direction, String)] {
            var query = MessageQuery(filter: stored.filter())
            query.order = order
            query.direction = direction
            let found = try await stored.store.messages(query).messages.compactMap { $0.record?.name }.joined()
            #expect(found == names, "\(order) \(direction)")
            query.start = .offset(1)
            query.limit = 2
            let page = try await stored.store.messages(query)
            #expect(page.messages.compactMap { $0.record?.name }.joined() == names.dropFirst().prefix(2))
            #expect(page.total == 4)
        }
    }

    @Test func aStatementThatTakesTooLongIsSaidToBe() async throws {
        let stored = try await StoredRecords.make(statementTimeout: .milliseconds(200))
        defer { stored.close() }
        try await stored.pool.withTransaction { connection in
            try await connection.execute("LOCK TABLE senml IN ACCESS EXCLUSIVE MODE", prepared: false)
            await #expect {
                _ = try await stored.store.messages(MessageQuery(filter: stored.filter()))
            } throws: { error in
                let error = error as? ServiceError
                return error?.reason == "query-too-slow" && error?.kind == .unprocessable
            }
        }
    }

    @Test func theLatestOfEachName() async throws {
        var stored = try await StoredRecords.make()
        defer { stored.close() }
        let other = ThingID.new()
        let names = (0..<30).map { "n\($0 % 10).\($0)" } + ["Z", "a", "z:1"]
        var records: [StoredMessage] = []
        for (index, name) in names.enumerated() {
            for step in 0..<4 {
                // Some have their latest today, some days ago, some only a wrong clock's.
                let age = Int64(index % 5 * step) * Day.nanoseconds + Int64(step)
                records.append(
                    .make(
                        name, time: index % 7 == 0 ? Int64(step) : Self.today - age, value: Double(index * 10 + step),
                        publisher: step % 2 == 0 ? Self.thing : other, subtopic: "s\(step)"))
            }
        }
        var generator = SeededGenerator(seed: 7)
        try await stored.add(records.shuffled(using: &generator))

        var filters = [stored.filter(), stored.filter(from: Self.today - 2 * Day.nanoseconds - 5)]
        filters.append(stored.filter(from: 2, to: Self.today - Day.nanoseconds))
        var filtered = stored.filter()
        filtered.publisher = other
        filters.append(filtered)
        filtered.subtopic = "s2"
        filters.append(filtered)
        filtered.subtopic = "s3"
        filtered.value = 100
        filtered.comparator = .less
        filters.append(filtered)
        filtered = stored.filter()
        filtered.name = "z:1"
        filters.append(filtered)
        filtered.name = "none"
        filters.append(filtered)
        for filter in filters {
            let expected = Self.latest(filter, stored.all)
            for limit in [1_000, 7] {
                var query = LatestQuery(filter: filter)
                query.limit = limit
                query.countsTotal = true
                var found: [MessageQuery.Position] = []
                while true {
                    let page = try await stored.store.latest(query)
                    if found.isEmpty { #expect(page.total == expected.count) }
                    found += page.messages.map(\.position)
                    guard page.hasMore, let last = page.messages.last?.record?.name else { break }
                    query.start = .after(last)
                }
                #expect(found == expected, "\(filter)")
                query.start = .offset(3)
                #expect(
                    try await stored.store.latest(query).messages.map(\.position)
                        == Array(expected.dropFirst(3).prefix(limit)))
            }
        }
    }

    private static func latest(_ filter: MessageFilter, _ all: [StoredMessage]) -> [MessageQuery.Position] {
        var found: [String: MessageQuery.Position] = [:]
        for message in all {
            guard let record = message.record, message.position.time >= filter.from ?? .min,
                message.position.time < filter.to ?? .max, filter.name == nil || filter.name == record.name,
                filter.publisher == nil || filter.publisher == message.publisher,
                filter.subtopic == nil || filter.subtopic == message.subtopic,
                filter.value == nil || record.value ?? .infinity < filter.value ?? 0
            else { continue }
            let best = found[record.name]
            if let best, (best.time, best.sequence) > (message.position.time, message.position.sequence) { continue }
            found[record.name] = message.position
        }
        return found.sorted { $0.key.utf8.lexicographicallyPrecedes($1.key.utf8) }.map(\.value)
    }
}
