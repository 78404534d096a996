// SPDX-License-Identifier: Apache-2.0
import Core

/// Which messages of a channel, in which order, and which part of that list.
struct MessageQuery: Sendable, Equatable {
    /// By what the list is sorted; in a tie the newest message comes first.
    enum Order: String, Sendable, CaseIterable {
        /// Of a SenML record.
        case time
        /// When a JSON document or blob arrived: the same column of the list.
        case created
        case name
        case value
        case stringValue = "string_value"
        case boolValue = "bool_value"
        case dataValue = "data_value"
        case unit
        case publisher
        case transport = "protocol"
        case subtopic

        /// The order in which messages are stored: pages of it cost the same however deep they are.
        var isByTime: Bool { self == .time || self == .created }

        /// Whether only SenML records have it.
        var isOfRecords: Bool {
            switch self {
            case .time, .created, .publisher, .transport, .subtopic: false
            case .name, .value, .stringValue, .boolValue, .dataValue, .unit: true
            }
        }
    }

    enum Direction: String, Sendable, CaseIterable {
        case ascending = "asc"
        case descending = "desc"
    }

    /// A place in the order of messages by time: it stays the same whatever is inserted before or behind it.
    struct Position: Sendable, Equatable {
        /// Nanoseconds since 1970.
        var time: Int64
        /// Where the message stands in the stream of messages, and the record in its pack.
        var sequence: Int64
        var record: Int32
    }

    /// Mainflux's limit for readers.
    static let maximumLimit = 1_000
    /// A page ends when its payloads and strings pass this, so that a thousand messages of 1 MiB are not held at a time.
    static let maximumBytes = 4 << 20

    var filter: MessageFilter
    var order = Order.time
    var direction = Direction.descending
    var start = PageStart<Position>.offset(0)
    var limit = 10
    /// See ``maximumBytes``.
    var byteLimit = maximumBytes
    /// Whether to count all that match; only for a page by offset.
    var countsTotal = true
}
