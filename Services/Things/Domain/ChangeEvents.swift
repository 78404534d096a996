// SPDX-License-Identifier: Apache-2.0
import Core
import Messaging

/// The events that this service announces; which adapters do what with them stands at `RightsChange` in AdapterKit.
struct ChangeEvents: Sendable {
    enum What: String, Sendable {
        case created
        case updated
        case removed
        case enabled
        case disabled
        case keyRotated = "key-rotated"
        case preSharedKeyChanged = "psk-changed"
        case preSharedKeyRemoved = "psk-removed"
    }

    let actor: Actor
    /// Nanoseconds since 1970.
    let at: Int64

    func thing(_ thing: ThingID, _ what: What) -> EntityEvent {
        event("thing", what, thing: thing)
    }

    func channel(_ channel: ChannelID, _ what: What) -> EntityEvent {
        event("channel", what, channel: channel)
    }

    func connection(_ thing: ThingID, _ channel: ChannelID, _ what: What) -> EntityEvent {
        event("connection", what, thing: thing, channel: channel)
    }

    func group(_ group: GroupID, _ what: What) -> EntityEvent {
        event("group", what, group: group)
    }

    /// A role of `user` on something was given, changed or taken.
    func grant(_ user: UserID, on subject: Subject, _ what: What) -> EntityEvent {
        switch subject {
        case .thing(let thing): event("grant", what, thing: thing, user: user)
        case .channel(let channel): event("grant", what, channel: channel, user: user)
        case .group(let group): event("grant", what, group: group, user: user)
        }
    }

    /// The things of the actor's domain may do something again, or nothing any more.
    func domain(_ what: What) -> EntityEvent { event("domain", what) }

    private func event(
        _ entity: String, _ what: What, thing: ThingID? = nil, channel: ChannelID? = nil, group: GroupID? = nil,
        user: UserID? = nil
    ) -> EntityEvent {
        EntityEvent(
            id: .new(), at: at, service: "things", entity: entity, what: what.rawValue, domain: actor.domain,
            actor: actor.user, thing: thing, channel: channel, group: group, user: user)
    }
}
