// SPDX-License-Identifier: Apache-2.0
import Core
import Identity

// Pre-shared keys. As for the key: whoever may rotate that one may do all of this.
extension Directory {
    /// - Throws: `notFound` with the reason `unknown-psk` for a thing without one.
    func preSharedKey(of thing: ThingID, for actor: Actor) async throws(ServiceError) -> DevicePreSharedKey {
        _ = try await self.thing(thing, for: actor)
        try await require(.editor, on: [thing], by: actor)
        guard let key = try await store.preSharedKey(of: thing, in: actor.domain) else {
            throw ThingsRefusal.unknownPreSharedKey
        }
        return key
    }

    /// Makes the thing's pre-shared key or replaces it. Handshakes succeed with the new one, and sessions of the one before end, within milliseconds.
    ///
    /// - Throws: `conflict` for an identity that another thing has, `unavailable` without a key to encrypt it with.
    func setPreSharedKey(
        of thing: ThingID, _ draft: PreSharedKeyDraft, by actor: Actor
    ) async throws(ServiceError) -> PreSharedKeyWithSecret {
        if let identity = draft.identity { try DevicePreSharedKey.check(identity: identity, of: thing) }
        if let secret = draft.secret { try DevicePreSharedKey.check(secret: secret) }
        try await require(.editor, on: [thing], by: actor)
        guard let secrets else { throw ThingsRefusal.noSecretsKey }
        let secret = draft.secret ?? DevicePreSharedKey.newSecret()
        let events = events(actor)
        let key = try await store.put(
            preSharedKey: try secrets.seal(secret, of: thing), identity: draft.identity, of: thing, by: actor,
            at: events.at, announcing: events.thing(thing, .preSharedKeyChanged))
        guard let key else { throw ThingsRefusal.unknownThing }
        return PreSharedKeyWithSecret(key: key, secret: secret)
    }

    /// - Throws: `notFound` with the reason `unknown-psk` for a thing without one.
    func removePreSharedKey(of thing: ThingID, by actor: Actor) async throws(ServiceError) {
        _ = try await self.thing(thing, for: actor)
        try await require(.editor, on: [thing], by: actor)
        let events = events(actor)
        let isRemoved = try await store.removePreSharedKey(
            of: thing, by: actor, at: events.at, announcing: events.thing(thing, .preSharedKeyRemoved))
        guard isRemoved else { throw ThingsRefusal.unknownPreSharedKey }
    }
}
