// SPDX-License-Identifier: Apache-2.0
import Bus
import Core
import Foundation
import Logging
import NIOCore
import Synchronization
import TestKit
import Testing

/// ``SocketBus`` against exact bytes, whole and in pieces, and against peers that no good bus is.
@Suite struct SocketBusWireTests {
    private let directory: TemporaryDirectory
    private let peer: ScriptedPeer

    init() throws {
        directory = try TemporaryDirectory("wire")
        peer = try ScriptedPeer(path: directory.file("bus.sock"))
    }

    private func client(_ change: (inout SocketBusConfiguration) -> Void = { _ in }) -> SocketBus {
        var configuration = SocketBusConfiguration(path: directory.file("bus.sock"), name: "test")
        configuration.backOff = BackOff(base: .milliseconds(5), ceiling: .milliseconds(50))
        change(&configuration)
        return SocketBus.connect(configuration, logger: Logger(label: "test"))
    }

    private func subscribe(_ bus: SocketBus, _ filter: String, _ group: String? = nil) async throws -> (
        any BusSubscription, ScriptedPeer.Frame
    ) {
        async let subscribing = bus.subscribe(filter, queueGroup: group)
        let frame = try await peer.nextFrame()
        #expect(frame.opcode == Wire.Opcode.subscribe.rawValue)
        #expect(Int(frame.short) == filter.utf8.count)
        #expect(frame.text == filter + (group ?? ""))
        try await peer.send(ScriptedPeer.control(.done, token: frame.token))
        return (try await subscribing, frame)
    }

    /// Deliveries of every kind, answers and acknowledgements, cut at seeded points: what comes out does not depend on the cuts.
    @Test(arguments: [1, 2, 3, 5, 8, 13, 21, 34]) func framesSurviveEverySplit(seed: UInt64) async throws {
        let bus = client()
        try await peer.welcome()
        try await bus.waitUntilConnected(timeout: .seconds(60))
        let (core, _) = try await subscribe(bus, "core.>")
        let (queue, queueFrame) = try await subscribe(bus, "queue.>", "group")
        let receipts = Mutex<[UInt64]>([])
        for _ in 0..<100 {
            bus.publishDurably(BusMessage("durable", "x")) { result in
                receipts.withLock { $0.append((try? result.get().sequence) ?? 0) }
            }
        }
        for token in 1...100 { #expect(try await peer.nextFrame().token == UInt32(token)) }

        var generator = SeededGenerator(seed: seed)
        var (bytes, expectedCore, expectedQueue) = ([UInt8](), [BusMessage](), [BusMessage]())
        var acknowledged: UInt32 = 0
        for number in 0..<400 {
            let length = [0, 1, 7, 100, 3000, 70_000][Int.random(in: 0..<(number % 50 == 0 ? 6 : 5), using: &generator)]
            let payload = (0..<length).map { UInt8(truncatingIfNeeded: $0 &+ number) }
            switch Int.random(in: 0..<10, using: &generator) {
            case 0..<5:
                bytes += ScriptedPeer.delivery(subject: "core.\(number % 7)", reply: "core.r", payload: payload)
                expectedCore.append(
                    BusMessage(subject: "core.\(number % 7)", reply: "core.r", payload: ByteBuffer(bytes: payload)))
            case 5..<8:
                // An unknown header in front is passed over.
                let headers: [UInt8] = [200, 3, 1, 2, 3, Wire.HeaderType.messageID.rawValue, 2, 0x68, 0x69]
                bytes += ScriptedPeer.delivery(
                    .queueDelivery, token: queueFrame.token, subject: "queue.a", headers: headers, payload: payload)
                expectedQueue.append(
                    BusMessage(
                        subject: "queue.a", headers: BusHeaders(messageID: "hi"), payload: ByteBuffer(bytes: payload)))
            case 8:
                let count = UInt32.random(in: 1...3, using: &generator)
                guard acknowledged + count <= 100 else { continue }
                bytes += ScriptedPeer.stored(
                    token: acknowledged + 1, count: count, sequence: UInt64(acknowledged) + 1001)
                acknowledged += count
            default: bytes += ScriptedPeer.control(.pong)
            }
        }
        bytes += ScriptedPeer.stored(
            token: acknowledged + 1, count: 100 - acknowledged, sequence: UInt64(acknowledged) + 1001)
        let largest = seed == 1 ? 1 : Int(seed) * 200
        let pieces = (0..<997).map { _ in Int.random(in: 1...largest, using: &generator) }
        // One byte at a time is for the beginning only: half a million writes show nothing more.
        let head = min(bytes.count, seed == 1 ? 20_000 : bytes.count)
        try await peer.send(Array(bytes[..<head]), pieces: pieces)
        try await peer.send(Array(bytes[head...]), pieces: [4093])

        #expect(try await core.take(expectedCore.count) == expectedCore, "seed \(seed)")
        #expect(try await queue.take(expectedQueue.count) == expectedQueue, "seed \(seed)")
        try await eventually("all is acknowledged") { receipts.withLock { $0.count } == 100 }
        #expect(receipts.withLock { $0 } == Array(1001...1100))
        #expect(bus.statistics.connections == 1)
        await bus.close()
    }

    @Test func acknowledgementsMayComeInAnyOrder() async throws {
        let bus = client()
        try await peer.welcome()
        try await bus.waitUntilConnected(timeout: .seconds(60))
        let outcomes = Mutex<[Int: Result<PublishReceipt, BusError>]>([:])
        for number in 1...5 {
            bus.publishDurably(BusMessage("durable", "x")) { result in outcomes.withLock { $0[number] = result } }
        }
        for _ in 0..<5 { _ = try await peer.nextFrame() }
        let refusal = ScriptedPeer.little(UInt32(9)) + Array("spent".utf8)
        try await peer.send(
            ScriptedPeer.control(.refused, token: 3, extra: Wire.Failure.budgetSpent.rawValue, body: refusal)
                + ScriptedPeer.stored(token: 4, count: 2, sequence: 20)
                // Twice the same, and a token that was never given: nothing happens.
                + ScriptedPeer.stored(token: 4, count: 1, sequence: 99)
                + ScriptedPeer.stored(token: 77, count: 9, sequence: 1)
                + ScriptedPeer.control(
                    .stored, flags: Wire.Flags.duplicate.rawValue, token: 1,
                    body: ScriptedPeer.little(UInt32(1)) + ScriptedPeer.little(UInt32(0))
                        + ScriptedPeer.little(UInt64(5)))
                + ScriptedPeer.stored(token: 2, count: 1, sequence: 10))
        try await eventually("all are answered") { outcomes.withLock { $0.count } == 5 }
        #expect(
            outcomes.withLock { $0 } == [
                1: .success(PublishReceipt(sequence: 5, isDuplicate: true)),
                2: .success(PublishReceipt(sequence: 10, isDuplicate: false)),
                3: .failure(.budgetSpent(retryAfterSeconds: 9)),
                4: .success(PublishReceipt(sequence: 20, isDuplicate: false)),
                5: .success(PublishReceipt(sequence: 21, isDuplicate: false)),
            ])
    }

    @Test func durablePublishesInFlightFailWhenTheConnectionBreaks() async throws {
        let bus = client()
        try await peer.welcome()
        try await bus.waitUntilConnected(timeout: .seconds(60))
        let outcomes = Mutex<[BusErrorKind?]>([])
        for _ in 0..<1000 {
            bus.publishDurably(BusMessage("durable", "x")) { result in
                outcomes.withLock {
                    if case .failure(let error) = result { $0.append(error.kind) } else { $0.append(nil) }
                }
            }
        }
        _ = try await peer.nextFrame()
        try await peer.send(ScriptedPeer.stored(token: 1, count: 10, sequence: 1))
        try await eventually("ten are stored") { outcomes.withLock { $0.count } == 10 }
        peer.hangUp()
        try await eventually("the others fail") { outcomes.withLock { $0.count } == 1000 }
        #expect(outcomes.withLock { $0.filter { $0 == .disconnected }.count } == 990)
        // Tokens go on: an answer of the old connection cannot be taken for one of the new.
        try await peer.welcome()
        try await bus.waitUntilConnected(timeout: .seconds(60))
        async let receipt = bus.publishDurably(BusMessage("durable", "y"))
        let frame = try await peer.nextFrame()
        #expect(frame.token == 1001)
        try await peer.send(ScriptedPeer.stored(token: frame.token, count: 1, sequence: 11))
        #expect(try await receipt.sequence == 11)
    }

    static let malformed: [[UInt8]] = [
        // Lengths: too small, far too large.
        [0, 0, 0, 0, 0, 0, 0, 0], [7, 0, 0, 0, 1, 0, 0, 0], [0xFF, 0xFF, 0xFF, 0xFF, 1, 0, 0, 0],
        // Unknown opcode; one that only clients send.
        ScriptedPeer.control(.pong).enumerated().map { $0.offset == 4 ? 99 : $0.element },
        ScriptedPeer.control(.subscribe, token: 1),
        // A delivery shorter than its head, one whose parts are longer than itself, one without a subject.
        [8, 0, 0, 0, 1, 0, 1, 0, 0, 0, 0, 0],
        [13, 0, 0, 0, 1, 0, 0xFF, 0xFF, 0, 0, 0, 0, 0, 0, 0, 0, 0x61],
        [12, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
        [14, 0, 0, 0, 3, 0, 1, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0x61, 0x62],
        // A short acknowledgement and a short refusal.
        ScriptedPeer.control(.stored, token: 1, body: [1, 0, 0, 0]),
        ScriptedPeer.control(.refused, token: 1, body: [1]),
        // A second welcome, a welcome that is none.
        ScriptedPeer.control(.welcome, body: Array("{}".utf8)),
        ScriptedPeer.control(.failed, extra: 999, body: [0xFF, 0xFE]),
    ]

    @Test(arguments: malformed) func aPeerThatBreaksTheProtocolIsLeft(bytes: [UInt8]) async throws {
        let bus = client()
        try await peer.welcome()
        try await bus.waitUntilConnected(timeout: .seconds(60))
        try await peer.send(bytes)
        // It closes, comes again and works.
        try await peer.welcome()
        try await bus.waitUntilConnected(timeout: .seconds(60))
        let (subscription, _) = try await subscribe(bus, "a")
        try await peer.send(ScriptedPeer.delivery(subject: "a", payload: [1]))
        #expect(try await subscription.take(1).count == 1)
    }

    @Test func garbageNeverTraps() async throws {
        let bus = client()
        var generator = SeededGenerator(seed: 99)
        for _ in 0..<100 {
            try await peer.welcome()
            var bytes: [UInt8] = []
            // Frames with a sound length and anything in it.
            for _ in 0..<20 {
                let length = Int.random(in: 8..<80, using: &generator)
                bytes += ScriptedPeer.little(UInt32(length))
                bytes.append([1, 2, 3, 33, 34, 35, 36, 37].randomElement(using: &generator) ?? 1)
                bytes += (1..<length).map { _ in UInt8.random(in: 0...255, using: &generator) & 0x0F }
            }
            // The client may close before it has taken all.
            try? await peer.send(bytes)
            peer.hangUp()
        }
        try await peer.welcome()
        try await bus.waitUntilConnected(timeout: .seconds(60))
    }

    @Test func aSilentPeerIsFoundDead() async throws {
        let bus = client {
            $0.pingInterval = .milliseconds(40)
            $0.peerTimeout = .seconds(3)
        }
        try await peer.welcome()
        try await bus.waitUntilConnected(timeout: .seconds(60))
        #expect(try await peer.nextFrame().opcode == Wire.Opcode.ping.rawValue)
        // No pong: it comes again.
        try await peer.welcome()
    }

    @Test func aPeerThatDoesNotGreetIsLeft() async throws {
        let bus = client { $0.handshakeTimeout = .seconds(2) }
        try await peer.acceptConnection()
        try await peer.welcome()
        try await bus.waitUntilConnected(timeout: .seconds(60))
    }

    @Test func publishersWaitWhileThePeerReadsNothing() async throws {
        let bus = client { $0.outboundMaximumBytes = 4 << 20 }
        try await peer.welcome()
        try await bus.waitUntilConnected(timeout: .seconds(60))
        let published = Mutex(0)
        let payload = ByteBuffer(repeating: 1, count: 64 << 10)
        let publishing = Task {
            for _ in 0..<200 {
                try await bus.publish(BusMessage(subject: "a", payload: payload))
                published.withLock { $0 += 1 }
            }
        }
        try await eventually("the publisher waits") { bus.statistics.queuedBytes > 1 << 20 }
        let before = published.withLock { $0 }
        #expect(before < 200)
        // What cannot wait is taken up to the limit, then refused.
        var refused: BusError?
        for _ in 0..<200 where refused == nil {
            do throws(BusError) {
                try bus.publishNow(
                    headers: BusHeaders(), writeSubject: { $0.writeString("b") },
                    writePayload: { $0.writeImmutableBuffer(payload) })
            } catch { refused = error }
        }
        #expect(refused == .overloaded)
        #expect(bus.statistics.queuedBytes < 6 << 20)
        // Read, and everybody goes on.
        var subjects = 0
        while subjects < 200 {
            let frame = try await peer.nextFrame()
            // A ping may come in between.
            if frame.opcode == Wire.Opcode.publish.rawValue, frame.body[4] == UInt8(ascii: "a") { subjects += 1 }
        }
        try await within { try await publishing.value }
        #expect(published.withLock { $0 } == 200)
    }

    @Test func aSlowSubscriptionEndsAndTheOthersGoOn() async throws {
        let bus = client { $0.subscriptionBufferBytes = 1 << 20 }
        try await peer.welcome()
        try await bus.waitUntilConnected(timeout: .seconds(60))
        let (slow, slowFrame) = try await subscribe(bus, "s.>")
        let (quick, _) = try await subscribe(bus, "s.*")
        let collector = Collector(quick.batches)
        let delivery = ScriptedPeer.delivery(subject: "s.a", payload: Array(repeating: 7, count: 10_000))
        for round in 1...30 {
            for _ in 0..<10 { try await peer.send(delivery) }
            try await eventually("the quick one keeps up") { collector.count == round * 10 }
        }
        let frame = try await peer.nextFrame()
        #expect(frame.opcode == Wire.Opcode.unsubscribe.rawValue && frame.token == slowFrame.token)
        var taken = 0
        await #expect(throws: BusError.slowConsumer) {
            for try await batch in slow.batches { taken += batch.count }
        }
        // What was buffered is not lost, and it is bounded.
        #expect(taken > 0 && taken <= (1 << 20) / 10_000)
        #expect(bus.statistics.subscriptionsCutOff == 1)
    }

    @Test func theDroppedSubscriptionIsUnsubscribed() async throws {
        let bus = client()
        try await peer.welcome()
        try await bus.waitUntilConnected(timeout: .seconds(60))
        let token: UInt32
        do {
            let (subscription, frame) = try await subscribe(bus, "d")
            token = frame.token
            _ = subscription
        }
        let frame = try await peer.nextFrame()
        #expect(frame.opcode == Wire.Opcode.unsubscribe.rawValue && frame.token == token)
    }

    @Test func acknowledgementsAreCoalescedAndALostLogEndsTheConsumer() async throws {
        let bus = client()
        try await peer.welcome()
        try await bus.waitUntilConnected(timeout: .seconds(60))
        func state(_ id: StreamID) throws -> [UInt8] {
            try Array(
                JSONEncoder().encode(
                    StreamState(
                        configuration: testStream(), id: id, firstSequence: 1, lastSequence: 9, bytes: 1,
                        corruptSequences: [], corruptCount: 0, consumers: ["r"], isAccepting: true, refusalReason: nil))
            )
        }
        let identity = StreamID.new()
        async let consuming = bus.consume(stream: "test", ConsumerConfiguration(name: "r"))
        let consume = try await peer.nextFrame()
        #expect(consume.opcode == Wire.Opcode.consume.rawValue)
        let request = try JSONDecoder().decode(Wire.Consume.self, from: Data(consume.body))
        #expect(request.stream == "test" && request.consumer == ConsumerConfiguration(name: "r"))
        try await peer.send(ScriptedPeer.control(.done, token: consume.token, body: state(identity)))
        let consumer = try await consuming
        try await peer.send(
            ScriptedPeer.delivery(
                .streamDelivery, token: consume.token, subject: "test.a", stream: (7, -5, 3), payload: [1, 2]))
        #expect(
            try await consumer.take(1) == [
                StreamMessage(
                    sequence: 7, storedAt: -5, deliveryCount: 3, subject: "test.a", headers: BusHeaders(),
                    payload: ByteBuffer(bytes: [1, 2]))
            ])
        try await bus.eventLoop.submit {
            for sequence in 1...7 { consumer.acknowledge(through: UInt64(sequence)) }
        }.get()
        let acknowledgement = try await peer.nextFrame()
        #expect(acknowledgement.opcode == Wire.Opcode.acknowledge.rawValue)
        #expect(acknowledgement.short == Wire.Acknowledgement.through.rawValue)
        #expect(acknowledgement.body == ScriptedPeer.little(UInt64(7)))
        consumer.reject(8, redeliverAfter: .milliseconds(1500))
        #expect(try await peer.nextFrame().body == ScriptedPeer.little(UInt64(8)) + ScriptedPeer.little(UInt32(1500)))
        consumer.giveUp(9, reason: String(repeating: "ü", count: 200))
        #expect(try await peer.nextFrame().body.count == 8 + 254)

        peer.hangUp()
        try await peer.welcome()
        let again = try await peer.nextFrame()
        #expect(again.opcode == Wire.Opcode.consume.rawValue)
        try await peer.send(ScriptedPeer.control(.done, token: again.token, body: state(.new())))
        await expectError(.notFound) { _ = try await consumer.take(1) }
    }
}
