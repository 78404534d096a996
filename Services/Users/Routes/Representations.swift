// SPDX-License-Identifier: Apache-2.0
// The names of JSON members are the API's, in snake case.
// swift-format-ignore-file: AlwaysUseLowerCamelCase

import Core
import HTTPKit
import Observability

/// A user as the API shows it: dialect D2, with D1's `email` beside it.
struct UserRepresentation: Encodable {
    struct Credentials: Encodable {
        var identity: String
    }

    var id: UserID
    var name: String
    var email: String?
    var tags: [String]
    var credentials: Credentials
    var metadata: JSONValue
    var role: String
    var status: String
    var default_domain: DomainID?
    var created_at: String
    var updated_at: String

    init(_ user: User) {
        id = user.id
        name = user.name
        email = user.identity.contains("@") ? user.identity : nil
        tags = user.tags
        credentials = Credentials(identity: user.identity)
        metadata = user.metadata
        role = user.isAdmin ? "admin" : "user"
        status = user.status.rawValue
        default_domain = user.defaultDomain
        created_at = Timestamp.rfc3339(user.createdAt)
        updated_at = Timestamp.rfc3339(user.updatedAt)
    }

    static let schema: JSONValue = .objectSchema(
        [
            "id": .uuidSchema, "name": .stringSchema, "email": .stringSchema, "tags": .arraySchema(of: .stringSchema),
            "credentials": .objectSchema(["identity": .stringSchema]), "metadata": .anyObjectSchema,
            "role": ["type": "string", "enum": ["admin", "user"]],
            "status": ["type": "string", "enum": ["enabled", "disabled"]], "default_domain": .uuidSchema,
            "created_at": ["type": "string", "format": "date-time"],
            "updated_at": ["type": "string", "format": "date-time"],
        ], required: ["id", "credentials", "status"])
}

/// A domain as the API shows it.
struct DomainRepresentation: Encodable {
    var id: DomainID
    var name: String
    var route: String?
    var tags: [String]
    var metadata: JSONValue
    var status: String
    var created_by: UserID
    var created_at: String
    var updated_at: String

    init(_ domain: Tenant) {
        id = domain.id
        name = domain.name
        route = domain.route
        tags = domain.tags
        metadata = domain.metadata
        status = domain.status.rawValue
        created_by = domain.createdBy
        created_at = Timestamp.rfc3339(domain.createdAt)
        updated_at = Timestamp.rfc3339(domain.updatedAt)
    }

    static let schema: JSONValue = .objectSchema(
        [
            "id": .uuidSchema, "name": .stringSchema, "route": .stringSchema, "tags": .arraySchema(of: .stringSchema),
            "metadata": .anyObjectSchema, "status": ["type": "string", "enum": ["enabled", "disabled", "frozen"]],
            "created_by": .uuidSchema, "created_at": ["type": "string", "format": "date-time"],
            "updated_at": ["type": "string", "format": "date-time"],
        ], required: ["id", "name", "status"])
}

/// Schema of a page.
func pageSchema(_ name: String, of element: JSONValue) -> JSONValue {
    .objectSchema(
        [
            "total": .integerSchema, "offset": .integerSchema, "limit": .integerSchema, "next_cursor": .stringSchema,
            name: .arraySchema(of: element),
        ], required: ["total", "offset", "limit", name])
}
