// SPDX-License-Identifier: Apache-2.0
import Core

/// Records summed up by time: one value for each interval and SenML name in which there was any.
struct AggregationQuery: Sendable, Equatable {
    enum Function: String, Sendable, CaseIterable {
        case average = "avg"
        case minimum = "min"
        case maximum = "max"
        case sum
        case count
        case first
        case last

        /// Whether only numeric values count.
        var isNumeric: Bool {
            switch self {
            case .average, .minimum, .maximum, .sum: true
            case .count, .first, .last: false
            }
        }
    }

    enum Grouping: String, Sendable, CaseIterable {
        case name
        /// By name and thing.
        case publisher
    }

    /// A row of the list; the names of an interval come in the order of their bytes, whichever way the intervals go.
    struct Position: Sendable, Equatable {
        /// When the interval begins, nanoseconds since 1970.
        var bucket: Int64
        var name: String
        /// nil unless grouped by it.
        var publisher: ThingID?
    }

    /// Intervals between `from` and `to`: a day in seconds is 86,400, more than any screen has.
    static let maximumBuckets: Int64 = 100_000

    /// Of SenML records, with both bounds on time.
    var filter: MessageFilter
    var function: Function
    var buckets: Buckets
    /// As it was asked for.
    var intervalText: String
    var grouping = Grouping.name
    /// Whether intervals without a record are in the list, for each name that has records in any.
    var listsGaps = false
    var direction = MessageQuery.Direction.descending
    var start = PageStart<Position>.offset(0)
    var limit = 10
    var countsTotal = true
}
