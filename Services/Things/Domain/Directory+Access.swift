// SPDX-License-Identifier: Apache-2.0
import Core
import Identity
import Messaging

// Who may do what: the role in the domain, or one on the entity or a group above it, whichever is higher.
extension Directory {
    /// - Throws: `notFound` when one of the things cannot be seen (or is not there), `forbidden` when the role on one is less than `least`.
    func require(_ least: Role, on things: [ThingID], by actor: Actor) async throws(ServiceError) {
        guard actor.role < least else { return }
        let roles = try await store.roles(of: actor, onThings: things)
        try check(things, roles, least, actor, ThingsRefusal.unknownThing)
    }

    /// As for things.
    func require(_ least: Role, on channels: [ChannelID], by actor: Actor) async throws(ServiceError) {
        guard actor.role < least else { return }
        let roles = try await store.roles(of: actor, onChannels: channels)
        try check(channels, roles, least, actor, ThingsRefusal.unknownChannel)
    }

    /// As for things; also when the domain's role is enough, a group that is not there is not found.
    func require(_ least: Role, on group: GroupID, by actor: Actor) async throws(ServiceError) {
        try await require(least, onGroups: [group], by: actor)
    }

    func require(_ least: Role, onGroups groups: [GroupID], by actor: Actor) async throws(ServiceError) {
        guard !groups.isEmpty else { return }
        let roles = try await store.roles(of: actor, onGroups: groups)
        try check(groups, roles, least, actor, ThingsRefusal.unknownGroup)
    }

    /// To create something in the groups named; nil: beside all groups, which takes the role in the whole domain.
    func requireToCreate(in parents: [GroupID?], by actor: Actor) async throws(ServiceError) {
        if parents.contains(nil) { try actor.require(.editor) }
        try await require(.editor, onGroups: Set(parents.compactMap { $0 }).sorted(), by: actor)
    }

    /// What lists are narrowed to; nil: nothing, the role in the domain shows all.
    /// - Throws: `forbidden` for a person with no role at all.
    func reach(of actor: Actor) async throws(ServiceError) -> Reach? {
        guard actor.role < .viewer else { return nil }
        let reach = try await store.reach(of: actor)
        guard !reach.isEmpty else { throw ThingsRefusal.roleTooLow(.viewer, has: actor.role) }
        return reach
    }

    private func check<Kind>(
        _ identifiers: [Identifier<Kind>], _ granted: [Identifier<Kind>: Role], _ least: Role, _ actor: Actor,
        _ unknown: ServiceError
    ) throws(ServiceError) {
        for identifier in identifiers {
            guard let role = granted[identifier].map({ max($0, actor.role) }), role > .none else { throw unknown }
            guard role >= least else { throw ThingsRefusal.roleTooLow(least, has: role) }
        }
    }
}

// Roles on single things, channels and groups.
extension Directory {
    /// Gives persons a role, in place of the one that they may have there. Takes an administrator of it.
    func grant(
        _ role: Role, to users: [UserID], on subject: Subject, by actor: Actor
    ) async throws(ServiceError) {
        try check(users)
        try await requireAdmin(of: subject, by: actor)
        try await store.grant(role, to: Set(users).sorted(), on: subject, by: actor, events(actor))
    }

    /// Takes persons' roles on it. Takes an administrator of it; everybody may give up their own. No error when there is none: the end is the same.
    func revoke(from users: [UserID], on subject: Subject, by actor: Actor) async throws(ServiceError) {
        try check(users)
        if users.contains(where: { $0 != actor.user }) {
            try await requireAdmin(of: subject, by: actor)
        } else {
            try await require(.viewer, of: subject, by: actor)
        }
        try await store.revoke(from: Set(users).sorted(), on: subject, by: actor, events(actor))
    }

    /// The roles given on it, not those inherited. Takes an editor of it.
    func grants(on subject: Subject, for actor: Actor) async throws(ServiceError) -> [Grant] {
        try await require(.editor, of: subject, by: actor)
        return try await store.grants(on: subject, in: actor.domain)
    }

    private func requireAdmin(of subject: Subject, by actor: Actor) async throws(ServiceError) {
        try await require(.admin, of: subject, by: actor)
    }

    /// Also when the domain's role is enough, what is not there is not found.
    private func require(_ least: Role, of subject: Subject, by actor: Actor) async throws(ServiceError) {
        switch subject {
        case .thing(let thing):
            _ = try await self.thing(thing, for: actor)
            try await require(least, on: [thing], by: actor)
        case .channel(let channel): _ = try await self.channel(.identifier(channel), for: actor, least)
        case .group(let group): try await require(least, on: group, by: actor)
        }
    }

    private func check(_ users: [UserID]) throws(ServiceError) {
        guard (1...Grant.maximumUsers).contains(users.count) else {
            throw ServiceError(
                .unprocessable, reason: "bulk-size", "'user_ids' must hold 1 to \(Grant.maximumUsers) users")
        }
    }
}
