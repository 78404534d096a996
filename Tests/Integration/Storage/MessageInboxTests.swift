// SPDX-License-Identifier: Apache-2.0
import Bus
import NIOCore
import Testing

@testable import WriterPostgres

/// What waits between the bus and the builder of batches.
@Suite struct MessageInboxTests {
    private func messages(_ sequences: ClosedRange<UInt64>) -> [StreamMessage] {
        sequences.map {
            StreamMessage(
                sequence: $0, storedAt: 0, deliveryCount: 1, subject: "channels.a", headers: BusHeaders(),
                payload: ByteBuffer())
        }
    }

    private func take(from inbox: MessageInbox) async -> [UInt64] {
        guard case .append(let taken) = await inbox.next(hasBatch: false, isFull: false) else { return [] }
        return taken.map(\.sequence)
    }

    /// A database that is never quite as fast as messages come: what was stored long ago must not stay in memory.
    @Test func whoIsAlwaysBehindKeepsOnlyWhatWaits() async {
        let inbox = MessageInbox()
        inbox.push(messages(1...10_000))
        var seen: [UInt64] = []
        var last: UInt64 = 10_000
        for _ in 0..<400 {
            seen += await take(from: inbox)
            inbox.push(messages(last + 1...last + 256))
            last += 256
            #expect(inbox.count == Int(last) - seen.count)
            #expect(inbox.held <= 2 * inbox.count)
        }
        while inbox.count > 0 { seen += await take(from: inbox) }
        #expect(seen == Array(1...last))
        #expect(inbox.held == 0)
    }

    @Test func whatComesAgainIsDropped() async {
        let inbox = MessageInbox()
        inbox.push(messages(1...3))
        inbox.push(messages(2...5))
        #expect(await take(from: inbox) == [1, 2, 3, 4, 5])
        inbox.push(messages(1...5))
        #expect(inbox.count == 0)
    }
}
