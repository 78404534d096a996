// SPDX-License-Identifier: Apache-2.0
import Core
import Testing

@testable import ReaderPostgres

/// Durations, intervals, and where a page is looked for: numbers only.
@Suite struct ReaderIntervalTests {
    @Test(
        arguments: [
            ("1s", 1_000_000_000), ("10s", 10_000_000_000), ("5m", 300_000_000_000), ("1h", 3_600_000_000_000),
            ("1h30m", 5_400_000_000_000), ("1.5h", 5_400_000_000_000), ("250ms", 250_000_000), ("1us", 1_000),
            ("1µs", 1_000), ("1μs", 1_000), ("1ns", 1), ("0h1ns", 1), (".5s", 500_000_000), ("5.s", 5_000_000_000),
            ("1.0000000019s", 1_000_000_001), ("2562047h", 9_223_369_200_000_000_000), ("1s1s", 2_000_000_000),
        ] as [(String, Int64)])
    func durationsAreGos(text: String, nanoseconds: Int64) {
        #expect(GoDuration.nanoseconds(text) == nanoseconds)
    }

    @Test(arguments: [
        "", "0", "0s", "1", "s", "-1s", "+1s", "1d", "1w", "1 s", "1S", ".s", "1.2.3s", "1e3s", "１s", "2562048h",
        "9223372036854775808ns", "1s ", "1ss", "0.1ns", String(repeating: "1s", count: 40),
    ])
    func otherDurationsAreRefused(text: String) {
        #expect(GoDuration.nanoseconds(text) == nil)
    }

    @Test func intervalsAreAlignedTo1970() throws {
        let buckets = try #require(Buckets(width: 10, from: 25, to: 41))
        #expect(buckets.first == 20)
        #expect(buckets.last == 40)
        #expect(buckets.count == 3)
        #expect([19, 20, 30, 40, 45, 50].map { buckets.contains($0) } == [false, true, true, true, false, false])
        let before = try #require(Buckets(width: 10, from: -25, to: -20))
        #expect(before.first == -30)
        #expect(before.count == 1)
        let whole = try #require(Buckets(width: 10, from: 20, to: 40))
        #expect(whole.count == 2)
        #expect(whole.through(30, maximum: 1) == whole.from(30))
        #expect(buckets.through(40, maximum: 2).first == 30)
        #expect(buckets.from(20, maximum: 2).last == 30)
    }

    @Test func spansThatDoNotFitAreNoIntervals() {
        #expect(Buckets(width: 10, from: 5, to: 5) == nil)
        #expect(Buckets(width: 10, from: 6, to: 5) == nil)
        #expect(Buckets(width: 0, from: 0, to: 5) == nil)
        #expect(Buckets(width: 10, from: .min, to: 5) == nil)
        #expect(Buckets(width: 1, from: .min, to: .max) == nil)
        #expect(Buckets(width: .max, from: -1, to: .max) == nil)
        #expect(Buckets(width: .max, from: 0, to: .max)?.count == 1)
    }

    @Test func aPageIsLookedForNearbyFirst() {
        let day: Int64 = 86_400_000_000_000
        let now = 20_000 * day
        var query = MessageQuery(filter: MessageFilter(channel: .new()))
        func bounds() -> [TimeBound?] { PageWindows.bounds(of: query, now: now) }
        #expect(bounds() == [.notBefore(now - day), .notBefore(now - 8 * day), .notBefore(now - 64 * day), nil])
        query.filter.from = now - 10 * day
        #expect(bounds() == [.notBefore(now - day), .notBefore(now - 8 * day), nil])
        query.start = .after(MessageQuery.Position(time: now - 5 * day, sequence: 1, record: 1))
        #expect(bounds() == [.notBefore(now - 6 * day), nil])
        query.start = .after(MessageQuery.Position(time: .min, sequence: 1, record: 1))
        #expect(bounds() == [nil])
        query.order = .name
        #expect(bounds() == [nil])

        query = MessageQuery(filter: MessageFilter(channel: .new()))
        query.direction = .ascending
        #expect(bounds() == [nil])
        query.filter.from = now
        query.filter.to = now + 3 * day
        #expect(bounds() == [.before(now + day), nil])
        query.start = .after(MessageQuery.Position(time: now + day, sequence: 1, record: 1))
        #expect(bounds() == [.before(now + 2 * day), nil])
        query.filter.to = nil
        query.start = .after(MessageQuery.Position(time: .max, sequence: 1, record: 1))
        #expect(bounds() == [nil])
    }
}
