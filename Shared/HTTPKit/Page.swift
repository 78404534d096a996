// SPDX-License-Identifier: Apache-2.0
import Core
import Foundation

/// Which part of a list is asked for: `offset` and `limit`, or `cursor` and `limit`.
public struct PageRequest: Sendable, Equatable {
    public enum Start: Sendable, Equatable {
        case offset(Int)
        /// Behind the entity with this identifier, in the list's order.
        case after(String)
    }

    public var start: Start
    public var limit: Int

    public init(start: Start = .offset(0), limit: Int = HTTPLimits.defaultPageSize) {
        self.start = start
        self.limit = limit
    }

    /// - Parameter maximumLimit: what `limit` may be at most.
    /// - Throws: `malformed`.
    public init(_ query: QueryParameters, maximumLimit: Int = HTTPLimits.pageSize) throws(ServiceError) {
        limit = try query.integer("limit", in: 1...maximumLimit) ?? min(HTTPLimits.defaultPageSize, maximumLimit)
        let offset = try query.integer("offset", in: 0...HTTPLimits.maximumOffset)
        guard let cursor = query["cursor"] else {
            start = .offset(offset ?? 0)
            return
        }
        guard offset == nil else {
            throw ServiceError(.malformed, reason: "invalid-parameter", "'cursor' and 'offset' exclude each other")
        }
        start = .after(try Self.decodeCursor(cursor))
    }

    /// The offset, 0 when the page is by cursor.
    public var offset: Int {
        switch start {
        case .offset(let offset): offset
        case .after: 0
        }
    }

    /// Makes a position opaque: base64url of its text (RFC 4648 section 5, unpadded).
    public static func encodeCursor(_ position: String) -> String {
        Data(position.utf8).base64EncodedString().replacing("+", with: "-").replacing("/", with: "_").replacing(
            "=", with: "")
    }

    /// Base64 of the longest name, an identifier, and some room.
    private static let maximumCursorBytes = (Limits.nameBytes + 256) * 4 / 3

    static func decodeCursor(_ cursor: String) throws(ServiceError) -> String {
        var text = cursor.replacing("-", with: "+").replacing("_", with: "/")
        text += String(repeating: "=", count: (4 - text.utf8.count % 4) % 4)
        guard cursor.utf8.count <= maximumCursorBytes, let data = Data(base64Encoded: text),
            let position = String(validating: data, as: UTF8.self),
            !position.utf8.contains(0)
        else {
            throw ServiceError(.malformed, reason: "invalid-parameter", "'cursor' is not one that a list gave")
        }
        return position
    }
}

/// The filters that lists of entities share.
public struct EntityFilter: Sendable, Equatable {
    public enum Status: String, Sendable, CaseIterable {
        case enabled
        case disabled
        case all
    }

    /// Part of the name, whatever the case.
    public var name: String?
    public var tag: String?
    /// A JSON object that the metadata must contain.
    public var metadata: JSONValue?
    public var status: Status

    public init(name: String? = nil, tag: String? = nil, metadata: JSONValue? = nil, status: Status = .enabled) {
        self.name = name
        self.tag = tag
        self.metadata = metadata
        self.status = status
    }

    /// - Throws: `malformed`.
    public init(_ query: QueryParameters) throws(ServiceError) {
        name = query["name"]
        tag = query["tag"]
        status = try query.choice("status") ?? .enabled
        guard let text = query["metadata"] else { return }
        let value = try JSONBody.decode(JSONValue.self, from: Array(text.utf8))
        guard case .object = value else {
            throw ServiceError(.malformed, reason: "invalid-parameter", "'metadata' must be a JSON object")
        }
        metadata = value
    }
}
