// SPDX-License-Identifier: Apache-2.0
import Bus
import Core
import Logging
import NIOCore
import Synchronization
import TestKit
import Testing

/// Whatever ends a reading, it is begun again where it was, until nobody wants it any more.
@Suite struct StreamConsumerTests {
    private struct Failure: Error {}

    private final class Record: Sendable {
        private let state = Mutex((sequences: [UInt64](), failures: 0))

        var sequences: [UInt64] { state.withLock { $0.sequences } }
        func note(_ batch: [StreamMessage]) { state.withLock { $0.sequences += batch.map(\.sequence) } }
        func failNext(_ count: Int) { state.withLock { $0.failures = count } }
        func throwIfAsked() throws {
            let fails = state.withLock { state in
                defer { state.failures = max(0, state.failures - 1) }
                return state.failures > 0
            }
            if fails { throw Failure() }
        }
    }

    private static func consumer(of bus: ScriptedBus) -> StreamConsumer {
        StreamConsumer(
            bus: bus, stream: "test", ConsumerConfiguration(name: "reader"), backOff: BackOff(base: .milliseconds(1)),
            logger: Logger(label: "reader") { _ in SwiftLogNoOpLogHandler() })
    }

    /// Reads beside `body`, acknowledging each batch behind its handling.
    private func reading(
        _ bus: ScriptedBus, failing failures: Int = 0, _ body: (Record) async throws -> Void
    ) async throws {
        let record = Record()
        record.failNext(failures)
        let running = Task {
            await Self.consumer(of: bus).forEachBatch { batch, consumer in
                try record.throwIfAsked()
                record.note(batch)
                if let last = batch.last { consumer.acknowledge(through: last.sequence) }
            }
        }
        do {
            try await body(record)
        } catch {
            running.cancel()
            throw error
        }
        running.cancel()
        await running.value
    }

    private let three = (1...3).map { ByteBuffer(string: "\($0)") }

    @Test func aReadingThatEndsIsBegunAgainBehindWhatIsAcknowledged() async throws {
        let bus = ScriptedBus()
        try await reading(bus) { record in
            try await eventually("it reads") { bus.readers == 1 }
            bus.append(three)
            try await eventually("the first are acknowledged") { bus.acknowledged == 3 }
            bus.refuseReaders(3)
            bus.disconnect()
            bus.append(three)
            try await eventually("the others, too") { bus.acknowledged == 6 }
            #expect(record.sequences == [1, 2, 3, 4, 5, 6])
        }
        // One by the end of its connection, one by the end of the service.
        #expect(bus.closed == 2)
    }

    @Test func aBatchWhoseHandlingFailsComesAgain() async throws {
        let bus = ScriptedBus()
        bus.append(three)
        try await reading(bus, failing: 2) { record in
            try await eventually("they are acknowledged") { bus.acknowledged == 3 }
            #expect(record.sequences == [1, 2, 3])
            #expect(bus.readers == 3 && bus.closed == 2)
        }
        #expect(bus.verdicts == [.acknowledgedThrough(3)])
    }

    @Test func aReaderThatReturnsIsClosedAndAnotherOneOpened() async throws {
        let bus = ScriptedBus()
        let running = Task { await Self.consumer(of: bus).run { _ in } }
        try await eventually("several readings") { bus.closed >= 3 }
        running.cancel()
        await running.value
        #expect(bus.closed == bus.readers)
    }

    @Test func whoIsCancelledWhileThereIsNoBusEnds() async throws {
        let bus = ScriptedBus()
        bus.refuseReaders(.max)
        let running = Task { await Self.consumer(of: bus).forEachBatch { _, _ in } }
        running.cancel()
        try await within(.seconds(60), "it ends") { await running.value }
        #expect(bus.readers == 0 && bus.verdicts.isEmpty)
    }
}
