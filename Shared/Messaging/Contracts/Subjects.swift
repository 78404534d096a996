// SPDX-License-Identifier: Apache-2.0

/// The subjects that services share: who listens where is in each service's README.
public enum Subjects {
    /// Everything devices publish: `channels.<channel>[.<subtopic>]`, a ``RawMessage`` each.
    public static let allMessages = "channels.>"
    /// Every change that a service announces: `events.<service>.<entity>.<what>`, an ``EntityEvent`` as JSON each.
    public static let allEvents = "events.>"
    public static let thingsEvents = "events.things.>"
    public static let usersEvents = "events.users.>"
    /// Requests that services refused: `refusals.<service>`, a ``RefusedRequest`` as JSON each.
    public static let allRefusals = "refusals.>"

    /// ``IdentifyRequest`` → ``IdentifyResponse``.
    public static let identifyThing = "rpc.things.identify"
    /// ``ThingLookupRequest`` → ``ThingLookupResponse``.
    public static let lookUpThing = "rpc.things.thing"
    /// ``AuthorizeRequest`` → ``AuthorizeResponse``.
    public static let authorizeThing = "rpc.things.authorize"
    /// ``ChannelLookupRequest`` → ``ChannelLookupResponse``.
    public static let lookUpChannel = "rpc.things.channel"
    /// ``PreSharedKeysRequest`` → ``PreSharedKeysResponse``. With secrets: for the adapters that serve DTLS only.
    public static let preSharedKeys = "rpc.things.psks"
    /// ``PreSharedKeyLookupRequest`` → ``PreSharedKeyLookupResponse``. As ``preSharedKeys``.
    public static let lookUpPreSharedKey = "rpc.things.psk"
    /// Empty request → a JWK set (RFC 7517 section 5).
    public static let tokenKeys = "rpc.users.keys"
    /// ``DomainLookupRequest`` → ``DomainLookupResponse``.
    public static let lookUpDomain = "rpc.users.domain"
    /// Empty request → ``RevokedSessions``.
    public static let revokedSessions = "rpc.users.revoked"
    /// A key's hash → whose it is and what it is good for now.
    public static let identifyKey = "rpc.users.identify-key"
    /// ``LastMessageRequest`` → ``LastMessageResponse``.
    public static let lastMessage = "rpc.reader.last"
}

/// The streams that the bus itself declares at start, and their well-known durable consumers.
public enum Streams {
    /// Captures ``Subjects/allMessages``.
    public static let messages = "messages"
    /// Captures ``Subjects/allEvents``.
    public static let events = "events"
    /// Captures ``Subjects/allRefusals``. Apart from ``events``, on which revocation depends: a flood of refusals must not fill that one.
    public static let refusals = "refusals"
    /// Captures `dead.>`: what a durable consumer gave up on, subject `dead.<stream>.<consumer>`.
    public static let deadLetters = "dead-letters"
    /// The durable consumer by which `writer-postgres` reads ``messages``.
    public static let writerConsumer = "writer-postgres"
    /// The durable consumer by which `things` reads what `users` announces in ``events``.
    public static let thingsConsumer = "things"
    /// The durable consumer by which `journal` reads ``events`` and ``refusals``.
    public static let journalConsumer = "journal"
}
