// SPDX-License-Identifier: Apache-2.0
import Bus
import Core
import NIOCore
import TestKit
import Testing

/// What is missing in a stream that is followed, and where.
@Suite struct StreamTailTests {
    private let five = (1...5).map { ByteBuffer(string: "\($0)") }

    private func tail(of bus: ScriptedBus) async throws -> StreamTail {
        var tail = StreamTail(of: "test", on: bus, wait: .milliseconds(1))
        guard case .began = try await tail.next() else { throw Unexpected() }
        return tail
    }

    private struct Unexpected: Error {}

    private func span(_ tail: inout StreamTail) async throws -> StreamSpan {
        guard case .messages(let span)? = try await tail.next() else { throw Unexpected() }
        return span
    }

    private struct Cut: Equatable {
        var after: UInt64
        var next: UInt64
        var messages: [UInt64]

        init(_ after: UInt64, _ next: UInt64, _ messages: [UInt64]) {
            self.after = after
            self.next = next
            self.messages = messages
        }

        init(_ piece: StreamSpan.Piece) {
            self.init(piece.after, piece.next, piece.messages.map(\.sequence))
        }
    }

    @Test func whatIsLostIsMissingWhereItWas() async throws {
        let bus = ScriptedBus()
        var tail = try await tail(of: bus)
        bus.append(five)
        bus.lose(1)
        bus.lose(3)
        let span = try await span(&tail)
        #expect(span.after == 0 && span.end.sequence == 5 && span.missing == 2)
        #expect(span.pieces.map(Cut.init) == [Cut(0, 2, [2]), Cut(2, 4, [4, 5])])
        #expect(span.pieces.map(\.through) == [2, 5])
        #expect(span.pieces.allSatisfy { $0.isBehindGap })
        #expect(try await tail.next() == .idle)
    }

    @Test func whatIsNotKeptIsMissing() async throws {
        let bus = ScriptedBus()
        var tail = try await tail(of: bus)
        bus.append(five)
        bus.delete(through: 3)
        #expect(try await span(&tail).pieces.map(Cut.init) == [Cut(0, 4, [4, 5])])
    }

    /// They must not be waited for.
    @Test func numbersThatWereGivenAndLostAreMissingAtTheEnd() async throws {
        let bus = ScriptedBus()
        bus.append(five)
        var tail = try await tail(of: bus)
        bus.skip(2)
        let span = try await span(&tail)
        #expect(span.missing == 2 && span.messages.isEmpty && span.end.sequence == 7)
        #expect(span.pieces.map(Cut.init) == [Cut(5, 8, [])])
        #expect(try await tail.next() == .idle)
        bus.append(five)
        #expect(try await self.span(&tail).pieces.map(Cut.init) == [Cut(7, 8, [8, 9, 10, 11, 12])])
    }

    @Test func whatEndsWithMissingNumbersHasALastPieceOfNone() {
        let stream = StreamID.new()
        let messages = [2, 3].map {
            StreamMessage(
                sequence: $0, storedAt: 0, deliveryCount: 1, subject: "a", headers: BusHeaders(), payload: ByteBuffer())
        }
        let end = StreamPosition(stream: stream, sequence: 6)
        let span = StreamSpan(after: 1, end: end, messages: messages)
        #expect(span.missing == 3)
        #expect(span.pieces.map(Cut.init) == [Cut(1, 2, [2, 3]), Cut(3, 7, [])])
        // Nothing was looked at, or less than nothing.
        #expect(StreamSpan(after: 6, end: end, messages: []).pieces.isEmpty)
        #expect(StreamSpan(after: 9, end: end, messages: []).missing == 0)
    }

    /// Without a bus that knows which stream is meant: it is asked behind each read.
    @Test func aStreamThatBeganAnewIsFollowedFromItsBeginning() async throws {
        let bus = ScriptedBus()
        bus.append(five)
        var tail = try await tail(of: bus)
        let former = StreamPosition(stream: bus.identifier, sequence: 5)
        bus.beginAnew()
        bus.append(five + five)
        await #expect(throws: BusError.self) { try await tail.next() }
        let position = StreamPosition(stream: bus.identifier, sequence: 0)
        #expect(try await tail.next() == .beganAnew(position, former: former))
        #expect(try await span(&tail).messages.count == 10)
    }
}
