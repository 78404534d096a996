// SPDX-License-Identifier: Apache-2.0
import Core
import Identity
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
    /// Those that are (not) connected to `channel`, or all; of these what `reach` lets see, or all.
    func things(
        _ query: ListQuery, on channel: ChannelID?, in domain: DomainID, within reach: Reach?
    ) async throws(ServiceError) -> Listing<Thing>
    func things(
        _ query: ListQuery, in membership: Membership, of domain: DomainID
    ) async throws(ServiceError) -> Listing<Thing>
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
    /// Those that `thing` is (not) connected to, or all; of these what `reach` lets see, or all.
    func channels(
        _ query: ListQuery, of thing: ThingID?, in domain: DomainID, within reach: Reach?
    ) async throws(ServiceError) -> Listing<Channel>
    func channels(
        _ query: ListQuery, in membership: Membership, of domain: DomainID
    ) async throws(ServiceError) -> Listing<Channel>
    /// How many of them exist.
    func count(channels: [ChannelID], in domain: DomainID) async throws(ServiceError) -> Int
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

/// Groups, and what is in them.
protocol GroupsStore: Sendable {
    /// - Throws: `notFound` when there is no such parent, `unprocessable` when the tree would be too deep or large.
    func insert(
        _ group: Group, below parent: GroupID?, announcing event: EntityEvent
    ) async throws(ServiceError) -> Group
    func group(_ id: GroupID, in domain: DomainID) async throws(ServiceError) -> Group?
    func groups(
        _ query: ListQuery, _ range: GroupRange, in domain: DomainID, within reach: Reach?
    ) async throws(ServiceError) -> Listing<Group>
    func update(
        group: GroupID, _ change: GroupChange, by actor: Actor, at time: Int64, announcing event: EntityEvent
    ) async throws(ServiceError) -> Group?
    /// - Throws: `unprocessable` for a cycle or a tree that would be too deep, `conflict` when it is not below `former` any more.
    func move(
        group: GroupID, from former: GroupID?, below parent: GroupID?, by actor: Actor, at time: Int64,
        announcing event: EntityEvent
    ) async throws(ServiceError) -> Group?
    /// What is in it goes to `parent`.
    /// - Throws: `conflict` when it is not below `parent` any more.
    func remove(
        group: GroupID, from parent: GroupID?, in domain: DomainID, announcing event: EntityEvent
    ) async throws(ServiceError) -> Bool
    /// The groups that they are in.
    func groups(
        ofThings things: [ThingID], andChannels channels: [ChannelID], in domain: DomainID
    ) async throws(ServiceError) -> Set<GroupID>
    /// Announces each that came into another group.
    func move(
        things: [ThingID], channels: [ChannelID], to group: GroupID?, by actor: Actor, _ events: ChangeEvents
    ) async throws(ServiceError)
}

/// Roles of persons on single things, channels and groups.
protocol AccessStore: Sendable {
    /// The highest role that is given on each or on a group above it, `none` without one; those that do not exist are left out.
    func roles(of actor: Actor, onThings things: [ThingID]) async throws(ServiceError) -> [ThingID: Role]
    func roles(of actor: Actor, onChannels channels: [ChannelID]) async throws(ServiceError) -> [ChannelID: Role]
    func roles(of actor: Actor, onGroups groups: [GroupID]) async throws(ServiceError) -> [GroupID: Role]
    func reach(of actor: Actor) async throws(ServiceError) -> Reach
    /// Announces each role that changed.
    func grant(
        _ role: Role, to users: [UserID], on subject: Subject, by actor: Actor, _ events: ChangeEvents
    ) async throws(ServiceError)
    func revoke(
        from users: [UserID], on subject: Subject, by actor: Actor, _ events: ChangeEvents
    ) async throws(ServiceError)
    func grants(on subject: Subject, in domain: DomainID) async throws(ServiceError) -> [Grant]
    /// All that the person has in the domain and was given until `time` (nanoseconds since 1970). Announces each.
    func removeGrants(of user: UserID, givenUntil time: Int64, _ events: ChangeEvents) async throws(ServiceError)
    /// Where the person was given something.
    func domains(withGrantsOf user: UserID) async throws(ServiceError) -> [DomainID]
}

/// Where an event stands in its stream.
struct StreamPlace: Sendable, Equatable {
    let stream: StreamID
    let sequence: UInt64
}

/// Which domains are switched off.
protocol DomainStatesStore: Sendable {
    /// Keeps what the event at `place` says of the domain of `events`, and announces it; nothing when a later one was kept before.
    func setDomain(enabled isEnabled: Bool, at place: StreamPlace, _ events: ChangeEvents) async throws(ServiceError)
}

/// What ``Directory`` needs.
typealias DirectoryStore = AccessStore & GroupsStore & PreSharedKeysStore & ThingsStore

/// What adapters ask; each one indexed query.
protocol RightsStore: Sendable {
    func identify(keyHash: [UInt8]) async throws(ServiceError) -> IdentifyResponse.Thing?
    func lookUp(thing: ThingID) async throws(ServiceError) -> ThingLookupResponse
    func authorize(
        thing: ThingID, channel: ChannelReference, domain: DomainID?
    ) async throws(ServiceError) -> AuthorizeResponse.Outcome
    func lookUp(
        channel: ChannelReference, domain: DomainID?, for user: UserID?
    ) async throws(ServiceError) -> ChannelLookupResponse.Channel?
}
