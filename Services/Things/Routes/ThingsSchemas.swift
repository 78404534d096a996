// SPDX-License-Identifier: Apache-2.0
import Core
import HTTPKit

/// JSON schemas of what goes in and out, for the OpenAPI document.
enum ThingsSchemas {
    static let name: JSONValue = ["type": "string", "maxLength": .integer(Int64(Limits.nameBytes))]
    private static let tagList: JSONValue = [
        "type": "array", "maxItems": .integer(Int64(Attributes.maximumTags)), "uniqueItems": true,
        "items": ["type": "string", "minLength": 1, "maxLength": .integer(Int64(Attributes.maximumTagBytes))],
    ]
    private static let route: JSONValue = ["type": "string", "pattern": "^[A-Za-z0-9_-]{1,128}$"]
    private static let secret: JSONValue = [
        "type": "string", "minLength": .integer(Int64(DeviceKey.minimumBytes)),
        "maxLength": .integer(Int64(DeviceKey.maximumBytes)),
    ]
    static let time: JSONValue = ["type": "string", "format": "date-time"]
    private static let status: JSONValue = ["type": "string", "enum": ["enabled", "disabled"]]

    static let tags = JSONValue.objectSchema(["tags": tagList], required: ["tags"])
    static let attributes = JSONValue.objectSchema(["name": name, "tags": tagList, "metadata": .anyObjectSchema])
    static let channelAttributes = JSONValue.objectSchema([
        "name": name, "tags": tagList, "metadata": .anyObjectSchema, "route": route,
    ])
    static let thingCreation = JSONValue.objectSchema([
        "id": .uuidSchema, "name": name, "tags": tagList, "metadata": .anyObjectSchema, "parent_group_id": .uuidSchema,
        "credentials": .objectSchema(["secret": secret]), "key": secret,
    ])
    static let channelCreation = JSONValue.objectSchema([
        "id": .uuidSchema, "name": name, "tags": tagList, "metadata": .anyObjectSchema, "route": route,
        "parent_group_id": .uuidSchema,
    ])
    static let keyRotation = JSONValue.objectSchema(["secret": secret, "key": secret])
    private static let preSharedKeyIdentity: JSONValue = [
        "type": "string", "minLength": 1, "maxLength": .integer(Int64(DevicePreSharedKey.identityBytes.upperBound)),
    ]
    static let preSharedKeyChange = JSONValue.objectSchema([
        "identity": preSharedKeyIdentity, "secret": .stringSchema,
        "encoding": ["type": "string", "enum": .array(SecretText.Encoding.allCases.map { .string($0.rawValue) })],
    ])
    private static let preSharedKeyMembers: [String: JSONValue] = [
        "thing_id": .uuidSchema, "identity": preSharedKeyIdentity, "created_at": time, "created_by": .uuidSchema,
    ]
    static let preSharedKey = JSONValue.objectSchema(
        preSharedKeyMembers, required: ["thing_id", "identity", "created_at"])
    static let preSharedKeyWithSecret = JSONValue.objectSchema(
        preSharedKeyMembers.merging(["secret": ["type": "string", "pattern": "^([0-9a-f]{2}){16,64}$"]]) { $1 },
        required: ["thing_id", "identity", "secret", "created_at"])
    static let connection = JSONValue.objectSchema([
        "thing_ids": .arraySchema(of: .uuidSchema), "channel_ids": .arraySchema(of: .stringSchema),
        "thing_id": .uuidSchema, "channel_id": .stringSchema,
        "types": .arraySchema(of: ["type": "string", "enum": ["publish", "subscribe"]]),
    ])

    private static let common: [String: JSONValue] = [
        "id": .uuidSchema, "name": name, "tags": tagList, "domain_id": .uuidSchema, "parent_group_id": .uuidSchema,
        "metadata": .anyObjectSchema, "created_at": time, "created_by": .uuidSchema, "updated_at": time,
        "updated_by": .uuidSchema,
        "status": status,
    ]
    private static let required = ["id", "name", "tags", "domain_id", "metadata", "created_at", "updated_at", "status"]

    static let thing = JSONValue.objectSchema(common, required: required)
    static let thingWithKey = JSONValue.objectSchema(
        common.merging(["credentials": .objectSchema(["secret": secret], required: ["secret"]), "key": secret]) {
            $1
        }, required: required + ["credentials", "key"])
    static let channel = JSONValue.objectSchema(common.merging(["route": route]) { $1 }, required: required)
    static let thingsPage = page("things", of: thing)
    static let channelsPage = page("channels", of: channel)

    static func page(_ member: String, of item: JSONValue) -> JSONValue {
        .objectSchema(
            [
                "total": .integerSchema, "total_is_exact": ["type": "boolean"], "offset": .integerSchema,
                "limit": .integerSchema, "order": .stringSchema, "direction": .stringSchema,
                "next_cursor": .stringSchema, member: .arraySchema(of: item),
            ], required: ["limit", member])
    }

    static let listParameters =
        QueryParameter.paging + QueryParameter.filters + [
            QueryParameter("order", "What to order by.", schema: ["type": "string", "enum": ["id", "name"]]),
            QueryParameter("dir", "Which way.", schema: ["type": "string", "enum": ["asc", "desc"]]),
        ]
    static let disconnected = QueryParameter(
        "disconnected", "True: those that are not connected.", schema: ["type": "boolean"])
}
