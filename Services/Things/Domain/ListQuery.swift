// SPDX-License-Identifier: Apache-2.0
import Core

/// Which entities of a domain, and which part of that list.
struct ListQuery: Sendable, Equatable {
    enum Order: String, Sendable, CaseIterable {
        case id
        case name
    }

    enum Direction: String, Sendable, CaseIterable {
        case ascending = "asc"
        case descending = "desc"
    }

    /// Behind which entity a page begins: what it is ordered by, and its identifier.
    struct Position: Sendable, Equatable {
        var name: String
        var high: UInt64
        var low: UInt64
    }

    enum Start: Sendable, Equatable {
        case offset(Int)
        case after(Position)
    }

    /// Part of the name, whatever the case.
    var name: String?
    var tag: String?
    /// The text of a JSON object that the metadata must contain.
    var metadata: String?
    /// nil: both.
    var isEnabled: Bool?
    /// Things of this channel, or channels of this thing, when set; with `isConnected` false those that are not connected.
    var isConnected = true
    var order = Order.id
    var direction = Direction.ascending
    var start = Start.offset(0)
    var limit = 10
}

/// How many entities a list has.
struct ListTotal: Sendable, Equatable {
    var count: Int
    /// False: counting was given up, and there are at least so many.
    var isExact: Bool
}

/// A part of a list.
struct Listing<Item: Sendable>: Sendable {
    var items: [Item]
    /// How many there are in all; not counted for a page that begins at a cursor.
    var total: ListTotal?
    /// Whether more follow.
    var hasMore: Bool
}
