// SPDX-License-Identifier: Apache-2.0
import Core

/// An aggregation in the shape of a page of messages: a message for each interval and name, at the interval's beginning.
///
/// It says the interval (`interval` as it was asked for, `step` as a number), so that what is missing between two messages can be seen.
struct AggregationDocument {
    let query: AggregationQuery
    let listing: AggregationListing
    /// Of all times in it.
    let unit: TimeUnit

    func json() -> [UInt8] {
        var writer = JSONWriter()
        writer.beginObject()
        writer.writePage(
            offset: query.start.offset, limit: query.limit, format: query.filter.format, total: listing.total,
            nextCursor: listing.hasMore ? listing.values.last?.position.cursor : nil, unit: unit)
        writer.write("aggregation", query.function.rawValue)
        writer.write("interval", query.intervalText)
        writer.write("step", query.buckets.width, in: unit)
        if query.grouping != .name { writer.write("group", query.grouping.rawValue) }
        if query.listsGaps { writer.write("gaps", true) }
        if query.direction == .ascending { writer.write("dir", query.direction.rawValue) }
        writer.write(query.filter, in: unit)
        writer.member("messages")
        writer.beginArray()
        for value in listing.values { write(value, to: &writer) }
        writer.endArray()
        writer.endObject()
        return writer.bytes
    }

    private func write(_ value: AggregatedValue, to writer: inout JSONWriter) {
        writer.beginObject()
        writer.write("channel", query.filter.channel)
        if let publisher = value.position.publisher { writer.write("publisher", publisher) }
        writer.write("name", value.position.name)
        if let text = value.unit { writer.write("unit", text) }
        writer.write("time", value.position.bucket, in: unit)
        writer.write("count", value.count)
        switch value.content {
        case .number(let number): writer.write("value", number)
        case .record(let record, let time):
            writer.writeValues(record, in: unit)
            writer.write("value_time", time, in: unit)
        case nil where query.function == .count: writer.write("value", 0)
        case nil:
            writer.member("value")
            writer.writeNull()
        }
        writer.endObject()
    }
}
