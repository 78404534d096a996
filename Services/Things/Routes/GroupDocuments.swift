// SPDX-License-Identifier: Apache-2.0
import Core
import HTTPKit
import Observability

struct GroupCreation: Decodable, Sendable {
    var id: GroupID?
    var parent: GroupID?
    var name: String
    var description: String?
    var metadata: JSONValue?

    private enum CodingKeys: String, CodingKey {
        case id, name, description, metadata
        case parent = "parent_id"
    }

    func draft() throws(ServiceError) -> GroupDraft {
        GroupDraft(
            id: id, parent: parent, name: name, description: description ?? "",
            metadata: try MetadataText.text(of: metadata) ?? "{}")
    }
}

struct GroupUpdate: Decodable, Sendable {
    var name: String?
    var description: String?
    var metadata: JSONValue?

    func change() throws(ServiceError) -> GroupChange {
        GroupChange(name: name, description: description, metadata: try MetadataText.text(of: metadata))
    }
}

/// Where to: a group's `parent_id`, or a thing's or channel's `parent_group_id`.
struct ParentBody: Decodable, Sendable {
    var parentID: GroupID?
    var parentGroupID: GroupID?

    private enum CodingKeys: String, CodingKey {
        case parentID = "parent_id"
        case parentGroupID = "parent_group_id"
    }

    func parent() throws(ServiceError) -> GroupID {
        guard let parent = parentID ?? parentGroupID else {
            throw ServiceError(.malformed, reason: "missing-field", "'parent_id' is missing")
        }
        return parent
    }
}

/// A group as the API shows it; `children` in a tree only.
struct GroupDocument: Encodable, Sendable {
    var id: GroupID
    var domainID: DomainID
    var parentID: GroupID?
    var name: String
    var description: String
    var metadata: JSONValue
    /// 1: beside all groups.
    var level: Int
    /// Identifiers from the root, joined by `.`.
    var path: String
    var createdAt: String
    var createdBy: UserID?
    var updatedAt: String
    var updatedBy: UserID?
    var children: [GroupDocument]?

    private enum CodingKeys: String, CodingKey {
        case id, name, description, metadata, level, path, children
        case domainID = "domain_id"
        case parentID = "parent_id"
        case createdAt = "created_at"
        case createdBy = "created_by"
        case updatedAt = "updated_at"
        case updatedBy = "updated_by"
    }

    init(_ group: Group, children: [GroupDocument]? = nil) {
        id = group.id
        domainID = group.domain
        parentID = group.parent
        name = group.name
        description = group.description
        metadata = MetadataText.value(of: group.metadata)
        level = group.path.count
        path = group.path.map(\.description).joined(separator: ".")
        createdAt = Timestamp.rfc3339(group.createdAt)
        createdBy = group.createdBy
        updatedAt = Timestamp.rfc3339(group.updatedAt)
        updatedBy = group.updatedBy
        self.children = children
    }

    /// The groups with each one's children in it; those whose parent is not among them stand at the top.
    static func tree(_ groups: [Group]) -> [GroupDocument] {
        let known = Set(groups.map(\.id))
        var children: [GroupID: [GroupDocument]] = [:]
        var roots: [GroupDocument] = []
        // Deepest first: a group's children are whole before it is put into its parent.
        for group in groups.sorted(by: { ($1.path.count, $0.name) < ($0.path.count, $1.name) }) {
            let document = GroupDocument(group, children: children[group.id] ?? [])
            if let parent = group.parent, known.contains(parent) {
                children[parent, default: []].append(document)
            } else {
                roots.append(document)
            }
        }
        return roots
    }
}

struct GroupTree: Encodable, Sendable {
    var groups: [GroupDocument]
    var total: Int
}

/// Schemas of groups, their members and roles.
enum GroupSchemas {
    static let creation = JSONValue.objectSchema(
        [
            "id": .uuidSchema, "parent_id": .uuidSchema, "name": ThingsSchemas.name, "description": description,
            "metadata": .anyObjectSchema,
        ], required: ["name"])
    static let attributes = JSONValue.objectSchema([
        "name": ThingsSchemas.name, "description": description, "metadata": .anyObjectSchema,
    ])
    static let parent = JSONValue.objectSchema(["parent_id": .uuidSchema, "parent_group_id": .uuidSchema])
    static let group = JSONValue.objectSchema(
        [
            "id": .uuidSchema, "domain_id": .uuidSchema, "parent_id": .uuidSchema, "name": ThingsSchemas.name,
            "description": description, "metadata": .anyObjectSchema, "level": .integerSchema, "path": .stringSchema,
            "created_at": ThingsSchemas.time, "created_by": .uuidSchema, "updated_at": ThingsSchemas.time,
            "updated_by": .uuidSchema, "children": .arraySchema(of: .anyObjectSchema),
        ],
        required: ["id", "domain_id", "name", "description", "metadata", "level", "path", "created_at", "updated_at"])
    /// A page, or with `tree` all of them.
    static let groupsPage: JSONValue = [
        "anyOf": [
            ThingsSchemas.page("groups", of: group),
            .objectSchema(
                ["total": .integerSchema, "groups": .arraySchema(of: group)], required: ["total", "groups"]),
        ]
    ]
    static let membersPage: JSONValue = ["anyOf": [ThingsSchemas.thingsPage, ThingsSchemas.channelsPage]]
    static let members = JSONValue.objectSchema(
        ["type": ["type": "string", "enum": ["things", "channels"]], "members": .arraySchema(of: .uuidSchema)],
        required: ["type", "members"])
    static let groupIDs = JSONValue.objectSchema(["group_ids": .arraySchema(of: .uuidSchema)], required: ["group_ids"])
    static let users = JSONValue.objectSchema(
        [
            "user_ids": .arraySchema(of: .uuidSchema),
            "relation": ["type": "string", "enum": ["viewer", "editor", "administrator", "admin"]],
            "policies": .arraySchema(of: ["type": "string", "enum": ["read", "write", "delete"]]),
        ], required: ["user_ids"])
    static let grants = JSONValue.objectSchema(
        [
            "total": .integerSchema,
            "users": .arraySchema(
                of: .objectSchema(
                    [
                        "user_id": .uuidSchema, "relation": .stringSchema, "created_at": ThingsSchemas.time,
                        "created_by": .uuidSchema,
                    ], required: ["user_id", "relation", "created_at"])),
        ], required: ["total", "users"])

    private static let description: JSONValue = [
        "type": "string", "maxLength": .integer(Int64(Group.descriptionBytes)),
    ]

    static let listParameters =
        QueryParameter.paging + QueryParameter.filters.filter { $0.name == "name" || $0.name == "metadata" } + [
            QueryParameter("order", "What to order by.", schema: ["type": "string", "enum": ["id", "name"]]),
            QueryParameter("dir", "Which way.", schema: ["type": "string", "enum": ["asc", "desc"]]),
            QueryParameter(
                "level", "How many levels.",
                schema: ["type": "integer", "minimum": 1, "maximum": .integer(Int64(Group.maximumLevels))]),
            QueryParameter(
                "tree", "True: each group with its children in it, up to 1,000 in all; then without pages.",
                schema: ["type": "boolean"]),
        ]
    static let deep = QueryParameter(
        "deep", "True: of the groups below it too.", schema: ["type": "boolean"])
}
