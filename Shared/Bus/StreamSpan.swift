// SPDX-License-Identifier: Apache-2.0
import Core

/// What one read of a stream has looked at: everything behind `after` up to `end`.
public struct StreamSpan: Sendable, Equatable {
    public var after: UInt64
    public var end: StreamPosition
    /// In order of their sequence numbers.
    public var messages: [StreamMessage]
    /// Messages that were left out, as was wished.
    public var passedOver: Int

    public init(after: UInt64, end: StreamPosition, messages: [StreamMessage], passedOver: Int = 0) {
        self.after = after
        self.end = end
        self.messages = messages
        self.passedOver = passedOver
    }

    /// How many of its numbers have no message: it is not kept any more, or lost, or there never was one (a crash of the bus skips some).
    public var missing: UInt64 {
        let looked = end.sequence > after ? end.sequence - after : 0
        return looked - min(looked, UInt64(messages.count + max(0, passedOver)))
    }

    /// A run of messages without a missing number among them; there may be some before it.
    public struct Piece: Sendable, Equatable {
        public var after: UInt64
        /// The number that follows those that are missing; `after + 1` when none is.
        public var next: UInt64
        public var through: UInt64
        public var messages: ArraySlice<StreamMessage>

        public var isBehindGap: Bool { next > after &+ 1 }
    }

    /// The span cut at every missing number. The last piece has no messages when the span ends with missing ones.
    ///
    /// Of what was left out (`passedOver`) it is not known which numbers it had: they look like missing ones here.
    public var pieces: [Piece] {
        guard missing > 0 || passedOver > 0 else {
            guard !messages.isEmpty else { return [] }
            return [Piece(after: after, next: after &+ 1, through: end.sequence, messages: messages[...])]
        }
        var pieces: [Piece] = []
        var through = after
        var start = messages.startIndex
        while start < messages.endIndex {
            let next = messages[start].sequence
            var stop = start + 1
            while stop < messages.endIndex, messages[stop].sequence == messages[stop - 1].sequence &+ 1 { stop += 1 }
            let last = messages[stop - 1].sequence
            pieces.append(Piece(after: through, next: next, through: last, messages: messages[start..<stop]))
            through = last
            start = stop
        }
        if end.sequence > through {
            pieces.append(
                Piece(after: through, next: end.sequence &+ 1, through: end.sequence, messages: messages[start...]))
        }
        return pieces
    }
}
