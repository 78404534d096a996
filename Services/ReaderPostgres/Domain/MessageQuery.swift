// SPDX-License-Identifier: Apache-2.0
import Core

/// Which messages of a channel, and which part of that list.
struct MessageQuery: Sendable, Equatable {
    /// What kind of message: each has a table of its own.
    enum Format: String, Sendable, CaseIterable {
        /// SenML records.
        case messages
        case json
        case blobs
    }

    /// How ``value`` is compared with a record's.
    enum Comparator: String, Sendable, CaseIterable {
        case equal = "eq"
        case less = "lt"
        case lessOrEqual = "le"
        case greater = "gt"
        case greaterOrEqual = "ge"
    }

    enum Direction: String, Sendable, CaseIterable {
        case ascending = "asc"
        case descending = "desc"
    }

    /// A place in the order of messages: it stays the same whatever is inserted before or behind it.
    struct Position: Sendable, Equatable {
        /// Nanoseconds since 1970.
        var time: Int64
        /// Where the message stands in the stream of messages, and the record in its pack.
        var sequence: Int64
        var record: Int32
    }

    enum Start: Sendable, Equatable {
        case offset(Int)
        case after(Position)
    }

    /// Mainflux's limit for readers.
    static let maximumLimit = 1_000

    var channel: ChannelID
    var format = Format.messages
    var subtopic: String?
    var publisher: ThingID?
    var transport: String?
    var name: String?
    var value: Double?
    var comparator = Comparator.equal
    var stringValue: String?
    var boolValue: Bool?
    var dataValue: [UInt8]?
    /// Nanoseconds since 1970, inclusive.
    var from: Int64?
    /// Nanoseconds since 1970, exclusive.
    var to: Int64?
    var direction = Direction.descending
    var start = Start.offset(0)
    var limit = 10
    /// Whether to count all that match; only for a page by offset.
    var countsTotal = true
}
