// SPDX-License-Identifier: Apache-2.0
import Messaging

/// All messages that a filter means, oldest or newest first, in some form.
struct ExportQuery: Sendable, Equatable {
    /// A page of it: as many rows or bytes as are held in memory at a time for each export.
    static let pageRows = 2_000
    static let pageBytes = 1 << 20

    var filter: MessageFilter
    var form: ExportForm
    var direction = MessageQuery.Direction.ascending
    /// Of all times in forms that are not SenML's.
    var unit = TimeUnit.seconds

    /// The page behind `position`; nil: the first one.
    func page(after position: MessageQuery.Position?) -> MessageQuery {
        var query = MessageQuery(filter: filter)
        query.direction = direction
        // Before the first and behind the last that there can be.
        let start =
            direction == .ascending
            ? MessageQuery.Position(time: filter.from ?? .min, sequence: .min, record: .min)
            : MessageQuery.Position(time: filter.to ?? .max, sequence: .max, record: .max)
        query.start = .after(position ?? start)
        query.limit = Self.pageRows
        query.byteLimit = Self.pageBytes
        query.countsTotal = false
        return query
    }
}
