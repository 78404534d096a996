// SPDX-License-Identifier: Apache-2.0
import Core
import HTTPKit

/// The latest record of each name, in the shape of a page of messages.
struct LatestDocument {
    let query: LatestQuery
    let listing: MessageListing
    /// Of all times in it.
    let unit: TimeUnit

    func json() -> [UInt8] {
        var writer = JSONWriter()
        writer.beginObject()
        var offset: Int?
        if case .offset(let number) = query.start { offset = number }
        writer.writePage(
            offset: offset, limit: query.limit, format: query.filter.format, total: listing.total,
            nextCursor: listing.hasMore ? listing.messages.last.flatMap(Self.cursor) : nil, unit: unit)
        writer.write(query.filter, in: unit)
        writer.member("messages")
        writer.beginArray()
        for message in listing.messages { writer.write(message, of: query.filter.channel, in: unit) }
        writer.endArray()
        writer.endObject()
        return writer.bytes
    }

    private static func cursor(_ message: StoredMessage) -> String? {
        guard case .senml(let record) = message.content else { return nil }
        return PageRequest.encodeCursor(record.name)
    }
}
