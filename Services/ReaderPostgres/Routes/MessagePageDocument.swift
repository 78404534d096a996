// SPDX-License-Identifier: Apache-2.0
import Core
import HTTPKit

/// A page in Mainflux's shape: the query's own parameters, the total, the messages.
struct MessagePageDocument {
    private let filter: MessageFilter
    private let listing: MessageListing
    private let unit: TimeUnit
    private let offset: Int?
    private let limit: Int
    private let nextCursor: String?
    private var order: MessageQuery.Order?
    private var direction: MessageQuery.Direction?

    /// - Parameter unit: of all times in it.
    init(_ query: MessageQuery, _ listing: MessageListing, in unit: TimeUnit) {
        filter = query.filter
        self.listing = listing
        self.unit = unit
        offset = query.start.offset
        limit = query.limit
        nextCursor = query.order.isByTime && listing.hasMore ? listing.messages.last?.position.cursor : nil
        order = query.order.isByTime ? nil : query.order
        direction = query.direction == .ascending ? .ascending : nil
    }

    /// - Parameter unit: of all times in it.
    init(_ query: LatestQuery, _ listing: MessageListing, in unit: TimeUnit) {
        filter = query.filter
        self.listing = listing
        self.unit = unit
        offset = query.start.offset
        limit = query.limit
        if listing.hasMore, case .senml(let record)? = listing.messages.last?.content {
            nextCursor = PageRequest.encodeCursor(record.name)
        } else {
            nextCursor = nil
        }
    }

    func json() -> [UInt8] {
        var writer = JSONWriter()
        writer.beginObject()
        writer.writePage(
            offset: offset, limit: limit, format: filter.format, total: listing.total, nextCursor: nextCursor,
            unit: unit)
        if let order { writer.write("order", order.rawValue) }
        if let direction { writer.write("dir", direction.rawValue) }
        writer.write(filter, in: unit)
        writer.member("messages")
        writer.beginArray()
        for message in listing.messages { writer.write(message, of: filter.channel, in: unit) }
        writer.endArray()
        writer.endObject()
        return writer.bytes
    }
}
