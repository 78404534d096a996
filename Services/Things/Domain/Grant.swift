// SPDX-License-Identifier: Apache-2.0
import Core
import Identity

/// What roles are given on: one thing, one channel, or a group with everything below it.
enum Subject: Sendable, Hashable {
    case thing(ThingID)
    case channel(ChannelID)
    case group(GroupID)
}

/// A person's role on one thing, channel or group. On a group it holds for everything below; the highest of all that reach something counts.
struct Grant: Sendable, Equatable {
    let user: UserID
    let role: Role
    /// Nanoseconds since 1970.
    let createdAt: Int64
    let createdBy: UserID?

    /// Persons of one request.
    static let maximumUsers = 100
    /// Persons with a role on one thing, channel or group: a list of them is one page.
    static let maximumPerSubject = 1_000
}

/// What the roles on single things, channels and groups let a person see.
struct Reach: Sendable, Equatable {
    /// Groups with a role, and all below them.
    var groups: [GroupID]
    var things: [ThingID]
    var channels: [ChannelID]

    var isEmpty: Bool { groups.isEmpty && things.isEmpty && channels.isEmpty }
}

extension Role {
    /// Reads the words of all dialects: Mainflux's relations, and ours.
    /// - Throws: `malformed` for another word.
    init(relation word: String) throws(ServiceError) {
        switch word {
        case "viewer": self = .viewer
        case "editor": self = .editor
        case "admin", "administrator": self = .admin
        default:
            throw ServiceError(
                .malformed, reason: "invalid-relation",
                "'relation' must be 'viewer', 'editor' or 'administrator'")
        }
    }

    /// Reads the first dialect's policies: who may write or delete may do both.
    /// - Throws: `malformed` for another word or none.
    init(policies words: [String]) throws(ServiceError) {
        var role = Role.none
        for word in words {
            switch word {
            case "read": role = max(role, .viewer)
            case "write", "delete": role = .editor
            default:
                throw ServiceError(
                    .malformed, reason: "invalid-relation", "each of 'policies' must be 'read', 'write' or 'delete'")
            }
        }
        guard role > .none else {
            throw ServiceError(.malformed, reason: "invalid-relation", "'policies' must not be empty")
        }
        self = role
    }
}
