// SPDX-License-Identifier: Apache-2.0
import Bus
import Messaging

/// A stored message on its way to those who listen live.
struct LiveMessage: Sendable {
    /// Its number in the stream of messages.
    let sequence: UInt64
    let view: RawMessageView

    /// - Returns: nil for what is no envelope: it concerns nobody here, the writer makes a dead letter of it.
    init?(_ stored: StreamMessage) {
        guard let view = try? RawMessageView(decoding: stored.payload) else { return nil }
        sequence = stored.sequence
        self.view = view
    }
}

/// Messages that are known to be missing: what comes behind `after` begins with `next`.
struct LiveGap: Sendable, Equatable {
    let after: UInt64
    let next: UInt64
}

/// What one read of the stream brought.
struct LiveBatch: Sendable {
    /// Those of channels that somebody listens to, in order.
    var messages: [LiveMessage]
    /// Everything up to here has been looked at.
    var through: UInt64
    /// Before the first of them.
    var gap: LiveGap?

    init(_ piece: StreamSpan.Piece, messages: [LiveMessage]) {
        self.messages = messages
        through = piece.through
        gap = piece.isBehindGap ? LiveGap(after: piece.after, next: piece.next) : nil
    }
}
