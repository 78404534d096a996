// SPDX-License-Identifier: Apache-2.0
import Core

/// Where the rows of a message are, so that they are found without a search.
struct StoredPlace: Sendable, Equatable {
    /// What a message was published to.
    struct Resource: Hashable, Sendable {
        var channel: ChannelID
        var subtopic: String
    }

    var resource: Resource
    var table: MessageTable
    /// When the message was received, nanoseconds since 1970.
    var created: Int64
    /// The earliest and the latest time of its rows.
    var times: ClosedRange<Int64>
}
