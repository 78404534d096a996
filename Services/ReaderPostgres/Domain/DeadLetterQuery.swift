// SPDX-License-Identifier: Apache-2.0
import Core

/// Which of a channel's dead letters, by when they were refused.
struct DeadLetterQuery: Sendable, Equatable {
    /// A place in the list: it stays the same whatever is refused meanwhile.
    struct Position: Sendable, Equatable {
        /// Nanoseconds since 1970.
        var refusedAt: Int64
        var sequence: Int64
        var record: Int32
        var stream: StreamID
    }

    var channel: ChannelID
    /// The number of the message in the bus's log, from 1.
    var sequence: Int64?
    var reason: String?
    var publisher: ThingID?
    /// When it was refused, nanoseconds since 1970, inclusive.
    var from: Int64?
    /// When it was refused, nanoseconds since 1970, exclusive.
    var to: Int64?
    var direction = MessageQuery.Direction.descending
    var start = PageStart<Position>.offset(0)
    var limit = 10
    /// Whether to count all that match; only for a page by offset.
    var countsTotal = false
}
