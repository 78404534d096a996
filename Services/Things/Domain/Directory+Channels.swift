// SPDX-License-Identifier: Apache-2.0
import Core
import Identity
import Messaging

// Channels.
extension Directory {
    func createChannels(_ drafts: [ChannelDraft], by actor: Actor) async throws(ServiceError) -> [Channel] {
        try checkBulk(drafts.count)
        try await requireToCreate(in: drafts.map(\.parent), by: actor)
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
                id: draft.id ?? .new(), domain: actor.domain, parent: draft.parent, route: draft.route,
                attributes: draft.attributes, isEnabled: true, createdAt: events.at, createdBy: actor.user,
                updatedAt: events.at, updatedBy: nil)
            guard identifiers.insert(channel.id).inserted else { throw ThingsRefusal.duplicateIdentifier }
            created.append(channel)
        }
        try await store.insert(created, announcing: created.map { events.channel($0.id, .created) })
        return created
    }

    /// - Throws: `notFound` unless the person sees it, `forbidden` when that is less than `least`.
    func channel(
        _ reference: ChannelReference, for actor: Actor, _ least: Role = .viewer
    ) async throws(ServiceError) -> Channel {
        guard let channel = try await store.channel(reference, in: actor.domain) else {
            throw ThingsRefusal.unknownChannel
        }
        try await require(least, on: [channel.id], by: actor)
        return channel
    }

    /// The identifier of a channel that the person sees; nil stays nil.
    func channelID(_ reference: ChannelReference?, for actor: Actor) async throws(ServiceError) -> ChannelID? {
        guard let reference else { return nil }
        return try await channel(reference, for: actor).id
    }

    func channels(
        _ query: ListQuery, of thing: ThingID?, for actor: Actor
    ) async throws(ServiceError) -> Listing<Channel> {
        if let thing { _ = try await self.thing(thing, for: actor) }
        return try await store.channels(query, of: thing, in: actor.domain, within: try await reach(of: actor))
    }

    func channels(
        _ query: ListQuery, in membership: Membership, for actor: Actor
    ) async throws(ServiceError) -> Listing<Channel> {
        try await require(.viewer, on: membership.group, by: actor)
        return try await store.channels(query, in: membership, of: actor.domain)
    }

    func updateChannel(
        _ reference: ChannelReference, _ change: AttributesChange, route: RouteChange, by actor: Actor
    ) async throws(ServiceError) -> Channel {
        try change.check()
        if case .set(let route) = route { try ChannelDraft.checkRoute(route) }
        let id = try await channel(reference, for: actor, .editor).id
        let events = events(actor)
        let updated = try await store.update(
            channel: id, change, route: route, by: actor, at: events.at, announcing: events.channel(id, .updated))
        guard let updated else { throw ThingsRefusal.unknownChannel }
        return updated
    }

    func setChannel(
        _ reference: ChannelReference, enabled: Bool, by actor: Actor
    ) async throws(ServiceError) -> Channel {
        let id = try await channel(reference, for: actor, .editor).id
        let events = events(actor)
        let updated = try await store.setEnabled(
            channel: id, enabled, by: actor, at: events.at,
            announcing: events.channel(id, enabled ? .enabled : .disabled))
        guard let updated else { throw ThingsRefusal.unknownChannel }
        return updated
    }

    func removeChannel(_ reference: ChannelReference, by actor: Actor) async throws(ServiceError) {
        let id = try await channel(reference, for: actor, .editor).id
        let removed = try await store.remove(
            channel: id, in: actor.domain, announcing: events(actor).channel(id, .removed))
        guard removed else { throw ThingsRefusal.unknownChannel }
    }
}
