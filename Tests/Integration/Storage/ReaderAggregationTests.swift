// SPDX-License-Identifier: Apache-2.0
import Core
import TestKit
import Testing

@testable import ReaderPostgres
@testable import WriterPostgres

/// Aggregations against the same sums made here, record by record.
@Suite struct ReaderAggregationTests {
    private typealias Key = AggregationQuery.Position

    private struct Summed: Equatable {
        var bucket: Int64
        var name: String
        var publisher: ThingID?
        var count: Int
        var number: Double?
        var text: String?
        var flag: Bool?
        var unit: String?
        var time: Int64?
    }

    private static let noon = StoredRecords.today.start + Day.nanoseconds / 2
    private static let things = [ThingID.new(), ThingID.new()]

    /// Two days around midnight, one wrong clock before 1970; values that add up exactly, so that the order of adding does not matter.
    private static func records(seed: UInt64) -> [StoredMessage] {
        var generator = SeededGenerator(seed: seed)
        return (0..<600).map { _ in
            let name = ["a", "b", "c.d", "Z"][Int.random(in: 0..<4, using: &generator)]
            let time =
                Int.random(in: 0..<50, using: &generator) == 0
                ? -Int64.random(in: 1...10_000, using: &generator) * 1_000_000_000
                : noon - Int64.random(in: 0..<172_800, using: &generator) * 1_000_000_000
            let kind = Int.random(in: 0..<10, using: &generator)
            return StoredMessage.make(
                name, time: time, unit: name == "a" ? "Cel" : kind == 3 ? "K" : nil,
                value: kind < 7 ? Double(Int.random(in: -50...50, using: &generator)) / 4 : nil,
                text: kind == 7 || kind == 8 ? "s\(kind)" : nil, flag: kind == 9 ? true : nil,
                publisher: things[Int.random(in: 0..<2, using: &generator)])
        }
    }

    @Test(arguments: [1, 2, 3] as [UInt64])
    func sumsAreThoseOfTheRecords(seed: UInt64) async throws {
        var stored = try await StoredRecords.make()
        defer { stored.close() }
        try await stored.add(Self.records(seed: seed))
        for (from, to) in [
            (Self.noon - 172_800_000_000_000, Self.noon), (-10_000_000_000_000, -1_500_000_000),
            (Self.noon - 100_000_123_456_789, Self.noon - 3_600_000_000_001),
        ] {
            for interval in ["10m", "1h30m", "24h"] {
                for function in AggregationQuery.Function.allCases {
                    for grouping in AggregationQuery.Grouping.allCases {
                        for gaps in [false, true] {
                            var query = try #require(Self.query(stored, function, interval, from, to))
                            query.grouping = grouping
                            query.listsGaps = gaps
                            try await Self.check(query, stored, seed)
                        }
                    }
                }
            }
        }
    }

    private static func query(
        _ stored: StoredRecords, _ function: AggregationQuery.Function, _ interval: String, _ from: Int64, _ to: Int64
    ) -> AggregationQuery? {
        guard let width = GoDuration.nanoseconds(interval), let buckets = Buckets(width: width, from: from, to: to)
        else { return nil }
        return AggregationQuery(
            filter: stored.filter(from: from, to: to), function: function, buckets: buckets, intervalText: interval)
    }

    /// In one page, and put together of pages by cursor and by offset.
    private static func check(_ query: AggregationQuery, _ stored: StoredRecords, _ seed: UInt64) async throws {
        for direction in MessageQuery.Direction.allCases {
            var query = query
            query.direction = direction
            let expected = reference(query, stored.all)
            query.limit = 1_000
            let whole = try await stored.store.aggregate(query)
            let comment = Comment(rawValue: "seed \(seed) \(query)")
            #expect(Array(expected.prefix(1_000)) == whole.values.map(summed), comment)
            #expect(whole.total == expected.count, comment)
            #expect(whole.hasMore == (expected.count > 1_000), comment)

            query.limit = 37
            var byCursor: [Summed] = []
            while byCursor.count < 150 {
                let page = try await stored.store.aggregate(query)
                byCursor += page.values.map(summed)
                guard page.hasMore, let last = page.values.last else { break }
                query.start = .after(last.position)
            }
            #expect(byCursor == Array(expected.prefix(byCursor.count)), comment)
            #expect(byCursor.count >= min(150, expected.count), comment)
            query.start = .offset(37)
            #expect(
                try await stored.store.aggregate(query).values.map(summed) == Array(expected.dropFirst(37).prefix(37)),
                comment)
        }
    }

    private static func summed(_ value: AggregatedValue) -> Summed {
        var result = Summed(
            bucket: value.position.bucket, name: value.position.name, publisher: value.position.publisher,
            count: value.count, unit: value.unit)
        switch value.content {
        case .number(let number): result.number = number
        case .record(let record, let time):
            result.number = record.value
            result.text = record.stringValue
            result.flag = record.boolValue
            result.time = time
        case nil: break
        }
        return result
    }

    private static func reference(_ query: AggregationQuery, _ all: [StoredMessage]) -> [Summed] {
        struct Group: Hashable {
            var name: String
            var publisher: ThingID?
        }
        var buckets: [Int64: [Group: [StoredMessage]]] = [:]
        var groups: Set<Group> = []
        for message in all {
            guard let record = message.record, message.position.time >= query.filter.from ?? .min,
                message.position.time < query.filter.to ?? .max, !query.function.isNumeric || record.value != nil
            else { continue }
            let group = Group(
                name: record.name, publisher: query.grouping == .publisher ? message.publisher : nil)
            let width = Double(query.buckets.width)
            let bucket = Int64((Double(message.position.time) / width).rounded(.down)) * query.buckets.width
            buckets[bucket, default: [:]][group, default: []].append(message)
            groups.insert(group)
        }
        var starts = (0..<query.buckets.count).map { query.buckets.first + $0 * query.buckets.width }
        if query.direction == .descending { starts.reverse() }
        let sorted = groups.sorted {
            ($0.name, $0.publisher?.description ?? "") < ($1.name, $1.publisher?.description ?? "")
        }
        var result: [Summed] = []
        for start in starts {
            for group in sorted {
                let messages = buckets[start]?[group] ?? []
                guard !messages.isEmpty || query.listsGaps else { continue }
                result.append(sum(messages, start, group.name, group.publisher, query.function))
            }
        }
        return result
    }

    private static func sum(
        _ messages: [StoredMessage], _ start: Int64, _ name: String, _ publisher: ThingID?,
        _ function: AggregationQuery.Function
    ) -> Summed {
        var result = Summed(bucket: start, name: name, publisher: publisher, count: messages.count)
        guard !messages.isEmpty else { return result }
        let values = messages.compactMap { $0.record?.value }
        let units = Set(messages.compactMap { $0.record?.unit })
        result.unit = units.count == 1 ? units.first : nil
        let ordered = messages.sorted {
            ($0.position.time, $0.position.sequence) < ($1.position.time, $1.position.sequence)
        }
        switch function {
        case .average: result.number = values.reduce(0, +) / Double(values.count)
        case .minimum: result.number = values.min()
        case .maximum: result.number = values.max()
        case .sum: result.number = values.reduce(0, +)
        case .count: result.number = Double(messages.count)
        case .first, .last:
            let chosen = function == .first ? ordered.first : ordered.last
            result.number = chosen?.record?.value
            result.text = chosen?.record?.stringValue
            result.flag = chosen?.record?.boolValue
            result.unit = chosen?.record?.unit
            result.time = chosen?.position.time
        }
        return result
    }

    @Test func sumsBeyondWhatANumberHoldsAreRefused() async throws {
        var stored = try await StoredRecords.make()
        defer { stored.close() }
        try await stored.add(
            (0..<4).map {
                StoredMessage.make("a", time: Self.noon + Int64($0), value: 1.7e308, publisher: Self.things[0])
            })
        for function in [AggregationQuery.Function.sum, .average] {
            let query = try #require(Self.query(stored, function, "1h", Self.noon, Self.noon + 1_000))
            await #expect {
                _ = try await stored.store.aggregate(query)
            } throws: {
                ($0 as? ServiceError)?.reason == "value-out-of-range"
            }
        }
        let maximum = try #require(Self.query(stored, .maximum, "1h", Self.noon, Self.noon + 1_000))
        #expect(try await stored.store.aggregate(maximum).values.map(Self.summed).first?.number == 1.7e308)
    }
}
