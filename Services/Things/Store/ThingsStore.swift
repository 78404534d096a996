// SPDX-License-Identifier: Apache-2.0
import Core
import Messaging

/// Where things, channels and connections are kept. Every change and the events that announce it are one transaction, and a method that
/// changes something returns after the events had the chance to be heard.
///
/// All methods see the one domain only; all throw `unavailable` while the database is away.
protocol ThingsStore: Sendable {
    func insert(
        _ things: [(thing: Thing, keyHash: [UInt8])], announcing events: [EntityEvent]
    ) async throws(ServiceError)
    func thing(_ id: ThingID, in domain: DomainID) async throws(ServiceError) -> Thing?
    /// Those that are (not) connected to `channel`, or all.
    func things(_ query: ListQuery, on channel: ChannelID?, in domain: DomainID) async throws(ServiceError)
        -> Listing<Thing>
    /// How many of them exist.
    func count(things: [ThingID], in domain: DomainID) async throws(ServiceError) -> Int
    func update(
        thing: ThingID, _ change: AttributesChange, by actor: Actor, at time: Int64, announcing event: EntityEvent
    ) async throws(ServiceError) -> Thing?
    func replaceKey(
        of thing: ThingID, hash: [UInt8], by actor: Actor, at time: Int64, announcing event: EntityEvent
    ) async throws(ServiceError) -> Thing?
    /// Announces nothing when it is so already.
    func setEnabled(
        thing: ThingID, _ isEnabled: Bool, by actor: Actor, at time: Int64, announcing event: EntityEvent
    ) async throws(ServiceError) -> Thing?
    func remove(thing: ThingID, in domain: DomainID, announcing event: EntityEvent) async throws(ServiceError) -> Bool

    func insert(_ channels: [Channel], announcing events: [EntityEvent]) async throws(ServiceError)
    func channel(_ reference: ChannelReference, in domain: DomainID) async throws(ServiceError) -> Channel?
    /// Those that `thing` is (not) connected to, or all.
    func channels(_ query: ListQuery, of thing: ThingID?, in domain: DomainID) async throws(ServiceError)
        -> Listing<Channel>
    func update(
        channel: ChannelID, _ change: AttributesChange, route: RouteChange, by actor: Actor, at time: Int64,
        announcing event: EntityEvent
    ) async throws(ServiceError) -> Channel?
    func setEnabled(
        channel: ChannelID, _ isEnabled: Bool, by actor: Actor, at time: Int64, announcing event: EntityEvent
    ) async throws(ServiceError) -> Channel?
    func remove(
        channel: ChannelID, in domain: DomainID, announcing event: EntityEvent
    ) async throws(ServiceError) -> Bool

    /// Announces each pair that changed.
    func connect(
        _ pairs: ConnectionPairs, _ directions: Directions, in domain: DomainID, _ events: ChangeEvents
    ) async throws(ServiceError)
    func disconnect(
        _ pairs: ConnectionPairs, _ directions: Directions, in domain: DomainID, _ events: ChangeEvents
    ) async throws(ServiceError)
}

/// What adapters ask; each one indexed query.
protocol RightsStore: Sendable {
    func identify(keyHash: [UInt8]) async throws(ServiceError) -> IdentifyResponse.Thing?
    func authorize(
        thing: ThingID, channel: ChannelReference, domain: DomainReference?
    ) async throws(ServiceError) -> AuthorizeResponse.Outcome
    func lookUp(
        channel: ChannelReference, domain: DomainReference?
    ) async throws(ServiceError) -> ChannelLookupResponse.Channel?
}
