// SPDX-License-Identifier: Apache-2.0
import Bus
import TestKit
import Testing

@testable import BusService

@Suite struct FlowControlTests {
    private static let frame = Frames.publish("a.b", String(repeating: "x", count: 10_000))

    /// Publishes without waiting until the bus no longer reads.
    private func fill(_ publisher: WireClient) async throws -> Int {
        var sent = 0
        var idle = 0
        while idle < 50 {
            let offset = sent % Self.frame.count
            let count = publisher.sendWhatFits(Array(Self.frame[offset...]))
            sent += count
            idle = count == 0 ? idle + 1 : 0
            if count == 0 { try await Task.sleep(for: .milliseconds(2)) }
            #expect(sent < 256 << 20, "the publisher was never paused")
            if sent >= 256 << 20 { break }
        }
        return sent
    }

    @Test func aSubscriberThatStaysBehindIsCutOffAndThePublisherGoesOn() async throws {
        try await withBus(
            Adjustment {
                $0.highWaterBytes = 256 << 10
                // Longer than a busy machine takes to find out that the publisher is paused.
                $0.stallLimitMilliseconds = 2_000
            }
        ) { socket, daemon in
            let publisher = try WireClient(socket, as: "test")
            let slow = try WireClient(socket, as: "test")
            try slow.subscribe(1, "a.>")
            let sent = try await fill(publisher)
            #expect(sent > 256 << 10)
            try await eventually("the slow one is cut off") {
                publisher.sendWhatFits([]) >= 0 && daemon.statistics.cutOff["slow_consumer"] == 1
            }
            // What reached its socket before is whole frames, and the last one says why.
            var last: Frame?
            while let frame = try? slow.receive() { last = frame }
            #expect(last?.opcode == .failed)
            #expect(last?.failure == .slowConsumer)
            let rest = Self.frame[(sent % Self.frame.count)...]
            if sent % Self.frame.count != 0 { try publisher.send(Array(rest)) }
            #expect(try publisher.flush().isEmpty)
        }
    }

    @Test func aSlowButSteadySubscriberPausesItsPublisherAndLosesNothing() async throws {
        try await withBus(Adjustment { $0.highWaterBytes = 256 << 10 }) { socket, daemon in
            let publisher = try WireClient(socket, as: "test")
            let slow = try WireClient(socket, as: "test")
            try slow.subscribe(1, "a.>")
            let sent = try await fill(publisher)
            let whole = sent / Self.frame.count
            try await eventually("the publisher is paused") { daemon.statistics.publisherStalls > 0 }
            for _ in 0..<whole { #expect(try slow.receive().bytes == Self.frame) }
            if sent % Self.frame.count != 0 { try publisher.send(Array(Self.frame[(sent % Self.frame.count)...])) }
            #expect(try publisher.flush().isEmpty)
            #expect(daemon.statistics.cutOff.isEmpty)
        }
    }

    @Test func othersAreServedWhileOneIsBehind() async throws {
        try await withBus(Adjustment { $0.highWaterBytes = 256 << 10 }) { socket, _ in
            let publisher = try WireClient(socket, as: "test")
            let slow = try WireClient(socket, as: "test")
            try slow.subscribe(1, "a.>")
            _ = try await fill(publisher)
            let other = try WireClient(socket, as: "test")
            try other.subscribe(1, "b.>")
            try other.send(Frames.publish("b.c", "through"))
            #expect(try other.receive().payload == "through")
        }
    }
}
