// SPDX-License-Identifier: Apache-2.0
import Core

/// Which lines are asked for, and in which order.
struct JournalQuery: Sendable, Equatable {
    /// What the one who asks may see at all.
    enum Scope: Sendable, Equatable {
        case everything
        case domain(DomainID)
        /// What one did oneself, wherever.
        case actor(UserID)
    }

    enum Direction: String, Sendable, CaseIterable {
        /// The newest first.
        case desc
        case asc
    }

    /// A place in the order by time; entries of the same nanosecond are told apart by the number that they were given.
    struct Position: Sendable, Equatable {
        var at: Int64
        var number: Int64
    }

    enum Start: Sendable, Equatable {
        case offset(Int)
        case after(Position)
    }

    var scope: Scope
    var domain: DomainID?
    var actor: UserID?
    var entityID: EntityID?
    var entity: String?
    var service: String?
    var operation: String?
    var result: JournalEntry.Result?
    var address: String?
    /// Nanoseconds since 1970, itself included.
    var from: Int64?
    /// Nanoseconds since 1970, itself left out.
    var to: Int64?
    var direction: Direction = .desc
    var start: Start = .offset(0)
    var limit: Int

    init(scope: Scope, limit: Int) {
        self.scope = scope
        self.limit = limit
    }
}

/// A line with its place.
struct StoredEntry: Sendable, Equatable {
    var position: JournalQuery.Position
    var entry: JournalEntry
}

/// One page.
struct JournalPage: Sendable {
    /// Counting ends here.
    static let maximumTotal = 100_000

    var entries: [StoredEntry]
    var hasMore: Bool
    /// How many there are in all, at most ``maximumTotal``; nil where nobody asked.
    var total: Int?
}
