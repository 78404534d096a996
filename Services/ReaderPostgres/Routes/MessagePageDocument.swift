// SPDX-License-Identifier: Apache-2.0
import Core

/// A page in Mainflux's shape: the query's own parameters, the total, the messages.
struct MessagePageDocument {
    let query: MessageQuery
    let listing: MessageListing
    /// Of all times in it.
    let unit: TimeUnit

    func json() -> [UInt8] {
        var writer = JSONWriter()
        writer.beginObject()
        var offset: Int?
        if case .offset(let number) = query.start { offset = number }
        let next = query.order.isByTime && listing.hasMore ? listing.messages.last?.position.cursor : nil
        writer.writePage(
            offset: offset, limit: query.limit, format: query.filter.format, total: listing.total, nextCursor: next,
            unit: unit)
        if !query.order.isByTime { writer.write("order", query.order.rawValue) }
        if query.direction == .ascending { writer.write("dir", query.direction.rawValue) }
        writer.write(query.filter, in: unit)
        writer.member("messages")
        writer.beginArray()
        for message in listing.messages { writer.write(message, of: query.filter.channel, in: unit) }
        writer.endArray()
        writer.endObject()
        return writer.bytes
    }
}
