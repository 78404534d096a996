// SPDX-License-Identifier: Apache-2.0
import Bus
import NIOCore
import TestKit
import Testing

/// Publish, subscribe, queue groups.
@Suite struct CoreContractTests {
    @Test(arguments: engines) func aPublishersOrderIsKept(engine: any BusEngine) async throws {
        try await withEngine(engine) { running in
            let (publisher, subscriber) = (try await running.connect(), try await running.connect())
            let subscription = try await subscriber.subscribe("order.>", queueGroup: nil)
            for number in 0..<20_000 { try await publisher.publish(BusMessage("order.a", String(number))) }
            let received = try await subscription.take(20_000)
            #expect(received.map(\.text) == names(0..<20_000))
            #expect(received.allSatisfy { $0.subject == "order.a" && $0.reply == nil && $0.headers.isEmpty })
        }
    }

    @Test(arguments: engines) func wildcardsSelect(engine: any BusEngine) async throws {
        try await withEngine(engine) { running in
            let bus = try await running.connect()
            let one = try await bus.subscribe("a.*.c", queueGroup: nil)
            let tail = try await bus.subscribe("a.>", queueGroup: nil)
            let literal = try await bus.subscribe("a.b", queueGroup: nil)
            for subject in ["a", "a.b", "a.b.c", "a.x.c", "a.b.c.d", "b.b.c", "a.end.c"] {
                try await bus.publish(BusMessage(subject, subject))
            }
            // What comes last in each shows that nothing else came before it.
            #expect(try await one.take(3).map(\.text) == ["a.b.c", "a.x.c", "a.end.c"])
            #expect(try await tail.take(5).map(\.text) == ["a.b", "a.b.c", "a.x.c", "a.b.c.d", "a.end.c"])
            #expect(try await literal.take(1).map(\.text) == ["a.b"])
        }
    }

    @Test(arguments: engines) func headersReplyAndPayloadTravel(engine: any BusEngine) async throws {
        try await withEngine(engine) { running in
            let bus = try await running.connect()
            let subscription = try await bus.subscribe("carry", queueGroup: nil)
            let sent = BusMessage(
                subject: "carry", reply: "carry.answer",
                headers: BusHeaders(
                    messageID: "id-1", traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),
                payload: ByteBuffer(bytes: (0..<100_000).map { UInt8(truncatingIfNeeded: $0 * 7) }))
            let empty = BusMessage(subject: "carry", payload: ByteBuffer())
            try await bus.publish(sent)
            try await bus.publish(empty)
            #expect(try await subscription.take(2) == [sent, empty])
        }
    }

    @Test(arguments: engines) func aQueueGroupSharesAndOthersSeeAll(engine: any BusEngine) async throws {
        try await withEngine(engine) { running in
            let (first, second) = (try await running.connect(), try await running.connect())
            let publisher = try await running.connect()
            let members = [
                Collector(try await first.subscribe("work.>", queueGroup: "workers").batches),
                Collector(try await second.subscribe("work.>", queueGroup: "workers").batches),
                Collector(try await second.subscribe("work.*", queueGroup: "workers").batches),
            ]
            let all = Collector(try await second.subscribe("work.>", queueGroup: nil).batches)
            let other = Collector(try await first.subscribe("work.>", queueGroup: "others").batches)
            for number in 0..<3000 { try await publisher.publish(BusMessage("work.x", String(number))) }
            try await eventually("everybody has its share") {
                members.map(\.count).reduce(0, +) >= 3000 && all.count >= 3000 && other.count >= 3000
            }
            let shared = members.flatMap { $0.elements.map(\.text) }
            #expect(shared.count == 3000)
            #expect(Set(shared) == Set(names(0..<3000)))
            #expect(members.allSatisfy { $0.count > 0 })
            #expect(all.elements.map(\.text) == names(0..<3000))
            #expect(other.elements.map(\.text) == names(0..<3000))
        }
    }

    @Test(arguments: engines) func aCancelledSubscriptionEndsAndTheOthersGoOn(engine: any BusEngine) async throws {
        try await withEngine(engine) { running in
            let bus = try await running.connect()
            let cancelled = try await bus.subscribe("c.>", queueGroup: nil)
            let other = try await bus.subscribe("c.>", queueGroup: nil)
            let collector = Collector(cancelled.batches)
            try await bus.publish(BusMessage("c.1", "1"))
            try await eventually("the first arrives") { collector.count == 1 }
            await cancelled.cancel()
            try await eventually("the sequence ends") { collector.hasEnded }
            #expect(collector.error == nil)
            try await bus.publish(BusMessage("c.2", "2"))
            #expect(try await other.take(2).map(\.text) == ["1", "2"])
            #expect(collector.count == 1)
        }
    }

    @Test(arguments: engines) func tenThousandSubscriptions(engine: any BusEngine) async throws {
        try await withEngine(engine) { running in
            let (bus, publisher) = (try await running.connect(), try await running.connect())
            let subscriptions = try await withThrowingTaskGroup(of: (Int, any BusSubscription).self) { group in
                for number in 0..<10_000 {
                    group.addTask { (number, try await bus.subscribe("many.\(number)", queueGroup: nil)) }
                }
                return try await group.reduce(into: [Int: any BusSubscription]()) { $0[$1.0] = $1.1 }
            }
            #expect(subscriptions.count == 10_000)
            for number in 0..<10_000 { try await publisher.publish(BusMessage("many.\(number)", String(number))) }
            for (number, subscription) in subscriptions {
                #expect(try await subscription.take(1).map(\.text) == [String(number)])
            }
        }
    }

    @Test(arguments: engines) func invalidSubjectsAreRefused(engine: any BusEngine) async throws {
        try await withEngine(engine) { running in
            let bus = try await running.connect()
            for subject in [
                "", ".", "a.", ".a", "a..b", "a b", "a.*", ">", "a.\u{7}", String(repeating: "x", count: 1025),
            ] {
                await expectError(.invalidSubject) { try await bus.publish(BusMessage(subject, "")) }
            }
            for filter in ["", "a.>.b", "a.b*", "a..*"] {
                await expectError(.invalidSubject) { _ = try await bus.subscribe(filter, queueGroup: nil) }
            }
        }
    }

    @Test(arguments: engines) func aPayloadBeyondTheLimitIsRefused(engine: any BusEngine) async throws {
        try await withEngine(engine) { running in
            let bus = try await running.connect()
            let subscription = try await bus.subscribe("large", queueGroup: nil)
            let tooLarge = ByteBuffer(repeating: 1, count: 64 << 20)
            await expectError(.payloadTooLarge) {
                try await bus.publish(BusMessage(subject: "large", payload: tooLarge))
            }
            let largest = ByteBuffer(repeating: 2, count: 1 << 20)
            try await bus.publish(BusMessage(subject: "large", payload: largest))
            #expect(try await subscription.take(1).map(\.payload) == [largest])
        }
    }

    @Test(arguments: engines) func aSubscriptionThatIsNotReadEnds(engine: any BusEngine) async throws {
        try await withEngine(engine) { running in
            let (bus, publisher) = (try await running.connect(), try await running.connect())
            let unread = try await bus.subscribe("slow.>", queueGroup: nil)
            let read = Collector(try await bus.subscribe("slow.*", queueGroup: nil).batches)
            let payload = ByteBuffer(repeating: 1, count: 1 << 20)
            for number in 1...64 {
                try await publisher.publish(BusMessage(subject: "slow.a", payload: payload))
                try await eventually("the other keeps up") { read.count == number }
            }
            var taken = 0
            await expectError(.slowConsumer) {
                for try await batch in unread.batches { taken += batch.count }
            }
            #expect(taken < 64)
        }
    }

    @Test(arguments: engines) func whatARoleDoesNotListIsDenied(engine: any BusEngine) async throws {
        try await withEngine(engine) { running in
            let adapter = try await running.connectAsAdapter()
            await expectError(.permissionDenied) { _ = try await adapter.subscribe("rpc.>", queueGroup: nil) }
            await expectError(.permissionDenied) { try await adapter.declareStream(testStream()) }
            await expectError(.permissionDenied) {
                _ = try await adapter.publishDurably(BusMessage("events.things.x", ""))
            }
            // The connection is still good.
            let messages = try await adapter.subscribe("channels.>", queueGroup: nil)
            try await adapter.publish(BusMessage("channels.a", "1"))
            #expect(try await messages.take(1).map(\.text) == ["1"])
        }
    }
}
