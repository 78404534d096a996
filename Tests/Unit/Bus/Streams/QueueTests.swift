// SPDX-License-Identifier: Apache-2.0
import TestKit
import Testing

@testable import BusService

@Suite struct AcknowledgementQueueTests {
    private typealias Entry = AcknowledgementQueue.Entry

    @Test func consecutiveTokensBecomeOneEntry() throws {
        var queue = AcknowledgementQueue()
        for offset in 0..<5 { queue.append(.publisher(1), token: 10 + UInt32(offset), sequence: 100 + UInt64(offset)) }
        let next = queue.next(syncedThrough: 104)
        let entry = try #require(next)
        #expect(entry.firstToken == 10)
        #expect(entry.count == 5)
        #expect(entry.firstSequence == 100)
        #expect(queue.isEmpty)
    }

    @Test func whatIsNotSyncedStays() throws {
        var queue = AcknowledgementQueue()
        for offset in 0..<5 { queue.append(.publisher(1), token: UInt32(offset), sequence: 100 + UInt64(offset)) }
        let early = queue.next(syncedThrough: 99)
        #expect(early == nil)
        let part = queue.next(syncedThrough: 101)
        #expect(part?.count == 2)
        let none = queue.next(syncedThrough: 101)
        #expect(none == nil)
        let last = queue.next(syncedThrough: 200)
        let rest = try #require(last)
        #expect(rest.firstToken == 2)
        #expect(rest.firstSequence == 102)
        #expect(rest.count == 3)
    }

    @Test func otherConnectionsGapsAndDeadLettersAreEntriesOfTheirOwn() {
        var queue = AcknowledgementQueue()
        queue.append(.publisher(1), token: 1, sequence: 1)
        queue.append(.publisher(2), token: 2, sequence: 2)
        queue.append(.publisher(2), token: 4, sequence: 3)
        queue.append(.publisher(2), token: 5, sequence: 9)
        queue.append(.deadLetter, token: 6, sequence: 10)
        queue.append(.deadLetter, token: 7, sequence: 11)
        var count = 0
        while queue.next(syncedThrough: 11) != nil { count += 1 }
        #expect(count == 6)
    }

    @Test func aDuplicateWaitsForItsFirst() {
        var queue = AcknowledgementQueue()
        queue.appendDuplicate(.publisher(1), token: 3, sequence: 5, after: 5)
        let early = queue.next(syncedThrough: 4)
        #expect(early == nil)
        let told = queue.next(syncedThrough: 5)
        #expect(told?.duplicateAfter == 5)
    }
}

@Suite struct PendingMessagesTests {
    private func pending(_ sequences: [UInt64], deadline: UInt64 = 1000) -> PendingMessages {
        var pending = PendingMessages()
        for sequence in sequences { pending.append(sequence: sequence, bytes: 10, deadline: deadline) }
        return pending
    }

    @Test func acknowledgingOutOfTurnKeepsThePositionUntilTheGapCloses() {
        var pending = pending([1, 2, 5, 9])
        let outcomes = [pending.acknowledge(5), pending.acknowledge(5), pending.acknowledge(4)]
        #expect(outcomes == [true, false, false])
        #expect(pending.firstSequence == 1)
        #expect(pending.count == 3)
        #expect(pending.bytes == 30)
        pending.acknowledge(1)
        pending.acknowledge(2)
        #expect(pending.firstSequence == 9)
    }

    @Test func acknowledgingThroughTakesAllBelow() {
        var pending = pending([1, 2, 5, 9])
        pending.acknowledge(5)
        pending.acknowledge(through: 2)
        #expect(pending.firstSequence == 9)
        pending.acknowledge(through: 100)
        #expect(pending.isEmpty)
        #expect(pending.count == 0)
        #expect(pending.bytes == 0)
    }

    @Test func whatIsNotAcknowledgedInTimeIsDue() {
        var pending = pending([1, 2])
        pending.append(sequence: 3, bytes: 1, deadline: 2000)
        pending.expire(now: 999, maximumDeliveries: 0)
        #expect(pending.dueCount == 0)
        pending.expire(now: 1000, maximumDeliveries: 0)
        #expect(pending.dueCount == 2)
        #expect(pending.firstDue()?.sequence == 1)
        #expect(pending.firstDue(from: 2)?.sequence == 2)
        #expect(pending.nextDeadline == 2000)
    }

    @Test func afterTheLastDeliveryAMessageIsGivenUp() {
        var pending = pending([1])
        pending.expire(now: 1000, maximumDeliveries: 2)
        #expect(pending[1]?.state == .due)
        pending.set(1, .delivered, deadline: 3000, countingDelivery: true)
        #expect(pending.dueCount == 0)
        pending.expire(now: 3000, maximumDeliveries: 2)
        #expect(pending[1]?.state == .givenUp)
        #expect(pending.dueCount == 1)
        pending.acknowledge(1)
        #expect(pending.dueCount == 0)
    }

    @Test func aReaderThatLeavesMakesEverythingDue() {
        var pending = pending([1, 2, 3])
        pending.acknowledge(2)
        pending.readerLeft(maximumDeliveries: 0)
        #expect(pending.dueCount == 2)
        var acknowledged: [UInt64] = []
        pending.forEachAcknowledged { acknowledged.append($0) }
        #expect(acknowledged == [2])
    }

    /// Against the plain definition, with sets.
    @Test(arguments: [11, 12, 13] as [UInt64])
    func randomOperationsKeepTheCounts(_ seed: UInt64) {
        var random = SeededGenerator(seed: seed)
        var pending = PendingMessages()
        var model: [UInt64: Bool] = [:]
        var next: UInt64 = 1
        for _ in 0..<20_000 {
            switch Int.random(in: 0..<4, using: &random) {
            case 0, 1:
                next += UInt64.random(in: 1...3, using: &random)
                pending.append(sequence: next, bytes: 1, deadline: .max)
                model[next] = true
            case 2:
                let sequence = UInt64.random(in: (next > 50 ? next - 50 : 0)...next, using: &random)
                let wasPending = pending.acknowledge(sequence)
                #expect(wasPending == (model.removeValue(forKey: sequence) != nil))
            default:
                guard Int.random(in: 0..<20, using: &random) == 0 else { continue }
                let sequence = UInt64.random(in: (next > 50 ? next - 50 : 0)...next, using: &random)
                pending.acknowledge(through: sequence)
                model = model.filter { $0.key > sequence }
            }
            #expect(pending.count == model.count)
            #expect(pending.bytes == model.count)
            #expect(pending.firstSequence == model.keys.min(), "seed \(seed)")
        }
    }
}
