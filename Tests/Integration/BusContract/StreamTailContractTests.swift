// SPDX-License-Identifier: Apache-2.0
import Bus
import Core
import NIOCore
import Synchronization
import TestKit
import Testing

/// A stream that is followed live, whatever becomes of the bus.
@Suite struct StreamTailContractTests {
    private func tail(
        of bus: any Bus, from start: StreamTail.Start = .end, wait: Duration = .milliseconds(50),
        readBytes: Int = 1 << 20,
        withoutOrigin origin: UInt64? = nil
    ) -> StreamTail {
        StreamTail(
            of: "test", on: bus, from: start, wait: wait, readBytes: readBytes, withoutOrigin: origin,
            backOff: BackOff(base: .milliseconds(1), ceiling: .milliseconds(20)))
    }

    private func publish(_ numbers: ClosedRange<Int>, on bus: any Bus, origin: UInt64? = nil) async throws {
        for number in numbers {
            _ = try await bus.publishDurably(
                BusMessage("test.a", String(number), headers: BusHeaders(origin: origin)))
        }
    }

    /// With a stream of five messages.
    private func withStream(
        _ engine: any BusEngine, _ body: (any RunningBusEngine, any Bus, StreamID) async throws -> Void
    ) async throws {
        try await withEngine(engine) { running in
            let bus = try await running.connect()
            try await bus.declareStream(testStream())
            try await publish(1...5, on: bus)
            try await body(running, bus, bus.streamState("test").id)
        }
    }

    @Test(arguments: engines) func fromTheEndOnEverythingComesOnceAndInOrder(engine: any BusEngine) async throws {
        try await withStream(engine) { _, bus, id in
            // Small reads: many of them.
            var tail = tail(of: bus, readBytes: 500)
            #expect(try await tail.next() == .began(StreamPosition(stream: id, sequence: 5)))
            #expect(try await tail.next() == .idle)
            async let published: Void = publish(6...205, on: bus)
            var seen: [String] = []
            var after: UInt64 = 5
            while after < 205 {
                guard case .messages(let span) = try await tail.next() else { continue }
                #expect(span.after == after && span.missing == 0 && span.passedOver == 0)
                #expect(span.pieces.count == 1)
                seen += span.messages.map(\.text)
                after = span.end.sequence
            }
            try await published
            #expect(seen == names(6..<206))
            #expect(try await tail.next() == .idle)
        }
    }

    @Test(arguments: engines) func aKeptPositionIsGoneOnWith(engine: any BusEngine) async throws {
        try await withStream(engine) { _, bus, id in
            let kept = StreamPosition(stream: id, sequence: 2)
            var behind = tail(of: bus, from: .behind(kept))
            #expect(try await behind.next() == .began(kept))
            guard case .messages(let span) = try await behind.next() else { throw Unexpected() }
            #expect(span.messages.map(\.text) == names(3..<6))
            // Numbers that this stream never gave.
            var beyond = tail(of: bus, from: .behind(StreamPosition(stream: id, sequence: .max)))
            #expect(try await beyond.next() == .began(StreamPosition(stream: id, sequence: 5)))
            // Those of another one.
            var other = tail(of: bus, from: .behind(StreamPosition(stream: .new(), sequence: 4)))
            #expect(try await other.next() == .began(StreamPosition(stream: id, sequence: 0)))
            guard case .messages(let all) = try await other.next() else { throw Unexpected() }
            #expect(all.messages.map(\.text) == names(1..<6))
        }
    }

    private struct Unexpected: Error {}

    @Test(arguments: engines) func whatIsLeftOutIsNotMissing(engine: any BusEngine) async throws {
        try await withStream(engine) { _, bus, _ in
            var tail = tail(of: bus, withoutOrigin: 77)
            _ = try await tail.next()
            try await publish(6...7, on: bus)
            try await publish(8...9, on: bus, origin: 77)
            try await publish(10...10, on: bus, origin: 78)
            var seen: [String] = []
            var passedOver = 0
            while seen.count + passedOver < 5 {
                guard case .messages(let span) = try await tail.next() else { continue }
                #expect(span.missing == 0)
                seen += span.messages.map(\.text)
                passedOver += span.passedOver
            }
            #expect(seen == ["6", "7", "10"] && passedOver == 2)
        }
    }

    @Test(arguments: engines) func aBusThatIsAwayIsWaitedFor(engine: any BusEngine) async throws {
        try await withStream(engine) { running, bus, _ in
            var tail = tail(of: bus)
            _ = try await tail.next()
            await running.kill()
            for _ in 0..<5 {
                do throws(BusError) {
                    // What a read in flight may still have brought.
                    while case .idle = try await tail.next() {}
                    Issue.record("there is no bus")
                } catch {
                    #expect(error == .disconnected)
                }
            }
            try await running.startAgain()
            let publisher = try await running.connect()
            try await publish(6...8, on: publisher)
            var seen: [String] = []
            try await eventually("it goes on") {
                if case .messages(let span)? = try? await tail.next() { seen += span.messages.map(\.text) }
                return seen.count >= 3
            }
            #expect(seen == names(6..<9))
        }
    }

    /// Nothing is in flight when the bus goes, and the new stream is longer than the old one when it is looked at: only its identity tells.
    @Test(arguments: engines) func aStreamThatWasLostIsFollowedFromItsBeginning(engine: any BusEngine) async throws {
        try await withStream(engine) { running, bus, id in
            var tail = tail(of: bus)
            let former = StreamPosition(stream: id, sequence: 5)
            #expect(try await tail.next() == .began(former))
            await running.kill()
            try running.loseStorage()
            try await running.startAgain()
            let publisher = try await running.connect()
            let new = try await publisher.declareStream(testStream()).id
            try await publish(1...9, on: publisher)
            try await eventually("it is connected again") { (try? await bus.streamState("test")) != nil }
            await #expect(throws: BusError.self) { try await tail.next() }
            #expect(try await tail.next() == .beganAnew(StreamPosition(stream: new, sequence: 0), former: former))
            guard case .messages(let span) = try await tail.next() else { throw Unexpected() }
            #expect(span.messages.map(\.text) == names(1..<10) && span.missing == 0)
        }
    }

    /// As ``aStreamThatWasLostIsFollowedFromItsBeginning(engine:)``, with a stream that keeps its identity.
    @Test(arguments: engines) func aStreamThatWasCutBackIsFollowedFromItsEnd(engine: any BusEngine) async throws {
        try await withStream(engine) { running, bus, id in
            await running.kill()
            try running.keepStorage()
            try await running.startAgain()
            try await publish(6...9, on: running.connect())
            var tail = tail(of: bus)
            let former = StreamPosition(stream: id, sequence: 9)
            try await eventually("it has begun") { (try? await tail.next()) == .began(former) }
            await running.kill()
            try running.restoreStorage()
            try await running.startAgain()
            var steps: [StreamTail.Step] = []
            try await eventually("it is noticed") {
                if let step = try? await tail.next(), step != .idle { steps.append(step) }
                return !steps.isEmpty
            }
            #expect(steps == [.beganAnew(StreamPosition(stream: id, sequence: 5), former: former)])
            try await publish(6...6, on: bus)
            guard case .messages(let span) = try await tail.next() else { throw Unexpected() }
            #expect(span.messages.map(\.text) == ["6"])
        }
    }

    @Test(arguments: engines) func whoIsCancelledEnds(engine: any BusEngine) async throws {
        try await withStream(engine) { running, bus, _ in
            func following(_ tail: StreamTail, _ failed: @escaping @Sendable () -> Void = {}) -> Task<Void, Never> {
                Task {
                    var tail = tail
                    while true {
                        do throws(BusError) {
                            guard try await tail.next() != nil else { return }
                        } catch {
                            failed()
                        }
                    }
                }
            }
            let waiting = following(tail(of: bus))
            waiting.cancel()
            try await within { await waiting.value }
            // In the middle of a pause that would last for hours.
            await running.kill()
            let hasFailed = Mutex(false)
            let backOff = BackOff(base: .seconds(86_400), ceiling: .seconds(86_400))
            let pausing = following(StreamTail(of: "test", on: bus, backOff: backOff)) {
                hasFailed.withLock { $0 = true }
            }
            try await eventually("it has failed") { hasFailed.withLock { $0 } }
            pausing.cancel()
            try await within { await pausing.value }
        }
    }

    @Test(arguments: engines) func aReadIsOfTheStreamThatIsMeant(engine: any BusEngine) async throws {
        try await withStream(engine) { _, bus, id in
            let found = try await bus.read(
                stream: "test", id: id, from: 4, maximumBytes: 1 << 20, waitingUpTo: .zero, withoutOrigin: nil)
            #expect(found.messages.map(\.text) == ["4", "5"] && found.through == 5 && found.passedOver == 0)
            for origin: UInt64? in [nil, 77] {
                await expectError(.notFound) {
                    _ = try await bus.read(
                        stream: "test", id: .new(), from: 4, maximumBytes: 1 << 20, waitingUpTo: .zero,
                        withoutOrigin: origin)
                }
            }
        }
    }
}
