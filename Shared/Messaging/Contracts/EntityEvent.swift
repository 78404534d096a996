// SPDX-License-Identifier: Apache-2.0
import Core

/// A change that a service announces, written in the same transaction as the change (outbox) and published as JSON on
/// `events.<service>.<entity>.<what>`. May be published twice after a crash: receivers look at `id` or are idempotent.
public struct EntityEvent: Codable, Sendable, Equatable {
    public var id: EventID
    /// Nanoseconds since 1970.
    public var at: Int64
    /// `things`, `users`, …
    public var service: String
    /// `thing`, `channel`, `connection`, `group`, `grant`, `user`, `session`, `domain`, …
    public var entity: String
    /// `created`, `updated`, `removed`, `enabled`, `disabled`, `key-rotated`, `revoked`, …
    public var what: String
    public var domain: DomainID?
    /// Who did it; nil for the system itself.
    public var actor: UserID?
    /// The identifiers that the change touches, whichever apply.
    public var thing: ThingID?
    public var channel: ChannelID?
    public var group: GroupID?
    public var user: UserID?
    public var session: SessionID?
    /// Where the request came from that changed it; nil for the system itself.
    public var origin: RequestOrigin?

    /// - Parameter origin: that of the request which is being answered, where there is one.
    public init(
        id: EventID, at: Int64, service: String, entity: String, what: String, domain: DomainID? = nil,
        actor: UserID? = nil, thing: ThingID? = nil, channel: ChannelID? = nil, group: GroupID? = nil,
        user: UserID? = nil, session: SessionID? = nil, origin: RequestOrigin? = .current
    ) {
        self.id = id
        self.at = at
        self.service = service
        self.entity = entity
        self.what = what
        self.domain = domain
        self.actor = actor
        self.thing = thing
        self.channel = channel
        self.group = group
        self.user = user
        self.session = session
        self.origin = origin
    }

    /// `events.<service>.<entity>.<what>`
    public var subject: String { "events.\(service).\(entity).\(what)" }
}

/// Sessions whose access tokens are refused although they have not expired.
public struct RevokedSessions: Codable, Sendable, Equatable {
    public struct Entry: Codable, Sendable, Equatable {
        public var session: SessionID
        /// Unix seconds: when the last access token of the session has expired and the entry can be forgotten.
        public var until: Int64

        public init(session: SessionID, until: Int64) {
            self.session = session
            self.until = until
        }
    }

    public var sessions: [Entry]

    public init(sessions: [Entry]) { self.sessions = sessions }
}
