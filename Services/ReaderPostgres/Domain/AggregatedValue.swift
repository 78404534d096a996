// SPDX-License-Identifier: Apache-2.0

/// One value of an aggregation.
struct AggregatedValue: Sendable {
    var position: AggregationQuery.Position
    /// How many records went into it; 0: a gap.
    var count: Int
    /// nil for a gap.
    var content: Content?
    /// nil where the records have none, or several.
    var unit: String?

    enum Content: Sendable {
        case number(Double)
        /// The first or last record, and when it was.
        case record(StoredMessage.Record, time: Int64)
    }
}

/// A part of an aggregation.
struct AggregationListing: Sendable {
    var values: [AggregatedValue]
    /// nil when it was not counted.
    var total: Int?
    var hasMore: Bool
}
