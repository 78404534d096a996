// SPDX-License-Identifier: Apache-2.0
import Bus
import Foundation
import Testing

@testable import BusService

@Suite struct StreamTests {
    private func state(_ frame: Frame) throws -> StreamState {
        try JSONDecoder().decode(StreamState.self, from: Data(frame.body))
    }

    private func consumerState(_ client: WireClient, _ name: String = "reader") throws -> ConsumerState {
        let frame = try client.command(.consumerState, Wire.StreamReference(stream: "messages", consumer: name))
        return try JSONDecoder().decode(ConsumerState.self, from: Data(frame.body))
    }

    private func publish(_ client: WireClient, _ payloads: [String], subject: String = "channels.c") throws {
        var sequences = 0
        for (index, payload) in payloads.enumerated() {
            try client.send(Frames.publish(subject, payload, token: UInt32(1 + index), flags: .durable))
        }
        while sequences < payloads.count {
            let frame = try client.receive()
            #expect(frame.opcode == .stored)
            sequences += Int(frame.storedCount)
        }
    }

    @Test func aDurablePublishIsAcknowledgedWithItsSequenceAndReachesSubscribersToo() async throws {
        try await withBus { socket, _ in
            let client = try WireClient(socket, as: "test")
            let live = try WireClient(socket, as: "test")
            try live.subscribe(1, "channels.>")
            try client.send((0..<5).flatMap { Frames.publish("channels.c", "\($0)", token: 10 + $0, flags: .durable) })
            var expected: UInt32 = 10
            while expected < 15 {
                let stored = try client.receive()
                #expect(stored.opcode == .stored)
                #expect(stored.token == expected)
                #expect(stored.storedSequence == UInt64(expected - 9))
                expected += stored.storedCount
            }
            #expect(try live.flush().map(\.payload) == ["0", "1", "2", "3", "4"])
            try client.send(Frames.publish("nowhere.c", "x", token: 20, flags: .durable))
            #expect(try client.receive().failure == .notCaptured)
        }
    }

    @Test func aSecondPublishWithTheSameIdentifierIsNotStoredAgain() async throws {
        try await withBus { socket, _ in
            let client = try WireClient(socket, as: "test")
            let frame = { (token: UInt32) in
                Frames.publish(
                    "channels.c", "x", headers: Frames.messageID("id-1"), token: token,
                    flags: [.durable, .hasMessageID])
            }
            try client.send(frame(1) + frame(2))
            let first = try client.receive()
            let second = try client.receive()
            #expect(first.flags == [])
            #expect(second.flags == .duplicate)
            #expect(second.token == 2)
            #expect(second.storedSequence == first.storedSequence)
            let stream = try state(client.command(.streamState, Wire.StreamReference(stream: "messages")))
            #expect(stream.lastSequence == 1)
        }
    }

    @Test func aConsumerGetsWhatIsStoredInOrderWithinItsWindow() async throws {
        try await withBus { socket, _ in
            let client = try WireClient(socket, as: "test")
            try publish(client, (1...10).map(String.init))
            let reader = try WireClient(socket, as: "writer-postgres")
            let consumed = try reader.consume(7, "messages", consumer(messages: 4))
            #expect(consumed.opcode == .done)
            #expect(try state(consumed).lastSequence == 10)
            let first = try (0..<4).map { _ in try reader.receive() }
            #expect(first.map(\.sequence) == [1, 2, 3, 4])
            #expect(first.map(\.payload) == ["1", "2", "3", "4"])
            #expect(first.allSatisfy { $0.token == 7 && $0.deliveryCount == 1 && $0.subject == "channels.c" })
            #expect(try reader.flush().isEmpty)
            try reader.acknowledge(7, .one, 2)
            #expect(try reader.receive().sequence == 5)
            try reader.acknowledge(7, .through, 4)
            #expect(try (0..<3).map { _ in try reader.receive().sequence } == [6, 7, 8])
            let state = try consumerState(client)
            #expect(state.acknowledgedThrough == 4)
            #expect(state.unacknowledged == 4)
            #expect(state.pending == 6)
        }
    }

    @Test func aFilteredConsumerGetsOnlyWhatMatches() async throws {
        try await withBus { socket, _ in
            let client = try WireClient(socket, as: "test")
            for number in 0..<6 {
                try publish(client, ["\(number)"], subject: number % 2 == 0 ? "channels.even" : "channels.odd")
            }
            _ = try client.consume(7, "messages", consumer(filter: "channels.odd"))
            #expect(try (0..<3).map { _ in try client.receive().payload } == ["1", "3", "5"])
            try client.acknowledge(7, .through, 6)
            _ = try client.flush()
            #expect(try consumerState(client).acknowledgedThrough == 6)
        }
    }

    @Test func whatAReaderLeavesUnacknowledgedGoesToTheNextOne() async throws {
        try await withBus { socket, _ in
            let client = try WireClient(socket, as: "test")
            try publish(client, ["a", "b", "c"])
            do {
                let first = try WireClient(socket, as: "test")
                _ = try first.consume(7, "messages", consumer())
                for _ in 0..<3 { _ = try first.receive() }
                try first.acknowledge(7, .one, 2)
                _ = try first.flush()
            }
            let second = try WireClient(socket, as: "test")
            _ = try second.consume(8, "messages", consumer())
            let again = try (0..<2).map { _ in try second.receive() }
            #expect(again.map(\.payload) == ["a", "c"])
            #expect(again.map(\.deliveryCount) == [2, 2])
        }
    }

    @Test func aSecondReaderTakesOver() async throws {
        try await withBus { socket, _ in
            let client = try WireClient(socket, as: "test")
            try publish(client, ["a"])
            let first = try WireClient(socket, as: "test")
            _ = try first.consume(7, "messages", consumer())
            #expect(try first.receive().payload == "a")
            let second = try WireClient(socket, as: "test")
            #expect(try second.consume(9, "messages", consumer()).opcode == .done)
            let failed = try first.receive()
            #expect(failed.opcode == .failed)
            #expect(failed.failure == .takenOver)
            #expect(failed.token == 7)
            #expect(try second.receive().deliveryCount == 2)
            // The one that lost its place can no longer acknowledge.
            try first.acknowledge(7, .through, 1)
            _ = try first.flush()
            #expect(try consumerState(client).acknowledgedThrough == 0)
        }
    }

    @Test func whatIsNotAcknowledgedInTimeComesAgainAndThenGoesToTheDeadLetters() async throws {
        try await withBus { socket, _ in
            let client = try WireClient(socket, as: "test")
            try publish(client, ["poison", "good"])
            _ = try client.consume(7, "messages", consumer(waitMilliseconds: 100, deliveries: 2))
            let first = try (0..<2).map { _ in try client.receive() }
            #expect(first.map(\.payload) == ["poison", "good"])
            try client.acknowledge(7, .one, 2)
            let again = try client.receive()
            #expect(again.payload == "poison")
            #expect(again.deliveryCount == 2)
            let letters = try WireClient(socket, as: "test")
            _ = try letters.consume(1, "dead-letters", consumer("operator"))
            let letter = try letters.receive()
            #expect(letter.subject == "dead.messages.reader")
            #expect(letter.payload == "poison")
            #expect(String(decoding: letter.headers, as: UTF8.self).contains("channels.c"))
            _ = try client.flush()
            let state = try consumerState(client)
            #expect(state.acknowledgedThrough == 2)
            #expect(state.deadLettered == 1)
        }
    }

    @Test func aMessageThatIsGivenUpCarriesTheReason() async throws {
        try await withBus { socket, _ in
            let client = try WireClient(socket, as: "test")
            try publish(client, ["bad"])
            _ = try client.consume(7, "messages", consumer())
            let message = try client.receive()
            try client.acknowledge(7, .giveUp, message.sequence, Array("not valid SenML".utf8))
            let letters = try WireClient(socket, as: "test")
            _ = try letters.consume(1, "dead-letters", consumer("operator"))
            let letter = try letters.receive()
            let reason = [Wire.HeaderType.reason.rawValue, 15] + Array("not valid SenML".utf8)
            let number = [Wire.HeaderType.originalSequence.rawValue, 8] + Frames.bytes(message.sequence)
            #expect(letter.headers.contains(reason))
            #expect(letter.headers.contains(number))
        }
    }

    @Test func aRejectedMessageComesAgain() async throws {
        try await withBus { socket, _ in
            let client = try WireClient(socket, as: "test")
            try publish(client, ["a", "b"])
            _ = try client.consume(7, "messages", consumer())
            _ = try (0..<2).map { _ in try client.receive() }
            try client.acknowledge(7, .redeliver, 1, Frames.bytes(UInt32(10)))
            let again = try client.receive()
            #expect(again.sequence == 1)
            #expect(again.deliveryCount == 2)
        }
    }

    @Test func storedMessagesAreReadWithoutAConsumer() async throws {
        try await withBus { socket, _ in
            let client = try WireClient(socket, as: "test")
            try publish(client, ["a", "b", "c"])
            let answer = try client.command(
                .read, Wire.StreamReference(stream: "messages", from: 2, maximumBytes: 1 << 20))
            var body = Array(answer.body)
            #expect(Frame(&body)?.payload == "b")
            #expect(Frame(&body)?.payload == "c")
            #expect(body.isEmpty)
        }
    }

    @Test func overlappingStreamsAndUnusableConfigurationsAreRefused() async throws {
        try await withBus { socket, _ in
            let client = try WireClient(socket, as: "test")
            func declare(_ name: String, _ subjects: [String], bytes: UInt64 = 4 << 20) throws -> Frame {
                try client.command(
                    .declareStream,
                    StreamConfiguration(name: name, subjects: subjects, maximumBytes: bytes, segmentBytes: 1 << 20))
            }
            #expect(try declare("mine", ["mine.>"]).opcode == .done)
            #expect(try declare("mine", ["mine.>"]).opcode == .done)
            for (name, subjects, bytes) in [
                ("other", ["mine.a"], 4 << 20), ("other", ["channels.*"], 4 << 20), ("Bad Name", ["x.>"], 4 << 20),
                ("other", [], 4 << 20), ("other", ["a..b"], 4 << 20), ("other", ["x.>"], 1 << 20),
                ("other", [">"], 4 << 20),
            ] as [(String, [String], UInt64)] {
                #expect(
                    try declare(name, subjects, bytes: bytes).failure == .invalidConfiguration, "\(name) \(subjects)")
            }
            try client.send(Frames.publish("mine.x", "kept", token: 1, flags: .durable))
            #expect(try client.receive().opcode == .stored)
            #expect(
                try client.command(.streamState, Wire.StreamReference(stream: "none")).failure == .notFound)
        }
    }

    @Test func aSpentBudgetRefusesUntilAConsumerHasReadAndLosesNothing() async throws {
        try await withBus { socket, _ in
            let client = try WireClient(socket, as: "test")
            let declared = try client.command(
                .declareStream,
                StreamConfiguration(name: "small", subjects: ["small.>"], maximumBytes: 2 << 20, segmentBytes: 1 << 20))
            #expect(declared.opcode == .done)
            let live = try WireClient(socket, as: "test")
            try live.subscribe(1, "small.>")
            let payload = String(repeating: "x", count: 100_000)
            var accepted: UInt64 = 0
            var refusal: Frame?
            while refusal == nil {
                try client.send(Frames.publish("small.x", payload, token: 1, flags: .durable))
                let answer = try client.receive()
                if answer.opcode == .stored { accepted += 1 } else { refusal = answer }
                try #require(accepted < 100)
            }
            #expect(refusal?.failure == .budgetSpent)
            #expect(refusal.map { Frames.integer($0.bytes, 12, UInt32.self) } == Stream.retryAfterSeconds)
            #expect(try live.receive(until: { _ in true }).count == 1)
            // Refused means: not delivered either.
            #expect(try live.flush().count == Int(accepted) - 1)

            let reader = try WireClient(socket, as: "test")
            _ = try reader.consume(7, "small", consumer())
            for sequence in 1...accepted { #expect(try reader.receive().sequence == sequence) }
            try reader.acknowledge(7, .through, accepted)
            var isTaken = false
            while !isTaken {
                try client.send(Frames.publish("small.x", "again", token: 1, flags: .durable))
                isTaken = try client.receive().opcode == .stored
                if !isTaken { try await Task.sleep(for: .milliseconds(20)) }
            }
            #expect(try reader.receive().sequence == accepted + 1)
        }
    }

    @Test func aConsumerFarBehindReadsEverythingInOrder() async throws {
        try await withBus(Adjustment { $0.messagesMaximumBytes = 64 << 20 }) { socket, _ in
            let client = try WireClient(socket, as: "test")
            // Several times what the log keeps in memory.
            let payload = String(repeating: "y", count: 20_000)
            let count = 1500
            for start in stride(from: 0, to: count, by: 100) {
                try publish(client, (start..<start + 100).map { "\($0)-\(payload)" })
            }
            let reader = try WireClient(socket, as: "test")
            _ = try reader.consume(7, "messages", consumer(messages: 200))
            for number in 0..<count {
                let message = try reader.receive()
                #expect(message.sequence == UInt64(number + 1))
                #expect(message.payload.hasPrefix("\(number)-"))
                if number % 50 == 49 { try reader.acknowledge(7, .through, message.sequence) }
            }
        }
    }
}
