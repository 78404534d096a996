// SPDX-License-Identifier: Apache-2.0
import Core
import Foundation
import HTTPKit
import Messaging
import Observability

/// An entry as JSON.
struct JournalDocument: Encodable, Sendable {
    let id: EventID
    let operation: String
    let occurredAt: String
    let lastOccurredAt: String?
    let count: Int?
    let service: String
    let entity: String
    let result: String
    let status: Int?
    let reason: String?
    let domainID: DomainID?
    let userID: UserID?
    let address: String?
    let requestID: String?
    let sessionID: SessionID?
    let credential: String?
    let entities: [EntityID]
    let attributes: JSONValue?

    enum CodingKeys: String, CodingKey, CaseIterable {
        case id, operation, count, service, entity, result, status, reason, address, credential, entities, attributes
        case occurredAt = "occurred_at"
        case lastOccurredAt = "last_occurred_at"
        case domainID = "domain_id"
        case userID = "user_id"
        case requestID = "request_id"
        case sessionID = "session_id"
    }

    /// - Parameter withAttributes: also the notice as it was announced.
    init(_ entry: JournalEntry, withAttributes: Bool) throws {
        id = entry.id
        operation = entry.operation
        occurredAt = Timestamp.rfc3339(entry.at)
        lastOccurredAt = entry.until.map(Timestamp.rfc3339)
        count = entry.count > 1 ? entry.count : nil
        service = entry.service
        entity = entry.entity
        result = entry.result.rawValue
        status = entry.status
        reason = entry.reason
        domainID = entry.domain
        userID = entry.actor
        address = entry.origin?.address
        requestID = entry.origin?.request
        sessionID = entry.origin?.session
        credential = entry.origin?.isKey.map { $0 ? "key" : "session" }
        entities = entry.entities
        attributes = withAttributes ? try JSONDecoder().decode(JSONValue.self, from: Data(entry.detail.utf8)) : nil
    }

    static let schema = JSONValue.objectSchema(
        [
            "id": .uuidSchema, "operation": .stringSchema, "count": .integerSchema, "service": .stringSchema,
            "entity": .stringSchema, "result": ["type": "string", "enum": ["done", "refused", "failed"]],
            "status": .integerSchema, "reason": .stringSchema, "address": .stringSchema,
            "credential": ["type": "string", "enum": ["session", "key"]], "entities": .arraySchema(of: .uuidSchema),
            "attributes": .anyObjectSchema, "occurred_at": ["type": "string", "format": "date-time"],
            "last_occurred_at": ["type": "string", "format": "date-time"], "domain_id": .uuidSchema,
            "user_id": .uuidSchema, "request_id": .stringSchema, "session_id": .uuidSchema,
        ], required: ["id", "operation", "occurred_at", "service", "entity", "result", "entities"])
}

/// A page of entries.
struct JournalPageDocument: Encodable, Sendable {
    let total: Int?
    let totalIsExact: Bool?
    let offset: Int?
    let limit: Int
    let nextCursor: String?
    let journals: [JournalDocument]

    enum CodingKeys: String, CodingKey {
        case total, offset, limit, journals
        case totalIsExact = "total_is_exact"
        case nextCursor = "next_cursor"
    }

    init(_ page: JournalPage, of query: JournalQuery, withAttributes: Bool) throws {
        total = page.total
        totalIsExact = page.total.flatMap { $0 == JournalPage.maximumTotal ? false : nil }
        if case .offset(let offset) = query.start { self.offset = offset } else { offset = nil }
        limit = query.limit
        nextCursor = page.hasMore ? page.entries.last.map { $0.position.cursor } : nil
        journals = try page.entries.map { try JournalDocument($0.entry, withAttributes: withAttributes) }
    }

    static let schema = JSONValue.objectSchema(
        [
            "total": .integerSchema,
            "total_is_exact": ["const": false, "description": "Counting ended at `total`: there are so many or more."],
            "offset": .integerSchema, "limit": .integerSchema, "next_cursor": .stringSchema,
            "journals": .arraySchema(of: JournalDocument.schema),
        ], required: ["limit", "journals"])
}
