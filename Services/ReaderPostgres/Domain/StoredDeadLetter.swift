// SPDX-License-Identifier: Apache-2.0
import Messaging
import NIOCore

/// What could not be stored: a whole message, or one record of it.
struct StoredDeadLetter: Sendable {
    /// The record of one that was refused as a whole.
    static let wholeMessage: Int32 = -1

    var position: DeadLetterQuery.Position
    /// A stable slug.
    var reason: String
    /// One sentence.
    var explanation: String
    /// The message as it is in the bus's log; nil where that cannot be read.
    var message: RawMessageView?
    /// The bytes of the log.
    var envelope: ByteBuffer
}

/// A part of a channel's dead letters.
struct DeadLetterListing: Sendable {
    var letters: [StoredDeadLetter]
    /// nil when it was not counted; ``MessageListing/maximumTotal`` stands for that or more.
    var total: Int?
    var hasMore: Bool
}
