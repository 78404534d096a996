// SPDX-License-Identifier: Apache-2.0
import Core
import Identity
import Messaging

// Things.
extension Directory {
    /// - Throws: `unprocessable`, or `conflict` for an identifier or key that exists; then none is created.
    func createThings(_ drafts: [ThingDraft], by actor: Actor) async throws(ServiceError) -> [ThingWithKey] {
        try checkBulk(drafts.count)
        try await requireToCreate(in: drafts.map(\.parent), by: actor)
        let events = events(actor)
        var created: [ThingWithKey] = []
        var hashes: Set<[UInt8]> = []
        var identifiers: Set<ThingID> = []
        for draft in drafts {
            try draft.attributes.check()
            if let key = draft.key { try DeviceKey.check(key) }
            let thing = Thing(
                id: draft.id ?? .new(), domain: actor.domain, parent: draft.parent, attributes: draft.attributes,
                isEnabled: true,
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

    func thing(_ id: ThingID, for actor: Actor) async throws(ServiceError) -> Thing {
        guard let thing = try await store.thing(id, in: actor.domain) else { throw ThingsRefusal.unknownThing }
        try await require(.viewer, on: [id], by: actor)
        return thing
    }

    func things(
        _ query: ListQuery, on channel: ChannelReference?, for actor: Actor
    ) async throws(ServiceError) -> Listing<Thing> {
        let channel = try await channelID(channel, for: actor)
        return try await store.things(query, on: channel, in: actor.domain, within: try await reach(of: actor))
    }

    func things(
        _ query: ListQuery, in membership: Membership, for actor: Actor
    ) async throws(ServiceError) -> Listing<Thing> {
        try await require(.viewer, on: membership.group, by: actor)
        return try await store.things(query, in: membership, of: actor.domain)
    }

    func updateThing(
        _ id: ThingID, _ change: AttributesChange, by actor: Actor
    ) async throws(ServiceError) -> Thing {
        try change.check()
        try await require(.editor, on: [id], by: actor)
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
        try await require(.editor, on: [id], by: actor)
        let key = key ?? DeviceKey.new()
        let events = events(actor)
        let updated = try await store.replaceKey(
            of: id, hash: DeviceKey.hash(key), by: actor, at: events.at, announcing: events.thing(id, .keyRotated))
        guard let updated else { throw ThingsRefusal.unknownThing }
        return ThingWithKey(thing: updated, key: key)
    }

    func setThing(_ id: ThingID, enabled: Bool, by actor: Actor) async throws(ServiceError) -> Thing {
        try await require(.editor, on: [id], by: actor)
        let events = events(actor)
        let updated = try await store.setEnabled(
            thing: id, enabled, by: actor, at: events.at,
            announcing: events.thing(id, enabled ? .enabled : .disabled))
        guard let updated else { throw ThingsRefusal.unknownThing }
        return updated
    }

    func removeThing(_ id: ThingID, by actor: Actor) async throws(ServiceError) {
        try await require(.editor, on: [id], by: actor)
        let removed = try await store.remove(
            thing: id, in: actor.domain, announcing: events(actor).thing(id, .removed))
        guard removed else { throw ThingsRefusal.unknownThing }
    }
}
