// SPDX-License-Identifier: Apache-2.0
import Bus
import Core
import NIOCore
import TestKit
import Testing

/// Durable consumers.
@Suite struct ConsumerContractTests {
    private func publish(_ range: Range<Int>, to bus: any Bus, _ subject: String = "test.a") async throws {
        for number in range { _ = try await bus.publishDurably(BusMessage(subject, String(number))) }
    }

    @Test(arguments: engines) func aConsumerResumesBehindWhatIsAcknowledged(engine: any BusEngine) async throws {
        try await withEngine(engine) { running in
            let bus = try await running.connect()
            try await bus.declareStream(testStream())
            try await publish(1..<101, to: bus)
            let first = try await bus.consume(stream: "test", ConsumerConfiguration(name: "reader"))
            #expect(first.stream.id == (try await bus.streamState("test").id))
            #expect(try await first.take(100).map(\.text) == names(1..<101))
            first.acknowledge(through: 40)
            // Out of order, one at a time.
            first.acknowledge(42)
            try await eventually("they are acknowledged") {
                let state = try await bus.consumerState(stream: "test", consumer: "reader")
                return state.acknowledgedThrough == 40 && state.unacknowledged == 59
            }
            await first.cancel()
            let second = try await bus.consume(stream: "test", ConsumerConfiguration(name: "reader"))
            let again = try await second.take(59)
            #expect(again.map(\.sequence) == [41] + Array(43...100))
            #expect(again.allSatisfy { $0.deliveryCount == 2 })
            second.acknowledge(41)
            try await eventually("the gap is closed") {
                try await bus.consumerState(stream: "test", consumer: "reader").acknowledgedThrough == 42
            }
        }
    }

    @Test(arguments: engines) func aFilterSelects(engine: any BusEngine) async throws {
        try await withEngine(engine) { running in
            let bus = try await running.connect()
            try await bus.declareStream(testStream())
            for number in 1...30 { try await publish(number..<number + 1, to: bus, "test.\(number % 3)") }
            let consumer = try await bus.consume(
                stream: "test", ConsumerConfiguration(name: "reader", filter: "test.1", startSequence: 10))
            let received = try await consumer.take(7)
            #expect(received.map(\.sequence) == [10, 13, 16, 19, 22, 25, 28])
            #expect(received.allSatisfy { $0.subject == "test.1" && $0.deliveryCount == 1 })
        }
    }

    @Test(arguments: engines) func theWindowBoundsWhatIsDelivered(engine: any BusEngine) async throws {
        try await withEngine(engine) { running in
            let bus = try await running.connect()
            try await bus.declareStream(testStream())
            try await publish(1..<31, to: bus)
            let consumer = try await bus.consume(
                stream: "test",
                ConsumerConfiguration(name: "reader", maximumUnacknowledgedMessages: 10))
            let collector = Collector(consumer.batches)
            try await eventually("the window is full") { collector.count == 10 }
            let state = try await bus.consumerState(stream: "test", consumer: "reader")
            #expect(state.unacknowledged == 10)
            consumer.acknowledge(through: 5)
            try await eventually("five more") { collector.count == 15 }
            consumer.acknowledge(through: 15)
            try await eventually("ten more") { collector.count == 25 }
            consumer.acknowledge(through: 25)
            try await eventually("the rest") { collector.count == 30 }
            #expect(collector.elements.map(\.sequence) == Array(1...30))
        }
    }

    @Test(arguments: engines) func whatIsNotAcknowledgedInTimeComesAgain(engine: any BusEngine) async throws {
        try await withEngine(engine) { running in
            let bus = try await running.connect()
            try await bus.declareStream(testStream())
            try await publish(1..<4, to: bus)
            let consumer = try await bus.consume(
                stream: "test", ConsumerConfiguration(name: "reader", acknowledgeWaitMilliseconds: 200))
            let collector = Collector(consumer.batches)
            try await eventually("all come") { collector.count >= 3 }
            consumer.acknowledge(1)
            consumer.acknowledge(3)
            try await eventually("the second comes again") {
                collector.elements.contains { $0.sequence == 2 && $0.deliveryCount == 2 }
            }
            consumer.acknowledge(2)
            try await eventually("all is acknowledged") {
                try await bus.consumerState(stream: "test", consumer: "reader").acknowledgedThrough == 3
            }
        }
    }

    @Test(arguments: engines) func aRejectedMessageComesAgainAtOnce(engine: any BusEngine) async throws {
        try await withEngine(engine) { running in
            let bus = try await running.connect()
            try await bus.declareStream(testStream())
            try await publish(1..<2, to: bus)
            let consumer = try await bus.consume(
                stream: "test", ConsumerConfiguration(name: "reader", acknowledgeWaitMilliseconds: 3_600_000))
            let collector = Collector(consumer.batches)
            try await eventually("it comes") { collector.count == 1 }
            consumer.reject(1, redeliverAfter: .milliseconds(10))
            try await eventually("it comes again") { collector.elements.last?.deliveryCount == 2 }
        }
    }

    @Test(arguments: engines) func whatIsGivenUpIsADeadLetter(engine: any BusEngine) async throws {
        try await withEngine(engine) { running in
            let bus = try await running.connect()
            try await bus.declareStream(testStream())
            try await publish(1..<3, to: bus)
            let consumer = try await bus.consume(
                stream: "test", ConsumerConfiguration(name: "reader", acknowledgeWaitMilliseconds: 3_600_000))
            #expect(try await consumer.take(2).count == 2)
            consumer.giveUp(1, reason: "unreadable")
            try await eventually("it counts as acknowledged") {
                let state = try await bus.consumerState(stream: "test", consumer: "reader")
                return state.acknowledgedThrough == 1 && state.deadLettered == 1
            }
            let dead = try await deadLetters(1, of: bus)
            #expect(dead.map(\.subject) == ["dead.test.reader"] && dead.map(\.text) == ["1"])
            let stored = try await bus.read(stream: "test", from: 1, maximumBytes: 1 << 20)
            #expect(
                dead.first?.headers.deadLetter
                    == DeadLetterOrigin(
                        subject: "test.a", sequence: 1, storedAt: stored[0].storedAt, deliveryCount: 1,
                        reason: "unreadable"))
        }
    }

    @Test(arguments: engines) func whatIsDeliveredTooOftenIsADeadLetter(engine: any BusEngine) async throws {
        try await withEngine(engine) { running in
            let bus = try await running.connect()
            try await bus.declareStream(testStream())
            try await publish(1..<3, to: bus)
            let consumer = try await bus.consume(
                stream: "test",
                ConsumerConfiguration(name: "reader", acknowledgeWaitMilliseconds: 100, maximumDeliveries: 2))
            let collector = Collector(consumer.batches)
            try await eventually("both are given up") {
                let state = try await bus.consumerState(stream: "test", consumer: "reader")
                return state.acknowledgedThrough == 2 && state.deadLettered == 2
            }
            #expect(collector.elements.filter { $0.sequence == 2 }.map(\.deliveryCount) == [1, 2])
            let origins = try await deadLetters(2, of: bus).compactMap(\.headers.deadLetter)
            #expect(Set(origins.map(\.sequence)) == [1, 2])
            #expect(origins.allSatisfy { $0.deliveryCount == 2 && $0.subject == "test.a" && !$0.reason.isEmpty })
        }
    }

    private func deadLetters(_ count: Int, of bus: any Bus) async throws -> [StreamMessage] {
        var dead: [StreamMessage] = []
        try await eventually("they are stored") {
            dead = try await bus.read(stream: "dead-letters", from: 1, maximumBytes: 1 << 20)
            return dead.count >= count
        }
        return dead
    }

    @Test(arguments: engines) func aSecondReaderTakesOver(engine: any BusEngine) async throws {
        try await withEngine(engine) { running in
            let (bus, other) = (try await running.connect(), try await running.connect())
            try await bus.declareStream(testStream())
            let first = Collector(
                try await bus.consume(stream: "test", ConsumerConfiguration(name: "reader")).batches)
            let second = try await other.consume(stream: "test", ConsumerConfiguration(name: "reader"))
            try await eventually("the first ends") { first.hasEnded }
            #expect(first.error == .takenOver)
            try await publish(1..<3, to: bus)
            #expect(try await second.take(2).map(\.text) == ["1", "2"])
        }
    }

    @Test(arguments: engines) func aDeletedConsumerBeginsAnew(engine: any BusEngine) async throws {
        try await withEngine(engine) { running in
            let bus = try await running.connect()
            try await bus.declareStream(testStream())
            try await publish(1..<4, to: bus)
            let consumer = try await bus.consume(stream: "test", ConsumerConfiguration(name: "reader"))
            _ = try await consumer.take(3)
            consumer.acknowledge(through: 3)
            try await eventually("all is acknowledged") {
                try await bus.consumerState(stream: "test", consumer: "reader").acknowledgedThrough == 3
            }
            await consumer.cancel()
            try await bus.deleteConsumer(stream: "test", consumer: "reader")
            await expectError(.notFound) { _ = try await bus.consumerState(stream: "test", consumer: "reader") }
            let again = try await bus.consume(stream: "test", ConsumerConfiguration(name: "reader"))
            #expect(try await again.take(3).map(\.sequence) == [1, 2, 3])
            await expectError(.notFound) {
                _ = try await bus.consume(stream: "none", ConsumerConfiguration(name: "reader"))
            }
        }
    }
}
