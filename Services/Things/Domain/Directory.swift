// SPDX-License-Identifier: Apache-2.0
import Core
import Messaging

/// The operations on things, channels and connections: rules here, rows in the store.
struct Directory: Sendable {
    /// Things or channels of one request.
    static let maximumBulk = 1_000
    /// Pairs of one request: a hundred things on a hundred channels.
    static let maximumPairs = 10_000

    let store: any ThingsStore
    let clock: WallClock

    private func events(_ actor: Actor) -> ChangeEvents { ChangeEvents(actor: actor, at: clock.now()) }
}

// Things.
extension Directory {
    /// - Throws: `unprocessable`, or `conflict` for an identifier or key that exists; then none is created.
    func createThings(_ drafts: [ThingDraft], by actor: Actor) async throws(ServiceError) -> [ThingWithKey] {
        try checkBulk(drafts.count)
        let events = events(actor)
        var created: [ThingWithKey] = []
        var hashes: Set<[UInt8]> = []
        var identifiers: Set<ThingID> = []
        for draft in drafts {
            try draft.attributes.check()
            if let key = draft.key { try DeviceKey.check(key) }
            let thing = Thing(
                id: draft.id ?? .new(), domain: actor.domain, attributes: draft.attributes, isEnabled: true,
                createdAt: events.at, createdBy: actor.user, updatedAt: events.at, updatedBy: nil)
            let key = draft.key ?? DeviceKey.new()
            guard hashes.insert(DeviceKey.hash(key)).inserted else { throw ThingsRefusal.duplicateKey }
            guard identifiers.insert(thing.id).inserted else { throw ThingsRefusal.duplicateIdentifier }
            created.append(ThingWithKey(thing: thing, key: key))
        }
        try await store.insert(
            created.map { ($0.thing, DeviceKey.hash($0.key)) },
            announcing: created.map { events.thing($0.thing.id, .created) })
        return created
    }

    func thing(_ id: ThingID, in domain: DomainID) async throws(ServiceError) -> Thing {
        guard let thing = try await store.thing(id, in: domain) else { throw ThingsRefusal.unknownThing }
        return thing
    }

    func things(
        _ query: ListQuery, on channel: ChannelReference?, in domain: DomainID
    ) async throws(ServiceError) -> Listing<Thing> {
        guard let channel else { return try await store.things(query, on: nil, in: domain) }
        let found = try await self.channel(channel, in: domain)
        return try await store.things(query, on: found.id, in: domain)
    }

    func updateThing(
        _ id: ThingID, _ change: AttributesChange, by actor: Actor
    ) async throws(ServiceError) -> Thing {
        try change.check()
        let events = events(actor)
        let updated = try await store.update(
            thing: id, change, by: actor, at: events.at, announcing: events.thing(id, .updated))
        guard let updated else { throw ThingsRefusal.unknownThing }
        return updated
    }

    /// The new key works, and the old one does not, as soon as this returns; adapters hear of it within milliseconds.
    /// - Parameter key: the client's own; nil: a new one.
    func rotateKey(_ id: ThingID, to key: String?, by actor: Actor) async throws(ServiceError) -> ThingWithKey {
        if let key { try DeviceKey.check(key) }
        let key = key ?? DeviceKey.new()
        let events = events(actor)
        let updated = try await store.replaceKey(
            of: id, hash: DeviceKey.hash(key), by: actor, at: events.at, announcing: events.thing(id, .keyRotated))
        guard let updated else { throw ThingsRefusal.unknownThing }
        return ThingWithKey(thing: updated, key: key)
    }

    func setThing(_ id: ThingID, enabled: Bool, by actor: Actor) async throws(ServiceError) -> Thing {
        let events = events(actor)
        let updated = try await store.setEnabled(
            thing: id, enabled, by: actor, at: events.at,
            announcing: events.thing(id, enabled ? .enabled : .disabled))
        guard let updated else { throw ThingsRefusal.unknownThing }
        return updated
    }

    func removeThing(_ id: ThingID, by actor: Actor) async throws(ServiceError) {
        let removed = try await store.remove(
            thing: id, in: actor.domain, announcing: events(actor).thing(id, .removed))
        guard removed else { throw ThingsRefusal.unknownThing }
    }
}

// Channels.
extension Directory {
    func createChannels(_ drafts: [ChannelDraft], by actor: Actor) async throws(ServiceError) -> [Channel] {
        try checkBulk(drafts.count)
        let events = events(actor)
        var created: [Channel] = []
        var identifiers: Set<ChannelID> = []
        var routes: Set<String> = []
        for draft in drafts {
            try draft.attributes.check()
            if let route = draft.route {
                try ChannelDraft.checkRoute(route)
                guard routes.insert(route).inserted else { throw ThingsRefusal.duplicateRoute }
            }
            let channel = Channel(
                id: draft.id ?? .new(), domain: actor.domain, route: draft.route, attributes: draft.attributes,
                isEnabled: true, createdAt: events.at, createdBy: actor.user, updatedAt: events.at, updatedBy: nil)
            guard identifiers.insert(channel.id).inserted else { throw ThingsRefusal.duplicateIdentifier }
            created.append(channel)
        }
        try await store.insert(created, announcing: created.map { events.channel($0.id, .created) })
        return created
    }

    func channel(_ reference: ChannelReference, in domain: DomainID) async throws(ServiceError) -> Channel {
        guard let channel = try await store.channel(reference, in: domain) else { throw ThingsRefusal.unknownChannel }
        return channel
    }

    func channels(
        _ query: ListQuery, of thing: ThingID?, in domain: DomainID
    ) async throws(ServiceError) -> Listing<Channel> {
        if let thing { _ = try await self.thing(thing, in: domain) }
        return try await store.channels(query, of: thing, in: domain)
    }

    func updateChannel(
        _ reference: ChannelReference, _ change: AttributesChange, route: RouteChange, by actor: Actor
    ) async throws(ServiceError) -> Channel {
        try change.check()
        if case .set(let route) = route { try ChannelDraft.checkRoute(route) }
        let id = try await channel(reference, in: actor.domain).id
        let events = events(actor)
        let updated = try await store.update(
            channel: id, change, route: route, by: actor, at: events.at, announcing: events.channel(id, .updated))
        guard let updated else { throw ThingsRefusal.unknownChannel }
        return updated
    }

    func setChannel(
        _ reference: ChannelReference, enabled: Bool, by actor: Actor
    ) async throws(ServiceError) -> Channel {
        let id = try await channel(reference, in: actor.domain).id
        let events = events(actor)
        let updated = try await store.setEnabled(
            channel: id, enabled, by: actor, at: events.at,
            announcing: events.channel(id, enabled ? .enabled : .disabled))
        guard let updated else { throw ThingsRefusal.unknownChannel }
        return updated
    }

    func removeChannel(_ reference: ChannelReference, by actor: Actor) async throws(ServiceError) {
        let id = try await channel(reference, in: actor.domain).id
        let removed = try await store.remove(
            channel: id, in: actor.domain, announcing: events(actor).channel(id, .removed))
        guard removed else { throw ThingsRefusal.unknownChannel }
    }
}

// Connections.
extension Directory {
    /// Connects every thing with every channel, beside what they are connected for already.
    /// - Throws: `notFound` when one of them is not of the domain; then none is connected.
    func connect(
        things: [ThingID], channels: [ChannelReference], _ directions: Directions, by actor: Actor
    ) async throws(ServiceError) {
        let pairs = try await resolve(things, channels, in: actor.domain)
        try await store.connect(pairs, directions, in: actor.domain, events(actor))
    }

    /// Takes these directions from every pair; a pair that has none left, or had none, is not connected. No error: the end is the same.
    func disconnect(
        things: [ThingID], channels: [ChannelReference], _ directions: Directions, by actor: Actor
    ) async throws(ServiceError) {
        let pairs = try await resolve(things, channels, in: actor.domain)
        try await store.disconnect(pairs, directions, in: actor.domain, events(actor))
    }

    private func resolve(
        _ things: [ThingID], _ channels: [ChannelReference], in domain: DomainID
    ) async throws(ServiceError) -> ConnectionPairs {
        guard !things.isEmpty, !channels.isEmpty else {
            throw ServiceError(
                .malformed, reason: "missing-field", "at least one thing and one channel must be named")
        }
        let (count, overflow) = things.count.multipliedReportingOverflow(by: channels.count)
        guard !overflow, count <= Self.maximumPairs else {
            throw ServiceError(
                .unprocessable, reason: "too-many-connections",
                "one request may name at most \(Self.maximumPairs) pairs of thing and channel")
        }
        let thingIDs = Array(Set(things)).sorted()
        guard try await store.count(things: thingIDs, in: domain) == thingIDs.count else {
            throw ThingsRefusal.unknownThing
        }
        var channelIDs: Set<ChannelID> = []
        for reference in Set(channels) {
            channelIDs.insert(try await channel(reference, in: domain).id)
        }
        return ConnectionPairs(things: thingIDs, channels: channelIDs.sorted())
    }

    private func checkBulk(_ count: Int) throws(ServiceError) {
        guard (1...Self.maximumBulk).contains(count) else {
            throw ServiceError(
                .unprocessable, reason: "bulk-size", "one request must hold 1 to \(Self.maximumBulk) entries")
        }
    }
}

/// Every thing with every channel; both sorted, so that two requests lock rows in the same order.
struct ConnectionPairs: Sendable, Equatable {
    var things: [ThingID]
    var channels: [ChannelID]
}
