// SPDX-License-Identifier: Apache-2.0
import Bus
import Core
import Messaging
import NIOCore
import Testing

@testable import CoAPAdapter

@Suite struct ObserverTableTests {
    private func message(_ bytes: Int, in chunk: Int = 0) throws -> ObservedMessage {
        let channel = ChannelID.new()
        var envelope = ByteBuffer()
        RawMessage(
            domain: .new(), channel: channel, subtopic: "a", publisher: .new(), transport: .http,
            contentType: .octetStream, created: 1, payload: ByteBuffer(repeating: 1, count: bytes)
        ).encode(into: &envelope)
        let count = envelope.readableBytes
        envelope.writeRepeatingByte(0, count: chunk)
        let stored = StreamMessage(
            sequence: 1, storedAt: 1, deliveryCount: 1, subject: Subjects.messages(channel: channel, subtopic: "a"),
            headers: BusHeaders(),
            payload: try #require(envelope.getSlice(at: 0, length: count)))
        return try #require(ObservedMessage(stored, [channel: 1]))
    }

    @Test("What waits is bounded by its bytes, and the newest takes the place of the one before")
    func waiting() throws {
        var table = ObserverTable(maximumWaitingBytes: 1_000)
        let first = ObservationID(number: 1)
        let second = ObservationID(number: 2)
        #expect(try table.wait(message(600), first) == .waits)
        #expect(try table.wait(message(700), first) == .replaced)
        #expect(table.waitingBytes == 700)
        #expect(try table.wait(message(301), second) == .refused)
        #expect(try table.wait(message(300), second) == .waits)
        #expect(table.waitingBytes == 1_000)
        #expect(table.takeWaiting(first)?.payload.readableBytes == 700)
        #expect(table.takeWaiting(first) == nil)
        #expect(table.waitingBytes == 300)
    }

    @Test("A message that waits does not keep the answer of the bus that it came in")
    func ownBytes() throws {
        #expect(try message(100, in: 1 << 20).payload.storageCapacity < 1_024)
    }
}
