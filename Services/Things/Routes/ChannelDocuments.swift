// SPDX-License-Identifier: Apache-2.0
import Core
import HTTPKit
import Observability

struct ChannelCreation: Decodable, Sendable {
    var id: ChannelID?
    var route: String?
    var name: String?
    var tags: [String]?
    var metadata: JSONValue?
    /// The group to create it in.
    var parent: GroupID?

    private enum CodingKeys: String, CodingKey {
        case id, route, name, tags, metadata
        case parent = "parent_group_id"
    }

    func draft() throws(ServiceError) -> ChannelDraft {
        ChannelDraft(
            id: id, route: route == "" ? nil : route, parent: parent,
            attributes: Attributes(
                name: name ?? "", tags: tags ?? [], metadata: try MetadataText.text(of: metadata) ?? "{}"))
    }
}

/// As ``AttributesUpdate``, with the route: absent leaves it, `null` or an empty one takes it away.
struct ChannelUpdate: Decodable, Sendable {
    var attributes: AttributesUpdate
    var route: RouteChange

    private enum CodingKeys: String, CodingKey {
        case route
    }

    init(from decoder: any Decoder) throws {
        attributes = try AttributesUpdate(from: decoder)
        let container = try decoder.container(keyedBy: CodingKeys.self)
        guard container.contains(.route) else {
            route = .unchanged
            return
        }
        let text = try container.decodeIfPresent(String.self, forKey: .route) ?? ""
        route = text.isEmpty ? .removed : .set(text)
    }
}

struct ChannelDocument: Encodable, Sendable {
    var id: ChannelID
    var route: String?
    var name: String
    var tags: [String]
    var domainID: DomainID
    var parent: GroupID?
    var metadata: JSONValue
    var createdAt: String
    var createdBy: UserID?
    var updatedAt: String
    var updatedBy: UserID?
    var status: String

    private enum CodingKeys: String, CodingKey {
        case id, route, name, tags, metadata, status
        case domainID = "domain_id"
        case parent = "parent_group_id"
        case createdAt = "created_at"
        case createdBy = "created_by"
        case updatedAt = "updated_at"
        case updatedBy = "updated_by"
    }

    init(_ channel: Channel) {
        id = channel.id
        route = channel.route
        name = channel.attributes.name
        tags = channel.attributes.tags
        domainID = channel.domain
        parent = channel.parent
        metadata = MetadataText.value(of: channel.attributes.metadata)
        createdAt = Timestamp.rfc3339(channel.createdAt)
        createdBy = channel.createdBy
        updatedAt = Timestamp.rfc3339(channel.updatedAt)
        updatedBy = channel.updatedBy
        status = channel.isEnabled ? "enabled" : "disabled"
    }
}

struct CreatedChannels: Encodable, Sendable {
    var channels: [ChannelDocument]
    var total: Int
}
