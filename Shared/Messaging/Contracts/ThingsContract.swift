// SPDX-License-Identifier: Apache-2.0
import Core

/// Asks `things` whose key this is. The key itself never travels: its SHA-256 does.
public struct IdentifyRequest: Codable, Sendable, Equatable {
    /// SHA-256 of the key's UTF-8 bytes, lower-case hexadecimal (64 characters).
    public var keyHash: String

    public init(keyHash: String) { self.keyHash = keyHash }
}

public struct IdentifyResponse: Codable, Sendable, Equatable {
    public struct Thing: Codable, Sendable, Equatable {
        public var id: ThingID
        public var domain: DomainID

        public init(id: ThingID, domain: DomainID) {
            self.id = id
            self.domain = domain
        }
    }

    /// nil: no enabled thing has this key.
    public var thing: Thing?

    public init(thing: Thing?) { self.thing = thing }
}

/// Asks `things` about a thing that has shown who it is without its key: by a client certificate, or by a pre-shared key.
public struct ThingLookupRequest: Codable, Sendable, Equatable {
    public var thing: ThingID

    public init(thing: ThingID) { self.thing = thing }
}

public struct ThingLookupResponse: Codable, Sendable, Equatable {
    public enum Outcome: Codable, Sendable, Equatable {
        /// The thing exists and is enabled, and its domain is; which that is.
        case known(DomainID)
        /// The thing is disabled or gone, or never was.
        case unknown
        /// The thing is well, but its domain is disabled or frozen.
        case disabledDomain
    }

    public var outcome: Outcome
    /// The version of the pre-shared key that the thing has now; nil: it has none, or is not known.
    public var preSharedKeyVersion: Int64?

    public init(outcome: Outcome, preSharedKeyVersion: Int64? = nil) {
        self.outcome = outcome
        self.preSharedKeyVersion = preSharedKeyVersion
    }
}

/// Asks `things` what a thing may do on a channel.
public struct AuthorizeRequest: Codable, Sendable, Equatable {
    public var thing: ThingID
    /// The channel's identifier, or its route within `domain`, as it stood in the path or topic.
    public var channel: String
    /// The domain's identifier or route where the path named one (`/m/<domain>/c/<channel>`); it must then be the channel's.
    public var domain: String?

    public init(thing: ThingID, channel: String, domain: String? = nil) {
        self.thing = thing
        self.channel = channel
        self.domain = domain
    }
}

public struct AuthorizeResponse: Codable, Sendable, Equatable {
    public struct Rights: Codable, Sendable, Equatable {
        public var channel: ChannelID
        public var domain: DomainID
        public var publish: Bool
        public var subscribe: Bool

        public init(channel: ChannelID, domain: DomainID, publish: Bool, subscribe: Bool) {
            self.channel = channel
            self.domain = domain
            self.publish = publish
            self.subscribe = subscribe
        }
    }

    public enum Outcome: Codable, Sendable, Equatable {
        /// The channel exists, thing and channel are enabled and belong to the same domain; what it may do there
        /// (both false: not connected).
        case known(Rights)
        /// No such channel for this thing: absent, disabled, or in another domain (not told apart, so that identifiers cannot be probed).
        case unknownChannel
        /// The thing is disabled or gone.
        case unknownThing
        /// The thing is well, but its domain is disabled or frozen: nothing of it may do anything.
        case disabledDomain
    }

    public var outcome: Outcome

    public init(outcome: Outcome) { self.outcome = outcome }
}

/// Asks `things` which channel this is, for a person's request that is decided by domain and role.
public struct ChannelLookupRequest: Codable, Sendable, Equatable {
    /// Identifier, or route within `domain`.
    public var channel: String
    public var domain: String?
    /// Whose roles on the channel and the groups above it are asked for, too; nil: nobody's.
    public var user: UserID?

    public init(channel: String, domain: String? = nil, user: UserID? = nil) {
        self.channel = channel
        self.domain = domain
        self.user = user
    }
}

public struct ChannelLookupResponse: Codable, Sendable, Equatable {
    public struct Channel: Codable, Sendable, Equatable {
        public var id: ChannelID
        public var domain: DomainID
        /// Whether the user who was named has any role on the channel or on a group above it, which lets read; nil: nobody was named.
        public var isGranted: Bool?

        public init(id: ChannelID, domain: DomainID, isGranted: Bool? = nil) {
            self.id = id
            self.domain = domain
            self.isGranted = isGranted
        }
    }

    public var channel: Channel?

    public init(channel: Channel?) { self.channel = channel }
}
