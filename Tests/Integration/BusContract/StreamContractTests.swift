// SPDX-License-Identifier: Apache-2.0
import Bus
import Core
import NIOCore
import Synchronization
import TestKit
import Testing

/// Durable publishing and what a stream says of itself.
@Suite struct StreamContractTests {
    @Test(arguments: engines) func durablePublishesGetConsecutiveSequences(engine: any BusEngine) async throws {
        try await withEngine(engine) { running in
            let bus = try await running.connect()
            try await bus.declareStream(testStream())
            for number in 1...10 {
                let receipt = try await bus.publishDurably(BusMessage("test.a", String(number)))
                #expect(receipt == PublishReceipt(sequence: UInt64(number), isDuplicate: false))
            }
            let state = try await bus.streamState("test")
            #expect(state.firstSequence == 1 && state.lastSequence == 10 && state.isAccepting)
            let stored = try await bus.read(stream: "test", from: 3, maximumBytes: 1 << 20)
            #expect(stored.map(\.sequence) == Array(3...10))
            #expect(stored.map(\.text) == names(3..<11))
            #expect(try await bus.read(stream: "test", from: 11, maximumBytes: 1 << 20).isEmpty)
            await #expect(throws: BusError.notCaptured) { try await bus.publishDurably(BusMessage("elsewhere", "")) }
            await expectError(.notFound) { _ = try await bus.streamState("none") }
        }
    }

    @Test(arguments: engines) func aDuplicateGetsTheFirstOnesSequence(engine: any BusEngine) async throws {
        try await withEngine(engine) { running in
            let bus = try await running.connect()
            try await bus.declareStream(testStream())
            let message = BusMessage("test.a", "1", headers: BusHeaders(messageID: "m-1"))
            let first = try await bus.publishDurably(message)
            _ = try await bus.publishDurably(BusMessage("test.a", "2", headers: BusHeaders(messageID: "m-2")))
            let again = try await bus.publishDurably(message)
            #expect(first == PublishReceipt(sequence: 1, isDuplicate: false))
            #expect(again == PublishReceipt(sequence: 1, isDuplicate: true))
            #expect(try await bus.streamState("test").lastSequence == 2)
            await expectError(.invalidConfiguration) {
                let headers = BusHeaders(messageID: String(repeating: "x", count: 65))
                _ = try await bus.publishDurably(BusMessage("test.a", "", headers: headers))
            }
        }
    }

    @Test(arguments: engines) func aReadAtTheEndWaitsForTheNextMessage(engine: any BusEngine) async throws {
        try await withEngine(engine) { running in
            let bus = try await running.connect()
            try await bus.declareStream(testStream())
            // Nothing comes: the wait ends, with nothing.
            let none = try await bus.read(
                stream: "test", from: 1, maximumBytes: 1 << 20, waitingUpTo: .milliseconds(100))
            #expect(none.isEmpty)
            // Followed while messages come, each is seen once and in order.
            let publisher = try await running.connect()
            async let published: Void = {
                for number in 1...200 { _ = try await publisher.publishDurably(BusMessage("test.a", String(number))) }
            }()
            var seen: [UInt64] = []
            while seen.count < 200 {
                let batch = try await bus.read(
                    stream: "test", from: (seen.last ?? 0) + 1, maximumBytes: 1 << 20, waitingUpTo: .seconds(5))
                seen += batch.map(\.sequence)
            }
            try await published
            #expect(seen == Array(1...200))
            // What is there is not waited for.
            let rest = try await bus.read(
                stream: "test", from: 200, maximumBytes: 1 << 20, waitingUpTo: .seconds(3600))
            #expect(rest.map(\.sequence) == [200])
        }
    }

    /// As the MQTT adapter does it: what it has delivered goes out in batches and does not come back.
    @Test(arguments: engines) func batchesKeepTheirOrderAndCanBeLeftOut(engine: any BusEngine) async throws {
        try await withEngine(engine) { running in
            let bus = try await running.connect()
            try await bus.declareStream(testStream())
            let listener = try await running.connect()
            let subscription = try await listener.subscribe("test.>", queueGroup: nil)
            let subjects = try ["test.a", "test.b"].map { text in try BusSubject { $0.writeString(text) } }
            #expect(throws: BusError.invalidSubject("test..b")) { try BusSubject { $0.writeString("test..b") } }
            var batch = PublishBatch()
            for round in 0..<50 {
                for number in 0..<10 {
                    batch.append(subjects[number % 2], origin: number < 8 ? 77 : nil) {
                        $0.writeString("\(round).\(number)")
                    }
                }
                #expect(batch.count == 10)
                #expect(batch.messages.map(\.headers.origin) == Array(repeating: 77, count: 8) + [nil, nil])
                try bus.checkPublishNow()
                try bus.publishNow(&batch)
                #expect(batch.isEmpty)
                let receipt = try await bus.publishDurably(BusMessage("test.a", "\(round)"))
                #expect(receipt.sequence == UInt64(11 * (round + 1)))
            }
            let sent = (0..<50).flatMap { round in (0..<10).map { "\(round).\($0)" } + ["\(round)"] }
            #expect(try await subscription.take(550).map(\.text) == sent)
            let stored = try await bus.read(stream: "test", from: 1, maximumBytes: 1 << 20)
            #expect(stored.map(\.text) == sent)
            #expect(stored.first?.headers.origin == 77 && stored.last?.headers.origin == nil)
            var rest: [StreamMessage] = []
            var passedOver = 0
            var through: UInt64 = 0
            while through < 550 {
                let found = try await bus.read(
                    stream: "test", id: nil, from: through + 1, maximumBytes: 500, waitingUpTo: .zero, withoutOrigin: 77
                )
                rest += found.messages
                passedOver += found.passedOver
                try #require(found.through > through)
                through = found.through
            }
            #expect(through == 550 && passedOver == 400)
            #expect(rest.map(\.text) == sent.filter { !$0.contains(".") || $0.hasSuffix(".8") || $0.hasSuffix(".9") })
            // At the end nothing comes, and what comes and is left out ends the wait.
            let none = try await bus.read(
                stream: "test", id: nil, from: 551, maximumBytes: 500, waitingUpTo: .milliseconds(50), withoutOrigin: 77
            )
            #expect(none == StreamRead(messages: [], through: 550, passedOver: 0))
            async let waited = bus.read(
                stream: "test", id: nil, from: 551, maximumBytes: 500, waitingUpTo: .seconds(10), withoutOrigin: 77)
            batch.append(subjects[0], origin: 77) { $0.writeString("x") }
            try bus.publishNow(&batch)
            let last = try await waited
            #expect(last == StreamRead(messages: [], through: 551, passedOver: 1))
            await running.kill()
            batch.append(subjects[0], origin: 77) { $0.writeString("x") }
            try await eventually("the loss is seen") {
                do {
                    try bus.checkPublishNow()
                    return false
                } catch {
                    return error as? BusError == .disconnected
                }
            }
            #expect(throws: BusError.disconnected) { try bus.publishNow(&batch) }
            // What was not taken is still there.
            #expect(batch.count == 1)
        }
    }

    @Test(arguments: engines) func aReadThatWaitsEndsWithTheConnection(engine: any BusEngine) async throws {
        try await withEngine(engine) { running in
            let bus = try await running.connect()
            try await bus.declareStream(testStream())
            let read = Task {
                try await bus.read(stream: "test", from: 1, maximumBytes: 1 << 20, waitingUpTo: .seconds(3600))
            }
            // A question of the same connection behind it is answered while it waits.
            #expect(try await bus.streamState("test").lastSequence == 0)
            await running.kill()
            await #expect(throws: BusError.disconnected) { _ = try await read.value }
        }
    }

    /// As an adapter does it: from an event loop, by completion, many in flight.
    @Test(arguments: engines) func manyInFlightByCompletion(engine: any BusEngine) async throws {
        try await withEngine(engine) { running in
            let bus = try await running.connect()
            try await bus.declareStream(testStream())
            let receipts = Mutex<[Int: Result<PublishReceipt, BusError>]>([:])
            for number in 0..<20_000 {
                bus.publishDurably(
                    headers: BusHeaders(), writeSubject: { $0.writeString("test.\(number % 10)") },
                    writePayload: { $0.writeString(String(number)) },
                    completion: { result in receipts.withLock { $0[number] = result } })
            }
            try await eventually("all are answered") { receipts.withLock { $0.count } == 20_000 }
            let sequences = try receipts.withLock { try $0.mapValues { try $0.get().sequence } }
            #expect((0..<20_000).allSatisfy { sequences[$0] == UInt64($0 + 1) })
            var (next, stored) = (UInt64(1), [String]())
            while case let batch = try await bus.read(stream: "test", from: next, maximumBytes: 1 << 20), !batch.isEmpty
            {
                stored += batch.map(\.text)
                next = batch[batch.count - 1].sequence + 1
            }
            #expect(stored == names(0..<20_000))
        }
    }

    @Test(arguments: engines) func aSpentBudgetRefusesAndRecovers(engine: any BusEngine) async throws {
        try await withEngine(engine) { running in
            let bus = try await running.connect()
            var configuration = testStream()
            configuration.retention = .interest
            configuration.maximumBytes = 4 << 20
            try await bus.declareStream(configuration)
            // Nobody has read anything, so nothing may go.
            let consumer = try await bus.consume(stream: "test", ConsumerConfiguration(name: "reader"))
            let payload = ByteBuffer(repeating: 7, count: 64 << 10)
            var accepted = 0
            var refusal: BusError?
            while refusal == nil, accepted < 1000 {
                do throws(BusError) {
                    _ = try await bus.publishDurably(BusMessage(subject: "test.a", payload: payload))
                    accepted += 1
                } catch {
                    refusal = error
                }
            }
            #expect(refusal?.kind == .budgetSpent)
            #expect(try await bus.streamState("test").isAccepting == false)
            let received = try await consumer.take(accepted)
            #expect(received.map(\.sequence) == Array(1...UInt64(accepted)))
            consumer.acknowledge(through: UInt64(accepted))
            try await eventually("publishing goes on") {
                do throws(BusError) {
                    _ = try await bus.publishDurably(BusMessage(subject: "test.a", payload: payload))
                    return true
                } catch {
                    #expect(error.kind == .budgetSpent)
                    return false
                }
            }
        }
    }
}
