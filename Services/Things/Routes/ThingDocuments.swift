// SPDX-License-Identifier: Apache-2.0
import Core
import HTTPKit
import Observability

/// What a client may say of a thing that it creates, in either Mainflux dialect; anything else in the body is ignored.
struct ThingCreation: Decodable, Sendable {
    struct Credentials: Decodable, Sendable {
        var secret: String?
    }

    var id: ThingID?
    var name: String?
    var tags: [String]?
    var metadata: JSONValue?
    /// The group to create it in.
    var parent: GroupID?
    var credentials: Credentials?
    /// The first dialect's `credentials.secret`.
    var key: String?

    private enum CodingKeys: String, CodingKey {
        case id, name, tags, metadata, credentials, key
        case parent = "parent_group_id"
    }

    func draft() throws(ServiceError) -> ThingDraft {
        var secret = key
        if let given = credentials?.secret, !given.isEmpty {
            guard key == nil || key == given else {
                throw ServiceError(
                    .malformed, reason: "ambiguous-key", "'key' and 'credentials.secret' must not differ")
            }
            secret = given
        }
        return ThingDraft(
            id: id, key: secret == "" ? nil : secret, parent: parent,
            attributes: Attributes(
                name: name ?? "", tags: tags ?? [], metadata: try MetadataText.text(of: metadata) ?? "{}"))
    }
}

/// A change of some attributes of a thing or channel; what is absent stays.
struct AttributesUpdate: Decodable, Sendable {
    var name: String?
    var tags: [String]?
    var metadata: JSONValue?

    func change() throws(ServiceError) -> AttributesChange {
        AttributesChange(name: name, tags: tags, metadata: try MetadataText.text(of: metadata))
    }
}

struct TagsUpdate: Decodable, Sendable {
    var tags: [String]
}

/// A new key: the client's own, or none for a random one. `key` is the first dialect's word.
struct KeyRotation: Decodable, Sendable {
    var secret: String?
    var key: String?

    var chosen: String? {
        let given = secret ?? key
        return given == "" ? nil : given
    }
}

/// A thing as the API shows it. The key is there only in the answer to a creation or rotation.
struct ThingDocument: Encodable, Sendable {
    struct Credentials: Encodable, Sendable {
        var secret: String
    }

    var id: ThingID
    var name: String
    var tags: [String]
    var domainID: DomainID
    var parent: GroupID?
    var metadata: JSONValue
    var credentials: Credentials?
    var key: String?
    var createdAt: String
    var createdBy: UserID?
    var updatedAt: String
    var updatedBy: UserID?
    var status: String

    private enum CodingKeys: String, CodingKey {
        case id, name, tags, metadata, credentials, key, status
        case domainID = "domain_id"
        case parent = "parent_group_id"
        case createdAt = "created_at"
        case createdBy = "created_by"
        case updatedAt = "updated_at"
        case updatedBy = "updated_by"
    }

    init(_ thing: Thing, key: String? = nil) {
        id = thing.id
        name = thing.attributes.name
        tags = thing.attributes.tags
        domainID = thing.domain
        parent = thing.parent
        metadata = MetadataText.value(of: thing.attributes.metadata)
        credentials = key.map(Credentials.init(secret:))
        self.key = key
        createdAt = Timestamp.rfc3339(thing.createdAt)
        createdBy = thing.createdBy
        updatedAt = Timestamp.rfc3339(thing.updatedAt)
        updatedBy = thing.updatedBy
        status = thing.isEnabled ? "enabled" : "disabled"
    }

    init(_ created: ThingWithKey) { self.init(created.thing, key: created.key) }
}

struct CreatedThings: Encodable, Sendable {
    var things: [ThingDocument]
    var total: Int
}
