// SPDX-License-Identifier: Apache-2.0
import NIOCore
import Synchronization
import TestKit
import Testing

@testable import Bus

/// The parts of the client that need no socket.
@Suite struct ClientStateTests {
    /// Against the obvious model: a dictionary.
    @Test(arguments: 1...20) func theDurableWindowAgreesWithADictionary(seed: UInt64) {
        var generator = SeededGenerator(seed: seed)
        var window = DurableWindow()
        var model: [UInt32: Int] = [:]
        let completed = Mutex<[Int]>([])
        var appended = 0
        for _ in 0..<2000 {
            if Bool.random(using: &generator) {
                for _ in 0..<Int.random(in: 1...40, using: &generator) {
                    let (token, number) = (window.nextToken, appended)
                    #expect(token != 0 && model[token] == nil)
                    model[token] = number
                    window.append { _ in completed.withLock { $0.append(number) } }
                    appended += 1
                }
            } else {
                let first = UInt32.random(in: 0...UInt32(appended + 3), using: &generator)
                let count = UInt32.random(in: 0...60, using: &generator)
                // A range that begins before the oldest one without an answer was never given: nothing is taken.
                var expected: [Int] = []
                if let oldest = model.keys.min(), first >= oldest {
                    for token in UInt64(first)..<UInt64(first) + UInt64(count) {
                        guard let number = model.removeValue(forKey: UInt32(truncatingIfNeeded: token)) else {
                            continue
                        }
                        expected.append(number)
                    }
                }
                var taken: [DurableWindow.Completion?] = []
                window.take(from: first, count: count, into: &taken)
                for completion in taken { completion?(.failure(.closed)) }
                let got = completed.withLock { completed in
                    defer { completed = [] }
                    return completed
                }
                #expect(got == expected, "seed \(seed)")
            }
        }
        for completion in window.removeAll() { completion(.failure(.closed)) }
        #expect(completed.withLock { $0 } == model.values.sorted(), "seed \(seed)")
        #expect(window.count == 0)
    }

    /// Whatever comes in which order: it goes out in that order, and all of it is counted.
    @Test(arguments: 1...20) func whatIsQueuedGoesOutInOrder(seed: UInt64) {
        var generator = SeededGenerator(seed: seed)
        var outgoing = Outgoing()
        var frames = ByteBuffer()
        var expected: [UInt8] = []
        var number: UInt8 = 0
        for _ in 0..<500 {
            number &+= 1
            switch Int.random(in: 0..<4, using: &generator) {
            case 0:
                outgoing.buffer.writeInteger(number)
                expected.append(number)
            case 1:
                let queued = outgoing.takeQueued()
                #expect(queued.flatMap { Array($0.readableBytesView) } == expected, "seed \(seed)")
                #expect(outgoing.bytesInChannel == expected.count && outgoing.unsentBytes == 0)
                outgoing.bytesInChannel = 0
                outgoing.keep(queued.map { ByteBufferAllocator().buffer(capacity: $0.capacity) })
                expected = []
            default:
                let count = Int.random(in: 1...60_000, using: &generator)
                frames.writeRepeatingByte(number, count: count)
                outgoing.append(&frames)
                #expect(frames.readableBytes == 0)
                expected += Array(repeating: number, count: count)
            }
            #expect(outgoing.unsentBytes == expected.count)
        }
        #expect(outgoing.takeQueued().flatMap { Array($0.readableBytesView) } == expected)
        outgoing.removeQueued()
        #expect(outgoing.queuedBytes == 0)
    }

    /// Many frames at once are sent from where they were written.
    @Test func manyFramesAreNotCopied() throws {
        var outgoing = Outgoing()
        outgoing.buffer.writeInteger(UInt8(1))
        var frames = ByteBuffer(repeating: 2, count: 100_000)
        let address = frames.withUnsafeReadableBytes { $0.baseAddress }
        outgoing.append(&frames)
        // The next ones have room as well.
        #expect(frames.capacity >= 100_000)
        let sent = try #require(outgoing.takeQueued().last)
        #expect(sent.withUnsafeReadableBytes { $0.baseAddress } == address)
    }

    /// Reads of any size give the same frames, and what is no frame is refused wherever it is cut.
    @Test func theSplitterFindsEveryFrameAtEverySplit() throws {
        var stream: [UInt8] = []
        for length in [8, 9, 12, 40, 300] {
            stream += ScriptedPeer.control(.pong, body: Array(repeating: 5, count: length - 8))
        }
        for first in 0...stream.count {
            for second in stride(from: first, through: stream.count, by: 7) {
                var splitter = FrameSplitter(maximumFrameBytes: 1000)
                var frames: [UInt8] = []
                for part in [stream[..<first], stream[first..<second], stream[second...]] {
                    try Array(part).withUnsafeBytes { bytes in
                        try splitter.feed(bytes) { whole in
                            var offset = 0
                            while offset < whole.count { offset += FrameSplitter.wholeFrameLength(whole, at: offset) }
                            #expect(offset == whole.count)
                            frames += Array(whole)
                        }
                    }
                }
                #expect(frames == stream)
            }
        }
        let tooLong = ScriptedPeer.control(.pong, body: Array(repeating: 5, count: 1000))
        for split in 0...8 {
            var splitter = FrameSplitter(maximumFrameBytes: 1000)
            #expect(throws: BusError.self) {
                for part in [tooLong[..<split], tooLong[split...]] {
                    try Array(part).withUnsafeBytes { bytes in
                        try splitter.feed(bytes) { _ in Issue.record("no frame") }
                    }
                }
            }
        }
    }

    @Test func theSubjectTableReturnsWhatItIsGiven() {
        var table = SubjectTable()
        var generator = SeededGenerator(seed: 7)
        for _ in 0..<20_000 {
            let subject = "s.\(Int.random(in: 0..<1000, using: &generator)).temperature"
            let found = Array(subject.utf8).withUnsafeBytes { table.string(for: $0) }
            #expect(found == subject)
        }
    }
}
