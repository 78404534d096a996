// SPDX-License-Identifier: Apache-2.0
import Core
import Messaging

/// Pre-shared keys as operators see them. As for ``ThingsStore``: a change and its event are one transaction, and all throw `unavailable` while the database is
/// away.
protocol PreSharedKeysStore: Sendable {
    func preSharedKey(of thing: ThingID, in domain: DomainID) async throws(ServiceError) -> DevicePreSharedKey?
    /// - Parameter identity: nil: the one that is there, or else the thing's identifier.
    /// - Returns: nil: there is no such thing in the actor's domain.
    /// - Throws: `conflict` for an identity of another thing.
    func put(
        preSharedKey sealed: SecretKeyRing.Sealed, identity: String?, of thing: ThingID, by actor: Actor,
        at time: Int64, announcing event: EntityEvent
    ) async throws(ServiceError) -> DevicePreSharedKey?
    /// - Returns: whether there was one.
    func removePreSharedKey(
        of thing: ThingID, by actor: Actor, at time: Int64, announcing event: EntityEvent
    ) async throws(ServiceError) -> Bool
}

/// A pre-shared key with its secret, encrypted.
struct SealedPreSharedKey: Sendable, Equatable {
    var thing: ThingID
    var domain: DomainID
    var identity: String
    var sealed: SecretKeyRing.Sealed
    var version: Int64
}

/// Pre-shared keys as adapters ask for them, of all domains.
protocol SealedKeysStore: Sendable {
    /// Those of enabled things in enabled domains, in the order of the things' identifiers.
    func sealedKeys(after thing: ThingID?, limit: Int) async throws(ServiceError) -> [SealedPreSharedKey]
    /// nil also when the thing, or its domain, is disabled.
    func sealedKey(of thing: ThingID) async throws(ServiceError) -> SealedPreSharedKey?
    func sealedKey(identity: String) async throws(ServiceError) -> SealedPreSharedKey?
    /// All whose secret another key encrypted, in order.
    func keys(
        notSealedBy keyID: [UInt8], after thing: ThingID?, limit: Int
    ) async throws(ServiceError) -> [SealedPreSharedKey]
    /// Replaces the ciphertext, unless the pre-shared key was changed meanwhile. No change of the pre-shared key itself: nothing is announced.
    func reseal(_ key: SealedPreSharedKey, as sealed: SecretKeyRing.Sealed) async throws(ServiceError)
}
