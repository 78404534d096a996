// SPDX-License-Identifier: Apache-2.0
import Core

/// Which messages of a channel are meant: what all ways of reading have in common.
struct MessageFilter: Sendable, Equatable {
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
    /// The number of the message in the bus's log, from 1.
    var sequence: Int64?
    /// Nanoseconds since 1970, inclusive.
    var from: Int64?
    /// Nanoseconds since 1970, exclusive.
    var to: Int64?
}
