// SPDX-License-Identifier: Apache-2.0
import Bus
import Core
import Foundation
import Logging
import Messaging
import NIOCore

extension ThingAuthenticator {
    /// Hears of changes until cancelled. Nothing is remembered while this is not running.
    public func run() async {
        await withDiscardingTaskGroup { group in
            group.addTask { await self.hearChanges() }
            group.addTask { await self.watchConnection() }
            group.addTask { await self.recheckSessions() }
        }
        cache.empty(isListening: false)
    }

    /// Calls `onEnd` once when the right that `grant` stands for is gone: at once for a disabled or removed thing or channel and a removed
    /// connection; otherwise (a rotated key, a changed connection, a reconnect to the bus) after `things` was asked.
    ///
    /// - Parameters:
    ///   - reference: how the client named the channel, as in the request.
    ///   - onEnd: called on any thread; must not block.
    public func watch(
        _ grant: Grant, credential: Credential, reference: ChannelAddress,
        onEnd: @escaping @Sendable (ServiceError) -> Void
    ) -> LiveSession {
        watch(
            LiveSessions.Session(
                proof: question(credential), thing: grant.thing, channel: channel(grant, reference), onEnd: onEnd),
            epoch: grant.epoch)
    }

    /// As ``watch(_:credential:reference:onEnd:)`` for a right of a thing whose key is watched, or is not needed, elsewhere: a subscription of an MQTT
    /// session, which outlives connections.
    public func watch(
        _ grant: Grant, reference: ChannelAddress, onEnd: @escaping @Sendable (ServiceError) -> Void
    ) -> LiveSession {
        watch(
            LiveSessions.Session(
                proof: nil, thing: grant.thing, channel: channel(grant, reference), onEnd: onEnd),
            epoch: grant.epoch)
    }

    /// As ``watch(_:credential:reference:onEnd:)`` for a connection as such: ends with the thing or its key.
    public func watch(
        _ identity: ThingIdentity, credential: Credential, onEnd: @escaping @Sendable (ServiceError) -> Void
    ) -> LiveSession {
        watch(
            LiveSessions.Session(proof: question(credential), thing: identity.thing, onEnd: onEnd),
            epoch: identity.epoch)
    }

    /// As ``watch(_:credential:onEnd:)`` for a thing that has shown who it is without a key: ends with the thing, or while its domain is disabled.
    public func watch(
        certified identity: ThingIdentity, onEnd: @escaping @Sendable (ServiceError) -> Void
    ) -> LiveSession {
        watch(
            LiveSessions.Session(proof: question(identity.thing), thing: identity.thing, onEnd: onEnd),
            epoch: identity.epoch)
    }

    /// As ``watch(_:credential:onEnd:)`` for a thing that has shown who it is by a pre-shared key: ends with the thing, while its domain is disabled, and
    /// when that version of the key is replaced or removed.
    ///
    /// - Parameter identity: of ``identify(preShared:completion:)``; ``ThingIdentity/init(remembered:domain:)`` has it asked about at once.
    public func watch(
        preShared key: PreSharedKey, identity: ThingIdentity, onEnd: @escaping @Sendable (ServiceError) -> Void
    ) -> LiveSession {
        watch(
            LiveSessions.Session(proof: question(key), thing: identity.thing, channel: nil, onEnd: onEnd),
            epoch: identity.epoch)
    }

    private func watch(_ session: LiveSessions.Session, epoch: UInt64) -> LiveSession {
        let live = sessions.insert(session)
        // A change that came before the session was in the table was not applied to it.
        if !cache.isCurrent(thing: session.thing, channel: session.channel?.id, since: epoch) {
            sessions.markDue(session)
        }
        return live
    }

    private func channel(_ grant: Grant, _ reference: ChannelAddress) -> LiveSessions.Session.Channel {
        LiveSessions.Session.Channel(id: grant.channel, reference: reference, right: grant.right)
    }

    private func hearChanges() async {
        var backOff = BackOff()
        while !Task.isCancelled {
            do {
                let subscription = try await bus.subscribe(Subjects.thingsEvents, queueGroup: nil)
                backOff.reset()
                // What changed while nothing was heard is not known.
                forgetEverything(isListening: true)
                logger.debug("hearing changes of things")
                for try await batch in subscription.batches {
                    for message in batch { apply(message) }
                }
                await subscription.cancel()
            } catch {
                logger.warning("changes of things are not heard", metadata: ["error": "\(error)"])
            }
            forgetEverything(isListening: false)
            try? await Task.sleep(for: backOff.next())
        }
    }

    private func watchConnection() async {
        for await event in bus.connectionEvents() where event == .connected {
            forgetEverything(isListening: nil)
        }
    }

    private func forgetEverything(isListening: Bool?) {
        cache.empty(isListening: isListening)
        sessions.apply(.everything)
    }

    private func apply(_ message: BusMessage) {
        let event = try? JSONDecoder().decode(EntityEvent.self, from: Data(message.payload.readableBytesView))
        if let event, RightsChange.concernsPeople(event) { return }
        // An event that cannot be read may mean anything.
        let change = event.map(RightsChange.init(event:)) ?? .everything
        cache.apply(change)
        sessions.apply(change)
    }
}

// Live sessions that are asked about again.
extension ThingAuthenticator {
    /// Sessions that are asked about at the same time: a reconnect to the bus asks about all of them.
    private static let recheckedAtOnce = 64

    private func recheckSessions() async {
        for await _ in sessions.wakes {
            while !Task.isCancelled {
                let due = sessions.takeDue(limit: Self.recheckedAtOnce)
                if due.isEmpty { break }
                let isAway = await withTaskGroup(of: Bool.self) { group in
                    for session in due { group.addTask { await self.recheck(session) } }
                    return await group.contains(false)
                }
                // With `things` away, what is connected stays so, and is asked about until there is an answer.
                if isAway { try? await Task.sleep(for: .milliseconds(Int.random(in: 100...500))) }
            }
        }
    }

    /// - Returns: false when there was no answer; the session is due again.
    private func recheck(_ session: LiveSessions.Session) async -> Bool {
        do throws(ServiceError) {
            if let proof = session.proof {
                let identity = try await withCallback { self.askWho(proof, completion: $0) }
                guard identity.thing == session.thing else { throw .unknownKey }
            }
            if let channel = session.channel {
                let key = RightKey(thing: session.thing, channel: channel.reference)
                let right = try await withCallback { self.askRight(key, completion: $0) }
                guard right.channel == channel.id else { throw .unknownChannel }
                guard right.allows(channel.right) else { throw .notAllowed(channel.right) }
            }
            return true
        } catch {
            switch error.kind {
            case .unauthenticated, .forbidden, .notFound:
                sessions.end(session, because: error)
                return true
            case .unavailable, .tooManyRequests, .internalFailure, .malformed, .conflict, .payloadTooLarge,
                .unsupportedMediaType, .unprocessable:
                sessions.markDue(session)
                return false
            }
        }
    }

    private func withCallback<Value: Sendable>(
        _ start: (@escaping @Sendable (Result<Value, ServiceError>) -> Void) -> Void
    ) async throws(ServiceError) -> Value {
        let result = await withCheckedContinuation { continuation in
            start { continuation.resume(returning: $0) }
        }
        return try result.get()
    }
}
