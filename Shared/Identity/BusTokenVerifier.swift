// SPDX-License-Identifier: Apache-2.0
import Bus
import Core
import Foundation
import Logging
import Messaging
import NIOCore
import Synchronization

/// Verifies access tokens and keys in any service: keys and revocations come from `users` over the bus, decisions from memory.
///
/// A revocation is heard as an event and ends the token at once. Whenever the connection to the bus comes (back), keys and revocations are fetched anew, because events
/// of the time between are lost. While the bus is away what is known goes on working (DESIGN section 7); before the first fetch nothing is let in.
public final class BusTokenVerifier: AccessTokenVerifier {
    /// A token with an unknown key makes us ask again, but not more often than this: the header is anybody's to write.
    static let refetchInterval: Duration = .seconds(5)
    /// Between attempts to fetch what is missing.
    static let fetchTimeout: Duration = .seconds(2)

    private let bus: any Bus
    private let clock: WallClock
    private let logger: Logger
    private let revocations = RevocationList()
    private let knownKeys = KeyCache()
    private let validator = Mutex<AccessTokenValidator?>(nil)
    private let lastKeyFetch = Mutex<ContinuousClock.Instant?>(nil)

    public init(bus: any Bus, clock: WallClock = .system, logger: Logger) {
        self.bus = bus
        self.clock = clock
        self.logger = logger
    }

    public func verify(_ token: String) async throws(ServiceError) -> Principal {
        if KeyToken.isKey(token) { return try await identify(token) }
        var known = validator.withLock { $0 }
        if known == nil {
            known = try await fetchKeys()
        }
        guard let known else { throw Self.unavailable }
        let principal: Principal?
        do {
            principal = try await judge(token, by: known)
        } catch .unknownKey {
            // Perhaps the key is newer than our set.
            guard let newer = try await fetchKeys() else { throw ServiceError(fault: .unknownKey) }
            do {
                principal = try await judge(token, by: newer)
            } catch {
                throw ServiceError(fault: error)
            }
        } catch {
            throw ServiceError(fault: error)
        }
        guard let principal else { throw Self.unavailable }
        return principal
    }

    /// Asks `users` for a key that is not known from lately.
    private func identify(_ token: String) async throws(ServiceError) -> Principal {
        guard KeyToken.isWellFormed(token) else { throw .invalidKey }
        let hash = SecretKey.hash(token)
        let now = clock.now()
        let key: KeyIdentification.Key?
        if let found = knownKeys.find(hash, now: now) {
            key = found.key
        } else {
            let generation = knownKeys.generation
            do {
                key = try await bus.call(
                    Subjects.identifyKey, KeyIdentification.Request(keyHash: hash),
                    returning: KeyIdentification.Response.self, timeout: Self.fetchTimeout
                ).key
            } catch {
                logger.debug("a key could not be identified", metadata: ["reason": "\(error.reason)"])
                throw Self.unavailable
            }
            knownKeys.insert(key, for: hash, generation: generation, now: now)
        }
        guard let key, key.expiresAt.map({ $0 > now }) ?? true else { throw .invalidKey }
        return key.principal
    }

    /// Keeps keys and revocations fresh until the task is cancelled.
    public func run() async throws {
        let connections = bus.connectionEvents()
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await self.listen() }
            group.addTask {
                // The first time without waiting for an event: the connection may have been there already.
                await self.refresh()
                for await event in connections where event == .connected {
                    await self.refresh()
                }
            }
            try await group.waitForAll()
        }
    }

    /// True once tokens can be judged.
    public var isReady: Bool { validator.withLock { $0 != nil } }

    /// - Returns: nil when it cannot be decided, because nobody could say which sessions are revoked.
    private func judge(
        _ token: String, by validator: AccessTokenValidator
    ) async throws(AccessTokenFault) -> Principal? {
        let claims = try await validator.validate(token, now: clock.now())
        var isRevoked = revocations.isRevoked(claims)
        if isRevoked == nil, await fetchRevocations() {
            isRevoked = revocations.isRevoked(claims)
        }
        guard let isRevoked else { return nil }
        guard !isRevoked else { throw .revoked }
        return claims.principal
    }

    private func listen() async throws {
        var backOff = BackOff()
        while !Task.isCancelled {
            do {
                let subscription = try await bus.subscribe(Subjects.usersEvents, queueGroup: nil)
                // What was announced before the subscription was in force.
                await refresh()
                backOff.reset()
                for try await batch in subscription.batches {
                    for message in batch { take(message) }
                }
                return
            } catch BusError.closed {
                return
            } catch {
                logger.warning("subscription to users' events ended", metadata: ["error": "\(error)"])
                try await Task.sleep(for: backOff.next())
            }
        }
    }

    private func take(_ message: BusMessage) {
        guard let event = try? JSONDecoder().decode(EntityEvent.self, from: Data(message.payload.readableBytesView))
        else {
            logger.warning("an event of users cannot be read", metadata: ["subject": "\(message.subject)"])
            return
        }
        knownKeys.take(event)
        let second = clock.now() / 1_000_000_000
        switch (event.entity, event.what) {
        case ("session", "revoked"):
            guard let session = event.session else { return }
            revocations.add(session: session, until: second + AccessTokenClaims.maximumLifetimeSeconds)
        case ("user", "disabled"), ("user", "removed"):
            guard let user = event.user else { return }
            revocations.add(user: user, at: event.at / 1_000_000_000)
        default: break
        }
    }

    /// Fetches both, again and again until it worked or the task is cancelled.
    private func refresh() async {
        // What was announced while nobody listened is not known.
        knownKeys.clear()
        var backOff = BackOff()
        while !Task.isCancelled {
            async let keys = fetchKeysNow()
            async let revocations = fetchRevocations()
            let (hasKeys, hasRevocations) = await (keys != nil, revocations)
            if hasKeys, hasRevocations { return }
            try? await Task.sleep(for: backOff.next())
        }
    }

    /// Fetches unless that was done a moment ago.
    /// - Returns: nil when it was.
    private func fetchKeys() async throws(ServiceError) -> AccessTokenValidator? {
        let mayFetch = lastKeyFetch.withLock { last in
            let now = ContinuousClock.now
            if let last, now - last < Self.refetchInterval { return false }
            last = now
            return true
        }
        guard mayFetch else { return validator.withLock { $0 } }
        guard let fetched = await fetchKeysNow() else {
            // So that the next request tries again instead of being told that the key is unknown.
            lastKeyFetch.withLock { $0 = nil }
            throw Self.unavailable
        }
        return fetched
    }

    private func fetchKeysNow() async -> AccessTokenValidator? {
        do {
            let set = try await bus.call(Subjects.tokenKeys, returning: PublicKeySet.self, timeout: Self.fetchTimeout)
            let fetched = await AccessTokenValidator(set)
            validator.withLock { $0 = fetched }
            return fetched
        } catch {
            logger.debug("token keys could not be fetched", metadata: ["reason": "\(error.reason)"])
            return nil
        }
    }

    private func fetchRevocations() async -> Bool {
        do {
            let list = try await bus.call(
                Subjects.revokedSessions, returning: RevokedSessions.self, timeout: Self.fetchTimeout)
            revocations.merge(list, now: clock.now() / 1_000_000_000)
            return true
        } catch {
            logger.debug("revoked sessions could not be fetched", metadata: ["reason": "\(error.reason)"])
            return false
        }
    }

    private static let unavailable = ServiceError(
        .unavailable, reason: "identity-unavailable", "tokens cannot be verified now", retryAfterSeconds: 2)
}
