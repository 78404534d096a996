// SPDX-License-Identifier: Apache-2.0
import Core
import HTTPKit

extension AggregationQuery {
    /// D4's `aggregation` and `interval`, and what is ours: `group`, `gaps`.
    ///
    /// - Parameter now: where the list ends unless `to` says otherwise, nanoseconds since 1970.
    /// - Returns: nil when no aggregation is asked for.
    /// - Throws: `malformed`, naming the parameter; `too-many-intervals` for more than ``maximumBuckets``.
    static func ifAsked(
        channel: ChannelID, _ query: QueryParameters, _ unit: TimeUnit, now: Int64
    ) throws(ServiceError) -> AggregationQuery? {
        guard let name = query["aggregation"] else { return nil }
        // Mainflux's are in capitals.
        guard let function = Function(rawValue: name.lowercased()) else {
            let choices = Function.allCases.map(\.rawValue).joined(separator: ", ")
            throw ServiceError(
                .malformed, reason: "invalid-parameter", "'aggregation' must be one of \(choices), in any case")
        }
        if let order = try query.choice("order", of: MessageQuery.Order.self), order != .time {
            throw ServiceError(.malformed, reason: "invalid-parameter", "an aggregation is sorted by time only")
        }
        var filter = try MessageFilter.ofRecords(channel: channel, query, unit)
        filter.to = filter.to ?? now
        let interval = query["interval"] ?? "1s"
        return try AggregationQuery(filter, function, interval: interval, query)
    }

    private init(
        _ filter: MessageFilter, _ function: Function, interval: String, _ query: QueryParameters
    ) throws(ServiceError) {
        self.init(
            filter: filter, function: function, buckets: try Self.buckets(filter, interval), intervalText: interval)
        grouping = try query.choice("group") ?? .name
        listsGaps = try query.boolean("gaps") ?? false
        direction = try query.choice("dir") ?? .descending
        countsTotal = try query.boolean("total") ?? true
        let page = try PageRequest(query, maximumLimit: MessageQuery.maximumLimit)
        limit = page.limit
        switch page.start {
        case .offset(let offset): start = .offset(offset)
        case .after(let text):
            let position = try Position(cursor: text)
            guard buckets.contains(position.bucket), (position.publisher != nil) == (grouping == .publisher) else {
                throw ServiceError.foreignCursor
            }
            start = .after(position)
        }
    }

    private static func buckets(_ filter: MessageFilter, _ interval: String) throws(ServiceError) -> Buckets {
        guard let width = GoDuration.nanoseconds(interval) else {
            throw ServiceError(
                .malformed, reason: "invalid-parameter",
                "'interval' must be a duration above 0 such as 10s, 5m, 1h30m or 250ms")
        }
        guard let from = filter.from, let to = filter.to else {
            throw ServiceError(
                .malformed, reason: "missing-parameter", "an aggregation needs 'from'; 'to' is now unless given")
        }
        guard from < to else {
            throw ServiceError(.malformed, reason: "invalid-parameter", "'from' must be before 'to'")
        }
        guard let buckets = Buckets(width: width, from: from, to: to), buckets.count <= maximumBuckets else {
            throw ServiceError(
                .malformed, reason: "too-many-intervals",
                "between 'from' and 'to' there are more than \(maximumBuckets) intervals: take longer ones")
        }
        return buckets
    }
}

extension AggregationQuery.Position {
    /// Reads what ``cursor`` wrote.
    init(cursor text: String) throws(ServiceError) {
        let parts = text.split(separator: ".", maxSplits: 2, omittingEmptySubsequences: false)
        guard parts.count == 3, let bucket = Int64(parts[0]) else { throw ServiceError.foreignCursor }
        let publisher = parts[1].isEmpty ? nil : ThingID(String(parts[1]))
        guard parts[1].isEmpty || publisher != nil else { throw ServiceError.foreignCursor }
        self.init(bucket: bucket, name: String(parts[2]), publisher: publisher)
    }

    /// The name last, because it may hold dots.
    var cursor: String { PageRequest.encodeCursor("\(bucket).\(publisher?.description ?? "").\(name)") }
}
