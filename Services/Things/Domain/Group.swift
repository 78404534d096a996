// SPDX-License-Identifier: Apache-2.0
import Core

/// A place in the domain's tree: holds groups, things and channels, and gives the roles on it to everything below.
///
/// A thing or channel is in one group at most, as a file is in one folder: there is one way on which a right can come. Tags are for sets that cross the tree.
struct Group: Sendable, Equatable {
    let id: GroupID
    let domain: DomainID
    /// From the root to the group itself.
    var path: [GroupID]
    var name: String
    var description: String
    /// The text of a JSON object.
    var metadata: String
    /// Nanoseconds since 1970, like ``updatedAt``.
    let createdAt: Int64
    let createdBy: UserID?
    var updatedAt: Int64
    var updatedBy: UserID?

    var parent: GroupID? { path.count > 1 ? path[path.count - 2] : nil }

    /// Levels of the tree: site, building, floor, hall, line, cell, … with room to spare. A path is 256 bytes then.
    static let maximumLevels = 16
    /// Groups of one domain: all that a person reaches are part of each list's statement, 160 KiB then.
    static let maximumGroups = 10_000
    /// Groups of one answer that shows a tree.
    static let maximumTree = 1_000
    static let descriptionBytes = 4_096
}

/// What a client says of a group that is to be created.
struct GroupDraft: Sendable, Equatable {
    var id: GroupID?
    var parent: GroupID?
    var name: String
    var description: String
    var metadata: String
}

/// A change of some of a group's attributes; nil leaves one as it is.
struct GroupChange: Sendable, Equatable {
    var name: String?
    var description: String?
    var metadata: String?

    func check() throws(ServiceError) {
        if let name {
            guard !name.isEmpty else {
                throw ServiceError(.unprocessable, reason: "missing-name", "'name' must not be empty")
            }
            try Attributes.check(name: name)
        }
        if let metadata { try Attributes.check(metadata: metadata) }
        if let description {
            guard description.utf8.count <= Group.descriptionBytes else {
                throw ServiceError(
                    .unprocessable, reason: "description-too-long",
                    "'description' must be at most \(Group.descriptionBytes) bytes of UTF-8")
            }
        }
    }
}

/// What lists of things and channels are narrowed to.
struct Membership: Sendable, Equatable {
    var group: GroupID
    /// The groups below it too.
    var isDeep: Bool
}
