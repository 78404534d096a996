// SPDX-License-Identifier: Apache-2.0
import Core

/// A thing's pre-shared key for DTLS, as `things` tells it to adapters that finish handshakes with it. The secret is in the clear: only the roles that
/// need it may ask (`Services/Bus/Roles`).
public struct PreSharedKeyRecord: Codable, Sendable, Equatable {
    public var thing: ThingID
    public var domain: DomainID
    /// What the device names in its handshake (RFC 4279 section 2): 1 to 128 bytes of UTF-8, of one thing only in the whole installation.
    public var identity: String
    /// 16 to 64 bytes as base64 (RFC 4648 section 4).
    public var secret: String
    /// Another one whenever the key was made or replaced, and higher than all before.
    public var version: Int64

    public init(thing: ThingID, domain: DomainID, identity: String, secret: String, version: Int64) {
        self.thing = thing
        self.domain = domain
        self.identity = identity
        self.secret = secret
        self.version = version
    }
}

/// Asks `things` for a part of the pre-shared keys of all enabled things in enabled domains (`rpc.things.psks`), in the order of the things' identifiers.
public struct PreSharedKeysRequest: Codable, Sendable, Equatable {
    /// About 250 bytes each, 600 with the longest identities: such a page fits a message of the bus.
    public static let maximumLimit = 1_000

    /// Behind this thing; nil: from the first one.
    public var after: ThingID?
    /// 1 to ``maximumLimit``.
    public var limit: Int

    public init(after: ThingID? = nil, limit: Int = maximumLimit) {
        self.after = after
        self.limit = limit
    }
}

public struct PreSharedKeysResponse: Codable, Sendable, Equatable {
    public var keys: [PreSharedKeyRecord]
    /// `after` of the next part; nil: this was the last one. Keys that `things` cannot decrypt are left out, so a part may be short, or empty, before the last.
    public var next: ThingID?

    public init(keys: [PreSharedKeyRecord], next: ThingID?) {
        self.keys = keys
        self.next = next
    }
}

/// Asks `things` for the one pre-shared key of a thing, or with an identity (`rpc.things.psk`). Exactly one of the two is set.
public struct PreSharedKeyLookupRequest: Codable, Sendable, Equatable {
    public var thing: ThingID?
    public var identity: String?

    public init(thing: ThingID) { self.thing = thing }

    public init(identity: String) { self.identity = identity }
}

public struct PreSharedKeyLookupResponse: Codable, Sendable, Equatable {
    /// nil: there is none, or its thing or the thing's domain is disabled.
    public var key: PreSharedKeyRecord?

    public init(key: PreSharedKeyRecord?) { self.key = key }
}
