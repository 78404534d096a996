// SPDX-License-Identifier: Apache-2.0
import Core
import Messaging
import NIOCore
import Observability
import Postgres
import TestKit
import Testing

@testable import WriterPostgres

@Suite struct WriterExactlyOnceTests {
    @Test func aRedeliveryMakesNoSecondRow() async throws {
        try await WriterFixture.run { fixture in
            let first = fixture.bus.append(fixture.readings(0..<100))
            try await fixture.eventually { fixture.bus.acknowledged == 100 }
            fixture.bus.deliver(first)
            fixture.bus.deliver(50...60)
            fixture.bus.append(fixture.readings(100..<110))
            try await fixture.eventually { fixture.bus.acknowledged == 110 }
            #expect(try await fixture.storedReadings() == Array(0..<110))
        }
    }

    /// The process dies between commit and acknowledgement: the next one gets everything again.
    @Test func whatWasCommittedAndNotAcknowledgedIsNotStoredAgain() async throws {
        try await WriterFixture.run(starting: false) { fixture in
            fixture.bus.append(fixture.readings(0..<50))
            let store = MessageStore(pool: fixture.pool, clock: fixture.clock)
            var builder = BatchBuilder()
            for message in try await fixture.bus.read(stream: Streams.messages, from: 1, maximumBytes: 1 << 20).prefix(
                30)
            {
                builder.append(message)
            }
            let position = try await store.position(of: fixture.bus.identifier)
            let outcome = try await store.store(
                0..<30, of: builder.take(), stream: fixture.bus.identifier, expected: position)
            #expect(outcome == .stored)
            #expect(fixture.bus.acknowledged == 0)
            let writer = fixture.startWriter()
            try await fixture.eventually { fixture.bus.acknowledged == 50 }
            #expect(try await fixture.storedReadings() == Array(0..<50))
            writer.cancel()
            await writer.value
        }
    }

    @Test func twoWritersAtOnceStoreEverythingOnce() async throws {
        try await WriterFixture.run(configuration: WriterConfiguration(limits: BatchLimits(rows: 50, bytes: 1 << 20))) {
            fixture in
            let second = fixture.startWriter()
            try await fixture.eventually { fixture.bus.readers == 2 }
            for start in stride(from: 0, to: 2_000, by: 20) {
                fixture.bus.append(fixture.readings(start..<(start + 20)))
            }
            try await fixture.eventually { fixture.bus.acknowledged == 2_000 }
            #expect(try await fixture.storedReadings() == Array(0..<2_000))
            second.cancel()
            await second.value
        }
    }

    /// A consumer that two processes share gives each a part: neither may move the position past the other's.
    @Test func aGapThatAnotherReaderHasGotIsReadFromTheStream() async throws {
        try await WriterFixture.run { fixture in
            try await fixture.eventually { fixture.bus.readers == 1 }
            fixture.bus.holdDeliveries()
            fixture.bus.append(fixture.readings(0..<300))
            fixture.bus.deliver(251...300)
            try await fixture.eventually { fixture.bus.acknowledged == 300 }
            #expect(try await fixture.storedReadings() == Array(0..<300))
            #expect(fixture.metrics.lost.value == 0)
        }
    }

    @Test func aRecordLostToCorruptionIsCountedAndPassed() async throws {
        try await WriterFixture.run { fixture in
            try await fixture.eventually { fixture.bus.readers == 1 }
            fixture.bus.holdDeliveries()
            fixture.bus.append(fixture.readings(0..<10))
            fixture.bus.lose(4)
            fixture.bus.deliver(1...10)
            try await fixture.eventually { fixture.bus.acknowledged == 10 }
            #expect(try await fixture.storedReadings() == [0, 1, 2, 4, 5, 6, 7, 8, 9])
            #expect(fixture.metrics.lost.value == 1)
        }
    }

    @Test func whatTheStreamHasDeletedIsCountedAndPassed() async throws {
        try await WriterFixture.run { fixture in
            try await fixture.eventually { fixture.bus.readers == 1 }
            fixture.bus.holdDeliveries()
            fixture.bus.append(fixture.readings(0..<10))
            fixture.bus.delete(through: 3)
            fixture.bus.deliver(8...10)
            try await fixture.eventually { fixture.bus.acknowledged == 10 }
            #expect(try await fixture.storedReadings() == Array(3..<10))
            #expect(fixture.metrics.lost.value == 3)
        }
    }

    /// Nothing was acknowledged under them, so nothing is lost.
    @Test func numbersThatACrashMadeTheStreamSkipAreNoLoss() async throws {
        try await WriterFixture.run { fixture in
            try await fixture.eventually { fixture.bus.readers == 1 }
            fixture.bus.append(fixture.readings(0..<5))
            fixture.bus.skip(7)
            fixture.bus.append(fixture.readings(5..<10))
            try await fixture.eventually { fixture.bus.acknowledged == 17 }
            #expect(try await fixture.storedReadings() == Array(0..<10))
            #expect(fixture.metrics.lost.value == 0)
        }
    }

    /// As behind a database that was restored from a backup: memory must not grow with the gap.
    @Test func aLargeGapIsStoredAsItIsRead() async throws {
        var configuration = WriterConfiguration()
        configuration.limits.rows = 200
        try await WriterFixture.run(configuration: configuration) { fixture in
            try await fixture.eventually { fixture.bus.readers == 1 }
            fixture.bus.holdDeliveries()
            fixture.bus.append(fixture.readings(0..<2_000))
            fixture.bus.deliver(2_000...2_000)
            try await fixture.eventually { fixture.bus.acknowledged == 2_000 }
            #expect(try await fixture.storedReadings() == Array(0..<2_000))
            #expect(fixture.metrics.batches.value >= 2_000 / 300)
        }
    }

    @Test func anotherIncarnationOfTheStreamBeginsAtItsOwnPosition() async throws {
        try await WriterFixture.run { fixture in
            fixture.bus.append(fixture.readings(0..<20))
            try await fixture.eventually { fixture.bus.acknowledged == 20 }
            fixture.bus.beginAnew()
            try await fixture.eventually { fixture.bus.readers == 1 }
            fixture.bus.append(fixture.readings(20..<30))
            try await fixture.eventually { fixture.bus.acknowledged == 10 }
            #expect(try await fixture.storedReadings() == Array(0..<30))
            #expect(try await fixture.count("positions") == 2)
        }
    }

    @Test func aBrokenConnectionToTheBusIsSurvived() async throws {
        try await WriterFixture.run { fixture in
            for round in 0..<5 {
                try await fixture.eventually { fixture.bus.readers == 1 }
                fixture.bus.append(fixture.readings((round * 50)..<(round * 50 + 50)))
                fixture.bus.disconnect()
            }
            try await fixture.eventually { fixture.bus.acknowledged == 250 }
            #expect(try await fixture.storedReadings() == Array(0..<250))
        }
    }

    @Test func theDatabaseMayBeKilledAgainAndAgain() async throws {
        let cluster = try await PostgresCluster.start(fsync: true)
        try await WriterFixture.run(url: cluster.url()) { fixture in
            var sent = 0
            for _ in 0..<3 {
                for _ in 0..<20 {
                    fixture.bus.append(fixture.readings(sent..<(sent + 25)))
                    sent += 25
                }
                try await cluster.kill()
                // Ingest goes on while the database is away.
                fixture.bus.append(fixture.readings(sent..<(sent + 100)))
                sent += 100
                try await cluster.start()
            }
            let total = UInt64(sent)
            try await fixture.eventually { fixture.bus.acknowledged == total }
            #expect(try await fixture.storedReadings() == Array(0..<sent))
            #expect(try await fixture.count("dead_letters") == 0)
        }
        try await cluster.stop()
    }

    @Test func aDatabaseThatIsAwayAtTheStartIsWaitedFor() async throws {
        let cluster = try await PostgresCluster.start()
        try await WriterFixture.run(url: cluster.url(), starting: false) { fixture in
            try await cluster.stop()
            let writer = fixture.startWriter()
            fixture.bus.append(fixture.readings(0..<200))
            try await fixture.eventually { fixture.metrics.failures.value > 0 }
            #expect(fixture.bus.acknowledged == 0)
            try await cluster.start()
            try await fixture.eventually { fixture.bus.acknowledged == 200 }
            #expect(try await fixture.storedReadings() == Array(0..<200))
            writer.cancel()
            await writer.value
        }
        try await cluster.stop()
    }
}
