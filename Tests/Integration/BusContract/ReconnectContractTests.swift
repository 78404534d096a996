// SPDX-License-Identifier: Apache-2.0
import Bus
import Core
import NIOCore
import Synchronization
import TestKit
import Testing

/// The server is killed and comes back.
@Suite struct ReconnectContractTests {
    @Test(arguments: engines) func subscriptionsComeBackByThemselves(engine: any BusEngine) async throws {
        try await withEngine(engine) { running in
            let (bus, publisher) = (try await running.connect(), try await running.connect())
            let collector = Collector(try await bus.subscribe("r.>", queueGroup: nil).batches)
            let queue = Collector(try await bus.subscribe("r.*", queueGroup: "q").batches)
            for round in 1...3 {
                await running.kill()
                try await eventually("the loss is seen") {
                    do throws(BusError) {
                        try await publisher.publish(BusMessage("r.lost", ""))
                        return false
                    } catch {
                        return error == .disconnected
                    }
                }
                try await running.startAgain()
                try await eventually("round \(round) arrives") {
                    try? await publisher.publish(BusMessage("r.\(round)", ""))
                    return collector.elements.contains { $0.subject == "r.\(round)" }
                        && queue.elements.contains { $0.subject == "r.\(round)" }
                }
            }
        }
    }

    @Test(arguments: engines) func theConnectionsChangesAreToldInOrder(engine: any BusEngine) async throws {
        try await withEngine(engine) { running in
            let bus = try await running.connect()
            let seen = Mutex<[String]>([])
            let watching = Task {
                for await event in bus.connectionEvents() {
                    seen.withLock { $0.append(event == .connected ? "connected" : "disconnected") }
                }
            }
            try await eventually("now") { seen.withLock { $0 } == ["connected"] }
            await running.kill()
            try await eventually("gone") { seen.withLock { $0 } == ["connected", "disconnected"] }
            try await running.startAgain()
            try await eventually("again") { seen.withLock { $0 } == ["connected", "disconnected", "connected"] }
            await bus.close()
            await watching.value
        }
    }

    @Test(arguments: engines) func aSubscriptionWaitsForTheFirstConnection(engine: any BusEngine) async throws {
        try await withEngine(engine) { running in
            _ = try await running.connect()
            await running.kill()
            let bus = running.connectInBackground()
            await #expect(throws: BusError.disconnected) { try await bus.publish(BusMessage("a", "")) }
            await #expect(throws: BusError.disconnected) { try await bus.publishDurably(BusMessage("a", "")) }
            await #expect(throws: BusError.disconnected) {
                try await bus.request(BusMessage("a", ""), timeout: .seconds(3600))
            }
            async let subscribing = bus.subscribe("late.>", queueGroup: nil)
            try await running.startAgain()
            let subscription = try await subscribing
            try await bus.publish(BusMessage("late.1", "1"))
            #expect(try await subscription.take(1).map(\.text) == ["1"])
        }
    }

    @Test(arguments: engines) func aConsumerGoesOnAfterAKill(engine: any BusEngine) async throws {
        try await withEngine(engine) { running in
            let bus = try await running.connect()
            try await bus.declareStream(testStream())
            for number in 1...100 { _ = try await bus.publishDurably(BusMessage("test.a", String(number))) }
            let consumer = try await bus.consume(stream: "test", ConsumerConfiguration(name: "reader"))
            let collector = Collector(consumer.batches)
            try await eventually("all come") { collector.count >= 100 }
            consumer.acknowledge(through: 60)
            try await eventually("they are acknowledged") {
                try await bus.consumerState(stream: "test", consumer: "reader").acknowledgedThrough == 60
            }
            let identity = consumer.stream.id
            await running.kill()
            try await running.startAgain()
            // An acknowledgement that was not yet on disk may be lost, a message may not.
            try await eventually("what was not acknowledged comes again") {
                Set(collector.elements.dropFirst(100).map(\.sequence)).isSuperset(of: 61...100)
            }
            #expect(consumer.stream.id == identity)
            consumer.acknowledge(through: 100)
            try await eventually("all is acknowledged") {
                (try? await bus.consumerState(stream: "test", consumer: "reader").acknowledgedThrough) == 100
            }
        }
    }

    /// The heart of it: kill -9 under load, and everything that was acknowledged is there, once for each acknowledgement.
    @Test(arguments: engines) func whatWasAcknowledgedIsThereAfterKills(engine: any BusEngine) async throws {
        try await withEngine(engine) { running in
            let bus = try await running.connect()
            try await bus.declareStream(testStream())
            let load = DurableLoad(bus, subject: "test.load")
            let publishing = Task { await load.run(workers: 32) }
            for _ in 0..<3 {
                let before = load.acceptedCount
                try await eventually("the load runs") { load.acceptedCount > before + 500 }
                await running.kill()
                try await running.startAgain()
            }
            let before = load.acceptedCount
            try await eventually("the load runs again") { load.acceptedCount > before + 500 }
            load.stop()
            await publishing.value
            #expect(load.failures > 0)

            var (next, stored, copies) = (UInt64(1), [UInt64: String](), [String: Int]())
            while case let batch = try await bus.read(stream: "test", from: next, maximumBytes: 1 << 20), !batch.isEmpty
            {
                for message in batch {
                    stored[message.sequence] = message.text
                    copies[message.text, default: 0] += 1
                    next = message.sequence + 1
                }
            }
            let missing = load.accepted.filter { stored[$0.value] != $0.key }
            #expect(missing.isEmpty)
            #expect(copies.values.allSatisfy { $0 == 1 })
        }
    }

    @Test(arguments: engines) func whatIsUnderWayFailsWhenTheServerDies(engine: any BusEngine) async throws {
        try await withEngine(engine) { running in
            let bus = try await running.connect()
            try await bus.declareStream(testStream())
            let silent = try await bus.subscribe("rpc.silent", queueGroup: nil)
            let request = Task { try await bus.request(BusMessage("rpc.silent", ""), timeout: .seconds(3600)) }
            _ = try await silent.take(1)
            await running.kill()
            await #expect(throws: BusError.disconnected) { try await within { try await request.value } }
        }
    }

    /// kill -STOP: the socket stays open and nothing is answered.
    @Test(arguments: engines) func aServerThatStandsStillIsFoundDead(engine: any BusEngine) async throws {
        try await withEngine(engine) { running in
            let bus = try await running.connect(takingForDeadAfter: .seconds(2))
            try await bus.declareStream(testStream())
            let collector = Collector(try await bus.subscribe("still.>", queueGroup: nil).batches)
            await running.suspend()
            await expectError(.disconnected) { _ = try await bus.publishDurably(BusMessage("test.a", "1")) }
            await running.resume()
            try await eventually("it goes on") {
                try? await bus.publish(BusMessage("still.there", ""))
                return collector.count > 0
            }
            try await eventually("it stores") { (try? await bus.publishDurably(BusMessage("test.a", "2"))) != nil }
        }
    }

    @Test(arguments: engines) func aClosedBusRefuses(engine: any BusEngine) async throws {
        try await withEngine(engine) { running in
            let bus = try await running.connect()
            try await bus.declareStream(testStream())
            let subscription = Collector(try await bus.subscribe("a.>", queueGroup: nil).batches)
            let receipts = Mutex<[Bool]>([])
            for number in 0..<1000 {
                bus.publishDurably(BusMessage("test.a", String(number))) { result in
                    receipts.withLock { $0.append((try? result.get()) != nil) }
                }
            }
            await bus.close()
            // Closing waits for what is in flight.
            #expect(receipts.withLock { $0 } == Array(repeating: true, count: 1000))
            await #expect(throws: BusError.closed) { try await bus.publish(BusMessage("a.b", "")) }
            await #expect(throws: BusError.closed) { try await bus.subscribe("a.b", queueGroup: nil) }
            try await eventually("subscriptions end") { subscription.hasEnded }
            #expect(subscription.error == nil)
        }
    }
}
