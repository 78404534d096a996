// SPDX-License-Identifier: Apache-2.0
import Bus
import Core
import Messaging
import Testing

@testable import WriterPostgres

@Suite struct MissingSequencesTests {
    private func state(first: UInt64, corrupt: [UInt64] = [], corruptCount: UInt64? = nil) -> StreamState {
        StreamState(
            configuration: StreamConfiguration(name: Streams.messages, subjects: [], maximumBytes: 1 << 30),
            id: .new(), firstSequence: first, lastSequence: 1_000, bytes: 0, corruptSequences: corrupt,
            corruptCount: corruptCount ?? UInt64(corrupt.count), consumers: [], isAccepting: true, refusalReason: nil)
    }

    private func missing(_ ranges: Range<UInt64>...) -> MissingSequences {
        var missing = MissingSequences()
        for range in ranges { missing.add(from: range.lowerBound, to: range.upperBound) }
        return missing
    }

    @Test func onlyWhatWasAMessageIsLost() {
        #expect(missing(5..<8, 20..<21).lost(in: state(first: 1)) == 0)
        #expect(missing(5..<8, 20..<21).lost(in: state(first: 1, corrupt: [6, 9, 20])) == 2)
        #expect(missing(5..<8, 20..<21).lost(in: state(first: 7)) == 2)
        #expect(missing(5..<8, 20..<21).lost(in: state(first: 7, corrupt: [6, 7])) == 3)
        #expect(missing(5..<8).lost(in: state(first: 900)) == 3)
        #expect(missing(5..<5).lost(in: state(first: 900)) == 0)
        #expect(missing(1..<UInt64.max).lost(in: state(first: 0)) == 0)
    }

    /// Which they are is not known: none may look harmless.
    @Test func moreCorruptRecordsThanAreNamedMakeEveryNumberLost() {
        #expect(missing(5..<8, 20..<21).lost(in: state(first: 1, corrupt: [900], corruptCount: 2)) == 4)
    }

    @Test func rangesAreBounded() {
        var missing = MissingSequences()
        let count = UInt64(MissingSequences.maximumRanges)
        for index in 0..<count + 3 { missing.add(from: index * 2 + 1, to: index * 2 + 2) }
        #expect(missing.count == count + 3)
        #expect(missing.lost(in: state(first: 1)) == 3)
    }
}
