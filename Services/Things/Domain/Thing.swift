// SPDX-License-Identifier: Apache-2.0
import Core

/// A device, or a gateway that speaks for many sensors.
struct Thing: Sendable, Equatable {
    let id: ThingID
    let domain: DomainID
    /// The group that it is in.
    var parent: GroupID?
    var attributes: Attributes
    var isEnabled: Bool
    /// Nanoseconds since 1970, like ``updatedAt``.
    let createdAt: Int64
    let createdBy: UserID?
    var updatedAt: Int64
    var updatedBy: UserID?
}

/// What a client says of a thing that is to be created. Everything else (domain, owner, times, status) is the service's to say.
struct ThingDraft: Sendable, Equatable {
    /// A canonical UUID of the client's own (the first Mainflux dialect); nil: a new one.
    var id: ThingID?
    /// The client's own key; nil: a new one of 256 random bits.
    var key: String?
    var parent: GroupID?
    var attributes: Attributes
}

/// A thing just created, or one whose key was just rotated, with the key that is shown this once.
struct ThingWithKey: Sendable {
    var thing: Thing
    var key: String
}
