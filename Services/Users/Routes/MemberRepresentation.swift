// SPDX-License-Identifier: Apache-2.0
// The names of JSON members are the API's, in snake case.
// swift-format-ignore-file: AlwaysUseLowerCamelCase

import Core
import HTTPKit
import Identity

/// A member of a domain as the API shows it.
struct MemberRepresentation: Encodable {
    struct Credentials: Encodable {
        var identity: String
    }

    var id: UserID
    var name: String
    var credentials: Credentials
    var status: String
    var role: String
    var role_ids: [RoleID]

    init(_ member: Member) {
        id = member.user
        name = member.name
        credentials = Credentials(identity: member.identity)
        status = member.status.rawValue
        role = member.role.rawValue
        role_ids = member.roles
    }

    static let schema: JSONValue = .objectSchema(
        [
            "id": .uuidSchema, "name": .stringSchema, "credentials": .objectSchema(["identity": .stringSchema]),
            "status": ["type": "string", "enum": ["enabled", "disabled"]],
            "role": ["type": "string", "enum": ["none", "viewer", "editor", "admin"]],
            "role_ids": .arraySchema(of: .uuidSchema),
        ], required: ["id", "name", "credentials", "status", "role", "role_ids"])
}

/// Users as bodies name them: `user_ids`, or `members` as Magistrala's roles say.
struct UserListBody: Decodable, Sendable {
    var user_ids: [UserID]?
    var members: [UserID]?

    func users() throws(ServiceError) -> [UserID] {
        guard let users = user_ids ?? members else {
            throw ServiceError(.malformed, reason: "missing-field", "'user_ids' (or 'members') is missing")
        }
        return users
    }

    static let schema: JSONValue = .objectSchema(["user_ids": .arraySchema(of: .uuidSchema)], required: ["user_ids"])
}
