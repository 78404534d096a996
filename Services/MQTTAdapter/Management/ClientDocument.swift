// SPDX-License-Identifier: Apache-2.0
import Core
import HTTPKit
import Observability

/// A client as JSON.
struct ClientDocument: Encodable, Sendable {
    struct Amount: Encodable, Sendable {
        let messages: Int
        let bytes: Int
    }

    struct Subscription: Encodable, Sendable {
        let filter: String
        let qos: UInt8
    }

    let client: String
    let thingID: ThingID
    let domainID: DomainID
    let state: String
    let version: String
    let listener: String?
    let address: String?
    let hasCertificate: Bool?
    let keepAliveSeconds: Int?
    let connectedAt: String?
    let disconnectedAt: String?
    let expiresAt: String?
    let expirySeconds: UInt32
    let subscriptionCount: Int
    /// Only where one client is asked for.
    let subscriptions: [Subscription]?
    let queue: Amount
    let store: Amount
    let inFlight: Int
    let publishing: Int
    let receivedBytes: Int?
    let sentBytes: Int?

    enum CodingKeys: String, CodingKey {
        case client, state, version, listener, address, subscriptions, queue, store, publishing
        case thingID = "thing_id"
        case domainID = "domain_id"
        case hasCertificate = "has_certificate"
        case keepAliveSeconds = "keep_alive_seconds"
        case connectedAt = "connected_at"
        case disconnectedAt = "disconnected_at"
        case expiresAt = "expires_at"
        case expirySeconds = "session_expiry_seconds"
        case subscriptionCount = "subscription_count"
        case inFlight = "in_flight"
        case receivedBytes = "received_bytes"
        case sentBytes = "sent_bytes"
    }

    /// - Parameter withSubscriptions: also each filter.
    init(_ client: ClientDescription, withSubscriptions: Bool) {
        self.client = client.key.clientIdentifier
        thingID = client.key.thing
        domainID = client.domain
        state = (client.connected == nil ? ClientFilter.State.kept : .connected).rawValue
        version = client.version == .v5 ? "5" : "3.1.1"
        listener = client.connected?.listener.rawValue
        address = client.connected?.address
        hasCertificate = client.connected?.hasCertificate
        keepAliveSeconds = client.connected?.keepAliveSeconds
        connectedAt = client.connected.map { Timestamp.rfc3339($0.since) }
        disconnectedAt = client.connected == nil ? client.closedAt.map(Timestamp.rfc3339) : nil
        expiresAt = client.connected == nil ? client.expiresAt.map(Timestamp.rfc3339) : nil
        expirySeconds = client.expirySeconds
        subscriptionCount = client.subscriptions.count
        subscriptions =
            withSubscriptions ? client.subscriptions.map { Subscription(filter: $0.filter, qos: $0.qos) } : nil
        queue = Amount(messages: client.queuedMessages, bytes: client.queuedBytes)
        store = Amount(messages: client.storedMessages, bytes: client.storedBytes)
        inFlight = client.inFlight
        publishing = client.publishing
        receivedBytes = client.connected?.receivedBytes
        sentBytes = client.connected?.sentBytes
    }

    private static let amountSchema = JSONValue.objectSchema(
        ["messages": .integerSchema, "bytes": .integerSchema], required: ["messages", "bytes"])
    private static let timeSchema: JSONValue = ["type": "string", "format": "date-time"]

    static let schema = JSONValue.objectSchema(
        [
            "client": .stringSchema, "thing_id": .uuidSchema, "domain_id": .uuidSchema,
            "state": .choiceSchema(ClientFilter.State.allCases.map(\.rawValue)),
            "version": .choiceSchema(["3.1.1", "5"]),
            "listener": .choiceSchema(Listener.Kind.allCases.map(\.rawValue)), "address": .stringSchema,
            "has_certificate": ["type": "boolean"], "keep_alive_seconds": .integerSchema, "connected_at": timeSchema,
            "disconnected_at": timeSchema, "expires_at": timeSchema, "session_expiry_seconds": .integerSchema,
            "subscription_count": .integerSchema,
            "subscriptions": .arraySchema(
                of: .objectSchema(["filter": .stringSchema, "qos": .integerSchema], required: ["filter", "qos"])),
            "queue": amountSchema, "store": amountSchema, "in_flight": .integerSchema, "publishing": .integerSchema,
            "received_bytes": .integerSchema, "sent_bytes": .integerSchema,
        ],
        required: [
            "client", "thing_id", "domain_id", "state", "version", "session_expiry_seconds", "subscription_count",
            "queue", "store", "in_flight", "publishing",
        ])
}

/// A page of clients.
struct ClientPageDocument: Encodable, Sendable {
    let total: Int
    /// nil: the page is by cursor.
    let offset: Int?
    let limit: Int
    let nextCursor: String?
    let clients: [ClientDocument]

    enum CodingKeys: String, CodingKey {
        case total, offset, limit, clients
        case nextCursor = "next_cursor"
    }

    static let schema = JSONValue.objectSchema(
        [
            "total": .integerSchema, "offset": .integerSchema, "limit": .integerSchema, "next_cursor": .stringSchema,
            "clients": .arraySchema(of: ClientDocument.schema),
        ], required: ["total", "limit", "clients"])
}

extension JSONValue {
    /// A schema of a string that is one of these.
    static func choiceSchema(_ choices: [String]) -> JSONValue {
        ["type": "string", "enum": .array(choices.map(JSONValue.string))]
    }
}
