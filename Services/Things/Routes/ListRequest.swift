// SPDX-License-Identifier: Apache-2.0
import Core
import Foundation
import HTTPKit

extension ListQuery {
    /// Reads a list's query parameters.
    /// - Throws: `malformed`, naming the parameter.
    init(_ request: Request) throws(ServiceError) {
        let query = try QueryParameters(request)
        let page = try PageRequest(query)
        let filter = try EntityFilter(query)
        self.init()
        name = filter.name
        tag = filter.tag
        metadata = try MetadataText.text(of: filter.metadata)
        switch filter.status {
        case .enabled: isEnabled = true
        case .disabled: isEnabled = false
        case .all: isEnabled = nil
        }
        isConnected = try !(query.boolean("disconnected") ?? false)
        order = try query.choice("order") ?? .id
        direction = try query.choice("dir") ?? .ascending
        limit = page.limit
        switch page.start {
        case .offset(let offset): start = .offset(offset)
        case .after(let text): start = .after(try Position(cursor: text))
        }
    }
}

extension ListQuery.Position {
    /// Reads what ``cursor`` wrote: the identifier, then the name.
    init(cursor text: String) throws(ServiceError) {
        guard text.utf8.count >= ThingID.textLength,
            let id = ThingID(utf8: text.utf8.prefix(ThingID.textLength))
        else {
            throw ServiceError(.malformed, reason: "invalid-parameter", "'cursor' is not one that a list gave")
        }
        self.init(
            name: String(decoding: text.utf8.dropFirst(ThingID.textLength), as: UTF8.self), high: id.high, low: id.low)
    }

    var cursor: String { PageRequest.encodeCursor(ThingID(high: high, low: low).description + name) }
}

/// A page of things or channels, with the members of both Mainflux dialects.
struct PageDocument<Item: Encodable & Sendable>: Encodable, Sendable {
    /// What the list is called in the document.
    let member: String
    let items: [Item]
    let query: ListQuery
    let total: ListTotal?
    let nextCursor: String?

    private struct Key: CodingKey {
        let stringValue: String
        var intValue: Int? { nil }

        init(_ name: String) { stringValue = name }
        init?(stringValue: String) { self.stringValue = stringValue }
        init?(intValue: Int) { nil }
    }

    func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: Key.self)
        if let total {
            try container.encode(total.count, forKey: Key("total"))
            try container.encode(total.isExact, forKey: Key("total_is_exact"))
        }
        if case .offset(let offset) = query.start { try container.encode(offset, forKey: Key("offset")) }
        try container.encode(query.limit, forKey: Key("limit"))
        try container.encode(query.order.rawValue, forKey: Key("order"))
        try container.encode(query.direction.rawValue, forKey: Key("direction"))
        if let nextCursor { try container.encode(nextCursor, forKey: Key("next_cursor")) }
        try container.encode(items, forKey: Key(member))
    }
}

extension PageDocument {
    static func things(_ listing: Listing<Thing>, _ query: ListQuery) -> PageDocument<ThingDocument> {
        let position = listing.items.last.map {
            ListQuery.Position(name: query.order == .name ? $0.attributes.name : "", high: $0.id.high, low: $0.id.low)
        }
        return PageDocument<ThingDocument>(
            member: "things", items: listing.items.map { ThingDocument($0) }, query: query, total: listing.total,
            nextCursor: listing.hasMore ? position?.cursor : nil)
    }

    static func channels(_ listing: Listing<Channel>, _ query: ListQuery) -> PageDocument<ChannelDocument> {
        let position = listing.items.last.map {
            ListQuery.Position(name: query.order == .name ? $0.attributes.name : "", high: $0.id.high, low: $0.id.low)
        }
        return PageDocument<ChannelDocument>(
            member: "channels", items: listing.items.map { ChannelDocument($0) }, query: query, total: listing.total,
            nextCursor: listing.hasMore ? position?.cursor : nil)
    }

    static func groups(_ listing: Listing<Group>, _ query: ListQuery) -> PageDocument<GroupDocument> {
        let position = listing.items.last.map {
            ListQuery.Position(name: query.order == .name ? $0.name : "", high: $0.id.high, low: $0.id.low)
        }
        return PageDocument<GroupDocument>(
            member: "groups", items: listing.items.map { GroupDocument($0) }, query: query, total: listing.total,
            nextCursor: listing.hasMore ? position?.cursor : nil)
    }
}
