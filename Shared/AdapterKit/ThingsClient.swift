// SPDX-License-Identifier: Apache-2.0
import Bus
import Core
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

    /// Which channel it is and whose, for a person's request; nil when there is none.
    public func lookUp(_ channel: ChannelAddress) async throws(ServiceError) -> ChannelLookupResponse.Channel? {
        try await bus.call(
            Subjects.lookUpChannel,
            ChannelLookupRequest(channel: channel.channel.text, domain: channel.domain?.text),
            returning: ChannelLookupResponse.self, timeout: timeout
        ).channel
    }
}
