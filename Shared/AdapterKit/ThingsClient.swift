// SPDX-License-Identifier: Apache-2.0
import Bus
import Core
import Identity
import Messaging

/// The questions that `things` answers over the bus.
public struct ThingsClient: Sendable {
    private let bus: any Bus
    private let timeout: Duration

    /// - Parameter timeout: for one question; `things` answers each with one indexed query.
    public init(bus: any Bus, timeout: Duration = .seconds(2)) {
        self.bus = bus
        self.timeout = timeout
    }

    /// Whose key it is; nil when no enabled thing has it.
    public func identify(keyHash: String) async throws(ServiceError) -> IdentifyResponse.Thing? {
        try await bus.call(
            Subjects.identifyThing, IdentifyRequest(keyHash: keyHash), returning: IdentifyResponse.self,
            timeout: timeout
        ).thing
    }

    /// Whether there is such a thing, enabled, in an enabled domain.
    public func lookUp(thing: ThingID) async throws(ServiceError) -> ThingLookupResponse.Outcome {
        try await response(about: thing).outcome
    }

    /// As ``lookUp(thing:)``, with the version of the thing's pre-shared key.
    func response(about thing: ThingID) async throws(ServiceError) -> ThingLookupResponse {
        try await bus.call(
            Subjects.lookUpThing, ThingLookupRequest(thing: thing), returning: ThingLookupResponse.self,
            timeout: timeout)
    }

    /// A part of all pre-shared keys that are good now; only for the roles that may know them.
    func preSharedKeys(after thing: ThingID?) async throws(ServiceError) -> PreSharedKeysResponse {
        try await bus.call(
            Subjects.preSharedKeys, PreSharedKeysRequest(after: thing), returning: PreSharedKeysResponse.self,
            timeout: timeout)
    }

    /// One pre-shared key; nil: it is not there, or not good now.
    func preSharedKey(_ request: PreSharedKeyLookupRequest) async throws(ServiceError) -> PreSharedKeyRecord? {
        try await bus.call(
            Subjects.lookUpPreSharedKey, request, returning: PreSharedKeyLookupResponse.self, timeout: timeout
        ).key
    }

    /// What a thing may do on a channel.
    public func authorize(
        thing: ThingID, channel: ChannelAddress
    ) async throws(ServiceError) -> AuthorizeResponse.Outcome {
        try await bus.call(
            Subjects.authorizeThing,
            AuthorizeRequest(thing: thing, channel: channel.channel.text, domain: channel.domain?.text),
            returning: AuthorizeResponse.self, timeout: timeout
        ).outcome
    }

    /// Which channel it is and whose, and whether `user` has a role there; nil when there is none.
    func lookUp(
        _ channel: ChannelAddress, for user: UserID?
    ) async throws(ServiceError) -> ChannelLookupResponse.Channel? {
        try await bus.call(
            Subjects.lookUpChannel,
            ChannelLookupRequest(channel: channel.channel.text, domain: channel.domain?.text, user: user),
            returning: ChannelLookupResponse.self, timeout: timeout
        ).channel
    }

    /// The channel that a person may read: one of the domain that the token or key acts in, with ``Identity/Action/messagesRead`` there, or with any
    /// role on the channel or on a group above it. A key reads by its scopes only: it was given no role.
    ///
    /// - Throws: `forbidden` (`no-domain`, `action-not-granted`), `notFound` (`unknown-channel`), `unavailable`.
    public func channel(
        _ channel: ChannelAddress, readableBy principal: Principal
    ) async throws(ServiceError) -> ChannelLookupResponse.Channel {
        let own = try principal.requireDomain()
        // A route means something in a domain only; without one in the path it is the token's.
        let address = ChannelAddress(channel.channel, domain: channel.domain ?? .identifier(own))
        let found: ChannelLookupResponse.Channel?
        do {
            found = try await lookUp(address, for: principal.credential == .session ? principal.user : nil)
        } catch {
            throw .unanswered(error)
        }
        guard let found, found.domain == own else { throw .unknownChannelForPerson }
        if found.isGranted != true { try principal.require(.messagesRead, on: found.id.description) }
        return found
    }
}
