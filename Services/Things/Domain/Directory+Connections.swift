// SPDX-License-Identifier: Apache-2.0
import Core
import Identity
import Messaging

// Connections.
extension Directory {
    /// Connects every thing with every channel, beside what they are connected for already.
    /// - Throws: `notFound` when one of them is not of the domain; then none is connected.
    func connect(
        things: [ThingID], channels: [ChannelReference], _ directions: Directions, by actor: Actor
    ) async throws(ServiceError) {
        let pairs = try await resolve(things, channels, by: actor)
        try await store.connect(pairs, directions, in: actor.domain, events(actor))
    }

    /// Takes these directions from every pair; a pair that has none left, or had none, is not connected. No error: the end is the same.
    func disconnect(
        things: [ThingID], channels: [ChannelReference], _ directions: Directions, by actor: Actor
    ) async throws(ServiceError) {
        let pairs = try await resolve(things, channels, by: actor)
        try await store.disconnect(pairs, directions, in: actor.domain, events(actor))
    }

    private func resolve(
        _ things: [ThingID], _ channels: [ChannelReference], by actor: Actor
    ) async throws(ServiceError) -> ConnectionPairs {
        guard !things.isEmpty, !channels.isEmpty else {
            throw ServiceError(
                .malformed, reason: "missing-field", "at least one thing and one channel must be named")
        }
        let (count, overflow) = things.count.multipliedReportingOverflow(by: channels.count)
        guard !overflow, count <= Self.maximumPairs else {
            throw ServiceError(
                .unprocessable, reason: "too-many-connections",
                "one request may name at most \(Self.maximumPairs) pairs of thing and channel")
        }
        let thingIDs = Array(Set(things)).sorted()
        guard try await store.count(things: thingIDs, in: actor.domain) == thingIDs.count else {
            throw ThingsRefusal.unknownThing
        }
        try await require(.editor, on: thingIDs, by: actor)
        var channelIDs: Set<ChannelID> = []
        for reference in Set(channels) {
            channelIDs.insert(try await channel(reference, for: actor, .editor).id)
        }
        return ConnectionPairs(things: thingIDs, channels: channelIDs.sorted())
    }
}

/// Every thing with every channel; both sorted, so that two requests lock rows in the same order.
struct ConnectionPairs: Sendable, Equatable {
    var things: [ThingID]
    var channels: [ChannelID]
}
