// SPDX-License-Identifier: Apache-2.0
import Core
import Messaging
import NIOCore
import Postgres
import TestKit
import Testing

@testable import WriterPostgres

@Suite struct WriterContentTests {
    private static let second: Int64 = 1_000_000_000

    @Test func everyKindOfSenMLValueIsStoredAsWhatItIs() async throws {
        try await WriterFixture.run { fixture in
            let time: Int64 = 1_700_000_000
            let pack = """
                [{"bn":"dev:","bt":\(time),"bu":"Cel","n":"t","v":21.5,"ut":60},{"n":"s","vs":"on \\u00fc","t":1},
                {"n":"b","vb":false,"t":2},{"n":"d","vd":"AAH_","t":3},{"n":"sum","s":7.25,"t":4,"u":"W"}]
                """
            let cbor: [UInt8] =
                [
                    0x81, 0xA3, 0x00, 0x64,
                ] + Array("cbor".utf8) + [
                    0x02, 0x18, 0x2A, 0x06, 0x1A, 0x65, 0x53, 0xF1, 0x00,
                ]
            fixture.bus.append([
                fixture.message(.senmlJSON, ByteBuffer(string: pack)),
                fixture.message(.senmlCBOR, ByteBuffer(bytes: cbor), subtopic: ""),
            ])
            try await fixture.eventually { fixture.bus.acknowledged == 2 }
            let rows = try await fixture.pool.execute(
                """
                SELECT name, unit, value, string_value, bool_value, data_value, sum, update_time, time, sequence, record,
                    channel, domain, publisher, subtopic, protocol FROM senml WHERE sequence = 1 ORDER BY record
                """)
            #expect(
                try rows.map { try $0.decode(String.self, at: 0) } == ["dev:t", "dev:s", "dev:b", "dev:d", "dev:sum"])
            #expect(try rows.map { try $0.decode(String?.self, at: 1) } == ["Cel", "Cel", "Cel", "Cel", "W"])
            #expect(try rows.map { try $0.decode(Double?.self, at: 2) } == [21.5, nil, nil, nil, nil])
            #expect(try rows.map { try $0.decode(String?.self, at: 3) } == [nil, "on ü", nil, nil, nil])
            #expect(try rows.map { try $0.decode(Bool?.self, at: 4) } == [nil, nil, false, nil, nil])
            #expect(try rows.map { try $0.decode([UInt8]?.self, at: 5) } == [nil, nil, nil, [0, 1, 0xFF], nil])
            #expect(try rows.map { try $0.decode(Double?.self, at: 6) } == [nil, nil, nil, nil, 7.25])
            #expect(try rows.map { try $0.decode(Double?.self, at: 7) } == [60, nil, nil, nil, nil])
            #expect(
                try rows.map { try $0.decode(Int64.self, at: 8) }
                    == (0..<5).map { (time + $0) * Self.second })
            let row = try #require(rows.first)
            #expect(try row.decode(ChannelID.self, at: 11) == fixture.channel)
            #expect(try row.decode(DomainID.self, at: 12) == fixture.domain)
            #expect(try row.decode(ThingID.self, at: 13) == fixture.thing)
            #expect(try row.decode(String.self, at: 14) == "room.1")
            #expect(try row.decode(String.self, at: 15) == "http")
            let fromCBOR = try #require(
                try await fixture.pool.execute("SELECT name, value, time, subtopic FROM senml WHERE sequence = 2").first
            )
            let (name, value, stored, subtopic) = try fromCBOR.decode((String, Double, Int64, String).self)
            #expect(name == "cbor" && value == 42 && subtopic == "")
            #expect(stored == 0x6553_F100 * Self.second)
        }
    }

    @Test func jsonAndBinaryGoIntoTheirTables() async throws {
        try await WriterFixture.run { fixture in
            let created = fixture.clock.now()
            fixture.bus.append([
                fixture.message(
                    .json, ByteBuffer(string: #" {"a": [1, {"b": null}], "\\u0000": 1} "#), created: created),
                fixture.message(.octetStream, ByteBuffer(bytes: [0, 1, 2]), created: created),
                fixture.message(.other("text/plain"), ByteBuffer(string: "hello"), created: created),
                fixture.message(.octetStream, ByteBuffer(), created: created),
            ])
            try await fixture.eventually { fixture.bus.acknowledged == 4 }
            let json = try #require(
                try await fixture.pool.execute("SELECT payload, created, channel, sequence FROM json").first)
            #expect(try json.decode(PostgresJSON.self, at: 0).text == #"{"a": [1, {"b": null}], "\\u0000": 1}"#)
            #expect(try json.decode(Int64.self, at: 1) == created)
            #expect(try json.decode(ChannelID.self, at: 2) == fixture.channel)
            let blobs = try await fixture.pool.execute("SELECT content_type, payload FROM blobs ORDER BY sequence")
            #expect(
                try blobs.map { try $0.decode(String.self, at: 0) }
                    == ["application/octet-stream", "text/plain", "application/octet-stream"])
            #expect(try blobs.map { try $0.decode([UInt8].self, at: 1) } == [[0, 1, 2], Array("hello".utf8), []])
            #expect(try await fixture.count("dead_letters") == 0)
        }
    }

    /// One of each kind of poison among good ones, in one batch.
    @Test func poisonBecomesDeadLettersAndSparesItsNeighbours() async throws {
        try await WriterFixture.run(starting: false) { fixture in
            var poison: [(ByteBuffer, reason: String)] = [
                (ByteBuffer(bytes: [0xFF, 0xFF]), "envelope-truncated"),
                (fixture.message(.senmlJSON, ByteBuffer(string: "[{")), "senml-"),
                (fixture.message(.senmlJSON, ByteBuffer(string: #"[{"n":"a","v":1,"x_":2}]"#)), "senml-reserved-label"),
                (fixture.message(.json, ByteBuffer(string: #"{"a":}"#)), ""),
                (fixture.message(.json, ByteBuffer(string: #"{"a":"\u0000"}"#)), "null-character"),
                // Valid JSON that only the server can refuse: a number that its numeric type cannot hold, twice.
                (fixture.message(.json, ByteBuffer(string: #"{"a":1e999999}"#)), "database-22003"),
                (fixture.message(.json, ByteBuffer(string: #"{"b":1e999999}"#)), "database-22003"),
            ]
            poison.append((fixture.message(.senmlCBOR, ByteBuffer(bytes: [0x81])), "senml-"))
            var payloads: [ByteBuffer] = []
            for (index, bad) in poison.enumerated() {
                payloads += fixture.readings((index * 40)..<(index * 40 + 40))
                payloads.append(bad.0)
            }
            // A pack of which one record alone cannot be stored.
            payloads.append(
                fixture.message(
                    .senmlJSON, ByteBuffer(string: #"[{"n":"ok","v":1},{"n":"nul","vs":"a\u0000b"},{"n":"ok","v":2}]"#))
            )
            let all = fixture.bus.append(payloads)
            let writer = fixture.startWriter()
            try await fixture.eventually { fixture.bus.acknowledged == all.upperBound }
            #expect(try await fixture.storedReadings() == Array(0..<(40 * poison.count)))
            #expect(try await fixture.count("senml WHERE name = 'ok'") == 2)
            let letters = try await fixture.deadLetters()
            #expect(letters.map(\.sequence) == (1...poison.count).map { $0 * 41 } + [Int(all.upperBound)])
            for (letter, bad) in zip(letters, poison) {
                #expect(letter.reason.hasPrefix(bad.reason))
                #expect(letter.record == -1)
            }
            #expect(letters.last?.record == 1)
            #expect(letters.last?.reason == "null-character")
            #expect(fixture.metrics.rejectedCount("database-22003") == 2)
            let kept = try #require(
                try await fixture.pool.execute(
                    "SELECT envelope, subject, message FROM dead_letters WHERE sequence = 41"
                ).first)
            #expect(try kept.decode(ByteBuffer.self, at: 0) == poison[0].0)
            #expect(try kept.decode(String.self, at: 1) == "channels.test")
            #expect(try kept.decode(String.self, at: 2).isEmpty == false)
            writer.cancel()
            await writer.value
        }
    }
}

@Suite struct WriterPartitionTests {
    private static let day = Day.nanoseconds

    private func partitions(_ fixture: WriterFixture) async throws -> [String] {
        try await fixture.pool.execute(
            """
            SELECT relname FROM pg_class JOIN pg_inherits ON inhrelid = oid
            WHERE inhparent = to_regclass('senml') ORDER BY relname
            """
        ).map { try $0.decode(String.self, at: 0) }
    }

    @Test func devicesWithWrongClocksMakeNoPartitions() async throws {
        let now: Int64 = 1_763_700_000 * 1_000_000_000  // 2025-11-21
        let clock = WallClock { now }
        try await WriterFixture.run(clock: clock, configuration: WriterConfiguration(partitionPastDays: 3)) { fixture in
            fixture.bus.append([
                fixture.reading(0, time: now), fixture.reading(1, time: now - 2 * Self.day),
                fixture.reading(2, time: now - 400 * Self.day), fixture.reading(3, time: now + 900 * Self.day),
                fixture.reading(4, time: now + Self.day), fixture.reading(5, time: now - 4 * Self.day),
            ])
            try await fixture.eventually { fixture.bus.acknowledged == 6 }
            #expect(try await fixture.storedReadings() == Array(0..<6))
            try await fixture.eventually {
                try await partitions(fixture) == [
                    "senml_default", "senml_p20251119", "senml_p20251121", "senml_p20251122",
                ]
            }
            #expect(try await fixture.count("ONLY senml_default") == 3)
        }
    }

    @Test func rowsOfTheDefaultPartitionMoveWhenTheirDayComes() async throws {
        let start: Int64 = 1_763_700_000 * 1_000_000_000
        let url = try await PostgresCluster.shared().createDatabase()
        try await WriterFixture.run(url: url, clock: WallClock { start }) { fixture in
            fixture.bus.append([fixture.reading(0, time: start + 5 * Self.day)])
            try await fixture.eventually { fixture.bus.acknowledged == 1 }
            #expect(try await fixture.count("ONLY senml_default") == 1)
        }
        let later = start + 5 * Self.day
        try await WriterFixture.run(url: url, clock: WallClock { later }) { fixture in
            fixture.bus.append([fixture.reading(1, time: later)])
            try await fixture.eventually { fixture.bus.acknowledged == 1 }
            #expect(try await fixture.storedReadings() == [0, 1])
            #expect(try await fixture.count("ONLY senml_default") == 0)
            #expect(try await fixture.count("senml_p20251126") == 2)
        }
    }

    @Test func retentionDropsWhatIsOlderAndADryRunNothing() async throws {
        let now: Int64 = 1_763_700_000 * 1_000_000_000
        let clock = WallClock { now }
        try await WriterFixture.run(clock: clock) { fixture in
            fixture.bus.append(
                [0, 5, 10, 40].map { fixture.reading($0, time: now - Int64($0) * Self.day) }
                    + [fixture.reading(500, time: now - 500 * Self.day)])
            try await fixture.eventually { fixture.bus.acknowledged == 5 }
            let retention = Retention(pool: fixture.pool, days: 7, clock: clock, logger: quiet)
            let plan = try #require(try await retention.plan())
            #expect(plan.partitions.map(\.name.name) == ["senml_p20251012", "senml_p20251111"])
            #expect(try await fixture.storedReadings() == [0, 5, 10, 40, 500])
            try await retention.apply(plan)
            #expect(try await fixture.storedReadings() == [0, 5])
            // A late message for a day that was dropped finds a place again.
            fixture.bus.append([fixture.reading(10, time: now - 10 * Self.day)])
            try await fixture.eventually { fixture.bus.acknowledged == 6 }
            #expect(try await fixture.storedReadings() == [0, 5, 10])
            let forEver = Retention(pool: fixture.pool, days: 0, clock: clock, logger: quiet)
            #expect(try await forEver.plan() == nil)
        }
    }

    @Test(arguments: [
        (-1, "19691231"), (0, "19700101"), (59, "19700301"), (11_016, "20000229"), (11_017, "20000301"),
        (20_413, "20251121"), (106_751, "22620411"), (-106_752, "16770921"),
    ])
    func daysAreNamedByTheCalendar(_ number: Int64, _ digits: String) {
        #expect(Day(number: number).digits == digits)
        #expect(Day(digits: Substring(digits))?.number == number)
        #expect(Day(containing: Day(number: number).start) == Day(number: number))
    }
}
