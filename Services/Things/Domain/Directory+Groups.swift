// SPDX-License-Identifier: Apache-2.0
import Core
import Identity

// The tree.
extension Directory {
    func createGroup(_ draft: GroupDraft, by actor: Actor) async throws(ServiceError) -> Group {
        try GroupChange(name: draft.name, description: draft.description, metadata: draft.metadata).check()
        try await requireToCreate(in: [draft.parent], by: actor)
        let events = events(actor)
        let id = draft.id ?? .new()
        let group = Group(
            id: id, domain: actor.domain, path: [id], name: draft.name, description: draft.description,
            metadata: draft.metadata, createdAt: events.at, createdBy: actor.user, updatedAt: events.at, updatedBy: nil)
        return try await store.insert(group, below: draft.parent, announcing: events.group(id, .created))
    }

    func group(_ id: GroupID, for actor: Actor) async throws(ServiceError) -> Group {
        try await require(.viewer, on: id, by: actor)
        guard let group = try await store.group(id, in: actor.domain) else { throw ThingsRefusal.unknownGroup }
        return group
    }

    /// All groups that the person sees, those below one, or those above it: as far as `levels`, nearest first in a tree.
    func groups(
        _ query: ListQuery, _ range: GroupRange, for actor: Actor
    ) async throws(ServiceError) -> Listing<Group> {
        switch range.relation {
        case .all: break
        case .below(let id), .above(let id): try await require(.viewer, on: id, by: actor)
        }
        return try await store.groups(query, range, in: actor.domain, within: try await reach(of: actor))
    }

    func updateGroup(_ id: GroupID, _ change: GroupChange, by actor: Actor) async throws(ServiceError) -> Group {
        try change.check()
        try await require(.editor, on: id, by: actor)
        let events = events(actor)
        let updated = try await store.update(
            group: id, change, by: actor, at: events.at, announcing: events.group(id, .updated))
        guard let updated else { throw ThingsRefusal.unknownGroup }
        return updated
    }

    /// Puts a group, with everything below it, below another one, or (nil) beside all.
    ///
    /// Takes an editor of the group, of where it was and of where it goes; nobody gets a higher role on it by that.
    func moveGroup(_ id: GroupID, below parent: GroupID?, by actor: Actor) async throws(ServiceError) -> Group {
        let group = try await group(id, for: actor)
        try await require(.editor, on: id, by: actor)
        try await requireToCreate(in: [group.parent, parent], by: actor)
        if let parent, actor.role < .admin {
            let roles = try await store.roles(of: actor, onGroups: [id, parent])
            guard max(roles[id] ?? Role.none, actor.role) >= max(roles[parent] ?? Role.none, actor.role) else {
                throw ThingsRefusal.raisesRole
            }
        }
        let events = events(actor)
        let moved = try await store.move(
            group: id, from: group.parent, below: parent, by: actor, at: events.at,
            announcing: events.group(id, .updated))
        guard let moved else { throw ThingsRefusal.unknownGroup }
        return moved
    }

    /// Removes a group and the roles given on it. What it holds goes one level up: nothing else is lost.
    func removeGroup(_ id: GroupID, by actor: Actor) async throws(ServiceError) {
        let group = try await group(id, for: actor)
        try await require(.editor, on: id, by: actor)
        try await requireToCreate(in: [group.parent], by: actor)
        let removed = try await store.remove(
            group: id, from: group.parent, in: actor.domain, announcing: events(actor).group(id, .removed))
        guard removed else { throw ThingsRefusal.unknownGroup }
    }
}

// What is in which group.
extension Directory {
    /// Puts things and channels into a group, from wherever they were, or (nil) out of the one that they are in.
    ///
    /// Takes an editor of each of them, of the groups that they leave and of the one that they come into; nobody gets a higher role on one by that.
    /// - Parameter former: they must be in this group; nil: in whichever.
    func move(
        things: [ThingID], channels: [ChannelID], from former: GroupID? = nil, to group: GroupID?, by actor: Actor
    ) async throws(ServiceError) {
        try checkBulk(things.count + channels.count)
        let (things, channels) = (Set(things).sorted(), Set(channels).sorted())
        guard try await store.count(things: things, in: actor.domain) == things.count else {
            throw ThingsRefusal.unknownThing
        }
        guard try await store.count(channels: channels, in: actor.domain) == channels.count else {
            throw ThingsRefusal.unknownChannel
        }
        try await require(.editor, on: things, by: actor)
        try await require(.editor, on: channels, by: actor)
        var groups = try await store.groups(ofThings: things, andChannels: channels, in: actor.domain)
        if let former, groups.contains(where: { $0 != former }) || groups.isEmpty {
            throw ServiceError(.notFound, reason: "not-a-member", "not all of them are in this group")
        }
        if let group { groups.insert(group) }
        try await require(.editor, onGroups: groups.sorted(), by: actor)
        if let group, actor.role < .admin {
            let there = max(try await store.roles(of: actor, onGroups: [group])[group] ?? Role.none, actor.role)
            let onThings = try await store.roles(of: actor, onThings: things).values
            let onChannels = try await store.roles(of: actor, onChannels: channels).values
            guard (Array(onThings) + Array(onChannels)).allSatisfy({ max($0, actor.role) >= there }) else {
                throw ThingsRefusal.raisesRole
            }
        }
        let events = events(actor)
        try await store.move(things: things, channels: channels, to: group, by: actor, events)
    }
}

/// Which groups a list shows.
struct GroupRange: Sendable, Equatable {
    enum Relation: Sendable, Equatable {
        case all
        /// Without the group itself.
        case below(GroupID)
        case above(GroupID)
    }

    var relation: Relation
    /// How many levels from the top, or from the group named.
    var levels: Int
}
