// SPDX-License-Identifier: Apache-2.0
import Bus
import Core
import Messaging
import NIOCore
import Postgres
import TestKit
import Testing

@testable import ReaderPostgres
@testable import WriterPostgres

/// The last message of each channel and subtopic, as the writer points to it and the reader finds it.
@Suite struct LastMessageTests {
    private static let second: Int64 = 1_000_000_000

    private static func text(_ message: LastMessage?) -> String? { message.map { String(buffer: $0.payload) } }

    @Test func eachResourceHasItsOwn() async throws {
        try await WriterFixture.run { fixture in
            let store = PostgresMessageStore(pool: fixture.pool, clock: fixture.clock)
            func last(_ subtopic: String) async throws -> LastMessage? {
                try await store.lastMessage(channel: fixture.channel, subtopic: subtopic)
            }
            #expect(try await last("room.1") == nil)
            let pack =
                #"[{"bn":"a:","bt":1700000000,"n":"late","v":1,"t":90000},{"n":"early","u":"Cel","v":-0.5},{"n":"s","vs":"x","t":1}]"#
            fixture.bus.append([
                fixture.message(.senmlJSON, ByteBuffer(string: #"[{"n":"old","v":1}]"#)),
                fixture.message(.senmlJSON, ByteBuffer(string: pack), created: 42),
                fixture.message(.json, ByteBuffer(string: #"{"b":1,"a":[]}"#), created: 43, subtopic: "doc"),
                fixture.message(.other("image/x"), ByteBuffer(bytes: [0, 1]), created: 44, subtopic: ""),
                // What makes no row does not take the place of what did: base fields only, a pack that is refused, JSON that is none.
                fixture.message(.senmlJSON, ByteBuffer(string: #"[{"bn":"b"}]"#)),
                fixture.message(.senmlJSON, ByteBuffer(string: "[]")),
                fixture.message(.json, ByteBuffer(string: "{"), subtopic: "doc"),
            ])
            try await fixture.eventually { fixture.bus.acknowledged == 7 }
            let room = try await last("room.1")
            #expect(room?.sequence == 2 && room?.created == 42 && room?.contentType == "application/senml+json")
            #expect(
                Self.text(room)
                    == #"[{"n":"a:early","u":"Cel","t":1700000000,"v":-0.5},{"n":"a:s","t":1700000001,"vs":"x"},{"n":"a:late","t":1700090000,"v":1}]"#
            )
            #expect(
                try await last("doc")
                    == LastMessage(
                        sequence: 3, created: 43, contentType: "application/json",
                        payload: ByteBuffer(string: #"{"a": [], "b": 1}"#)))
            #expect(
                try await last("")
                    == LastMessage(
                        sequence: 4, created: 44, contentType: "image/x", payload: ByteBuffer(bytes: [0, 1])))
            #expect(try await last("room") == nil)
            #expect(try await store.lastMessage(channel: .new(), subtopic: "room.1") == nil)
            // Another kind takes its place.
            fixture.bus.append([fixture.message(.octetStream, ByteBuffer(bytes: [7]), created: 50)])
            try await fixture.eventually { fixture.bus.acknowledged == 8 }
            #expect(try await last("room.1")?.sequence == 8)
            #expect(try await fixture.count("last_messages") == 3)
        }
    }

    /// A message that only the server refuses makes the writer halve its batch: each half points to its own.
    @Test func aHalvedBatchPointsToItsLast() async throws {
        try await WriterFixture.run(starting: false) { fixture in
            let store = PostgresMessageStore(pool: fixture.pool, clock: fixture.clock)
            let unstorable = fixture.message(.json, ByteBuffer(string: #"{"a":1e999999}"#), subtopic: "room.1")
            var messages = fixture.readings(0..<20)
            messages.insert(unstorable, at: 11)
            messages.append(unstorable)
            fixture.bus.append(messages)
            let writer = fixture.startWriter()
            defer { writer.cancel() }
            try await fixture.eventually { fixture.bus.acknowledged == 22 }
            #expect(try await fixture.deadLetters().map(\.sequence) == [12, 22])
            let last = try await store.lastMessage(channel: fixture.channel, subtopic: "room.1")
            #expect(last?.sequence == 21)
            #expect(try #require(Self.text(last)).contains(#""v":19}"#))
        }
    }

    /// A log that was lost begins anew with small numbers: what comes last is last all the same.
    @Test func aNewIncarnationOfTheStreamGoesOn() async throws {
        let url = try await PostgresCluster.shared().createDatabase()
        let channel = ChannelID.new()
        for (created, payloads, expected) in [(1, ["[1]", "[2]", "[3]"], "[3]"), (2, ["[4]"], "[4]")]
            as [(Int64, [String], String)]
        {
            try await WriterFixture.run(url: url) { fixture in
                var envelope = ByteBuffer()
                fixture.bus.append(
                    payloads.map { payload in
                        envelope.clear()
                        RawMessage(
                            domain: fixture.domain, channel: channel, subtopic: "", publisher: fixture.thing,
                            transport: .http, contentType: .json, created: created, payload: ByteBuffer(string: payload)
                        ).encode(into: &envelope)
                        return envelope
                    })
                try await fixture.eventually { fixture.bus.acknowledged == payloads.count }
                let store = PostgresMessageStore(pool: fixture.pool, clock: fixture.clock)
                #expect(Self.text(try await store.lastMessage(channel: channel, subtopic: "")) == expected)
            }
        }
    }

    /// Times that SenML cannot tell from relative ones are left out; a pack of nothing else is none.
    @Test func timesBefore1978AreLeftOut() async throws {
        try await WriterFixture.run { fixture in
            let store = PostgresMessageStore(pool: fixture.pool, clock: fixture.clock)
            // Relative to 1970, when the message says it was received.
            fixture.bus.append([
                fixture.message(.senmlJSON, ByteBuffer(string: #"[{"n":"a","v":1}]"#), created: 1),
                fixture.message(
                    .senmlJSON, ByteBuffer(string: #"[{"n":"a","v":1},{"n":"b","v":2,"t":1700000000}]"#), created: 1,
                    subtopic: "two"),
            ])
            try await fixture.eventually { fixture.bus.acknowledged == 2 }
            #expect(try await store.lastMessage(channel: fixture.channel, subtopic: "room.1") == nil)
            let two = try await store.lastMessage(channel: fixture.channel, subtopic: "two")
            #expect(Self.text(two) == #"[{"n":"b","t":1700000000,"v":2}]"#)
        }
    }

    /// Base names make packs short that are long when resolved.
    @Test func aPackThatGrowsBeyondAMessageIsRefused() async throws {
        try await WriterFixture.run { fixture in
            let store = PostgresMessageStore(pool: fixture.pool, clock: fixture.clock)
            let name = String(repeating: "n", count: Limits.nameBytes - 4)
            let records = (0..<1_100).map { #"{"n":"\#($0)","v":\#($0)}"# }
            let pack = #"[{"bn":"\#(name)"},"# + records.joined(separator: ",") + "]"
            fixture.bus.append([fixture.message(.senmlJSON, ByteBuffer(string: pack))])
            try await fixture.eventually { fixture.bus.acknowledged == 1 }
            await #expect {
                try await store.lastMessage(channel: fixture.channel, subtopic: "room.1")
            } throws: { error in
                (error as? ServiceError)?.reason == "last-message-too-large"
            }
        }
    }

    @Test func retentionForgetsIt() async throws {
        let now: Int64 = 1_763_700_000 * Self.second
        let clock = WallClock { now }
        try await WriterFixture.run(clock: clock) { fixture in
            fixture.bus.append([
                fixture.message(.json, ByteBuffer(string: "1"), created: now - 10 * Day.nanoseconds, subtopic: "old"),
                fixture.message(.json, ByteBuffer(string: "2"), created: now, subtopic: "new"),
                // Its records are older than the message.
                fixture.reading(1, time: now - 10 * Day.nanoseconds),
            ])
            try await fixture.eventually { fixture.bus.acknowledged == 3 }
            let retention = Retention(pool: fixture.pool, days: 7, clock: clock, logger: quiet)
            try await retention.apply(try #require(try await retention.plan()))
            #expect(
                try await fixture.pool.execute("SELECT subtopic FROM last_messages ORDER BY subtopic").map {
                    try $0.decode(String.self, at: 0)
                } == ["new", "room.1"])
            let store = PostgresMessageStore(pool: fixture.pool, clock: clock)
            #expect(try await store.lastMessage(channel: fixture.channel, subtopic: "old") == nil)
            #expect(Self.text(try await store.lastMessage(channel: fixture.channel, subtopic: "new")) == "2")
            #expect(try await store.lastMessage(channel: fixture.channel, subtopic: "room.1") == nil)
        }
    }
}
