// SPDX-License-Identifier: Apache-2.0
import Bus
import Core
import Logging
import Messaging

/// Decides what a thing may do: from memory where it can, by asking `things` where it must.
///
/// An adapter calls ``decide(_:)`` on its event loop for every message; only on ``AccessDecision/ask`` does it call
/// ``ask(_:completion:)``. ``run()`` must be running: it hears of changes, takes back what they touch within milliseconds, and ends
/// the sessions that were registered with ``watch(_:credential:reference:onEnd:)`` when their right is gone.
///
/// With `things` away, what is remembered goes on working and everything else is refused as `unavailable`
/// (`things-unavailable`, retry after 1 s).
public final class ThingAuthenticator: Sendable {
    public struct Configuration: Sendable {
        /// Keys and rights that are remembered; the least recently used go first. About 400 bytes each.
        public var maximumEntries = 200_000
        /// After this long a right is asked for anew in the background: a safety net, as changes are announced.
        public var freshness: Duration = .seconds(60)
        /// How long a refusal is remembered, to blunt guessing.
        public var refusalMemory: Duration = .seconds(2)
        /// How long `things` may take to answer.
        public var timeout: Duration = .seconds(2)
        /// Questions under way and requests that wait for them; more are refused.
        public var maximumQuestions = 1_024
        public var maximumWaiters = 16_384

        public init() {}
    }

    let cache: RightsCache
    let sessions = LiveSessions()
    let things: ThingsClient
    let bus: any Bus
    let logger: Logger
    private let fingerprinter = KeyFingerprinter()
    private let identities: Coalescer<KeyFingerprint, Result<ThingIdentity, ServiceError>>
    private let rights: Coalescer<RightKey, Result<KnownRight, ServiceError>>

    public convenience init(bus: any Bus, configuration: Configuration = Configuration(), logger: Logger) {
        self.init(bus: bus, configuration: configuration, logger: logger, clock: .monotonic)
    }

    init(bus: any Bus, configuration: Configuration, logger: Logger, clock: WallClock) {
        self.bus = bus
        self.logger = logger
        things = ThingsClient(bus: bus, timeout: configuration.timeout)
        cache = RightsCache(
            configuration: RightsCache.Configuration(
                maximumEntries: configuration.maximumEntries, freshness: configuration.freshness,
                refusalMemory: configuration.refusalMemory),
            clock: clock)
        identities = Coalescer(
            maximumKeys: configuration.maximumQuestions, maximumWaiters: configuration.maximumWaiters)
        rights = Coalescer(maximumKeys: configuration.maximumQuestions, maximumWaiters: configuration.maximumWaiters)
    }

    /// Answers from memory, at once, on any thread.
    public func decide(_ request: AccessRequest) -> AccessDecision {
        guard request.credential.key.utf8.count <= Credential.maximumKeyBytes else { return .refused(.unknownKey) }
        let lookup = cache.decide(key: fingerprinter.fingerprint(request.credential.key), request: request)
        if lookup.refreshes { refresh(request) }
        return lookup.decision
    }

    /// Asks `things` and remembers the answer; those who ask the same at the same time share one question.
    ///
    /// - Parameter completion: called once, maybe before this returns, on any thread.
    public func ask(
        _ request: AccessRequest, completion: @escaping @Sendable (Result<Grant, ServiceError>) -> Void
    ) {
        let channel = request.channel
        let right = request.right
        identify(request.credential) { [self] result in
            switch result {
            case .failure(let error): completion(.failure(error))
            case .success(let identity):
                askRight(RightKey(thing: identity.thing, channel: channel)) { [self] result in
                    completion(result.flatMap { grant(identity.thing, right: right, known: $0) })
                }
            }
        }
    }

    /// ``decide(_:)`` and, where memory does not know, ``ask(_:completion:)``.
    public func authorize(_ request: AccessRequest) async throws(ServiceError) -> Grant {
        switch decide(request) {
        case .allowed(let grant): return grant
        case .refused(let error): throw error
        case .ask:
            let result = await withCheckedContinuation { continuation in
                ask(request) { continuation.resume(returning: $0) }
            }
            return try result.get()
        }
    }

    /// Finds out whose key it is, without any channel: MQTT's CONNECT.
    ///
    /// - Parameter completion: called once, maybe before this returns, on any thread.
    public func identify(
        _ credential: Credential, completion: @escaping @Sendable (Result<ThingIdentity, ServiceError>) -> Void
    ) {
        guard credential.key.utf8.count <= Credential.maximumKeyBytes else {
            return completion(.failure(.unknownKey))
        }
        let claimed = credential.claimedThing
        let checked: @Sendable (Result<ThingIdentity, ServiceError>) -> Void = { result in
            if let claimed, case .success(let identity) = result, identity.thing != claimed {
                completion(.failure(.keyOfAnotherThing))
            } else {
                completion(result)
            }
        }
        let fingerprint = fingerprinter.fingerprint(credential.key)
        let epoch = cache.epoch
        if let known = cache.thing(for: fingerprint) {
            return checked(.success(ThingIdentity(thing: known.thing, domain: known.domain, epoch: epoch)))
        }
        askWho(.key(fingerprint, KeyHash(of: credential.key)), completion: checked)
    }

    /// Finds out whether a thing that has shown who it is without a key, by its certificate, is there and enabled, and whose it is.
    ///
    /// - Parameter completion: called once, maybe before this returns, on any thread.
    public func identify(
        _ thing: ThingID, completion: @escaping @Sendable (Result<ThingIdentity, ServiceError>) -> Void
    ) {
        let fingerprint = fingerprinter.fingerprint(thing)
        let epoch = cache.epoch
        if let known = cache.thing(for: fingerprint) {
            return completion(.success(ThingIdentity(thing: known.thing, domain: known.domain, epoch: epoch)))
        }
        askWho(.thing(fingerprint, thing), completion: completion)
    }

    /// Finds out whether a thing that has shown who it is by a pre-shared key is there and enabled, and whether that key is its key still: the handshake
    /// took it from memory (``PreSharedKeyDirectory``), and may have begun before a change.
    ///
    /// - Parameter completion: called once, maybe before this returns, on any thread. Refuses as `unauthenticated` with the reason `unknown-psk`, or as
    ///   `forbidden` with `domain-disabled`.
    public func identify(
        preShared key: PreSharedKey, completion: @escaping @Sendable (Result<ThingIdentity, ServiceError>) -> Void
    ) {
        let question = question(key)
        let epoch = cache.epoch
        if let known = cache.thing(for: question.fingerprint) {
            return completion(.success(ThingIdentity(thing: known.thing, domain: known.domain, epoch: epoch)))
        }
        askWho(question, completion: completion)
    }

    /// As ``decide(_:)`` for a thing that showed who it is when it connected.
    public func decide(
        _ thing: ThingIdentity, on channel: ChannelAddress, right: AccessRight
    ) -> AccessDecision {
        let key = RightKey(thing: thing.thing, channel: channel)
        let lookup = cache.decide(key, right: right)
        if lookup.refreshes { askRight(key) { _ in } }
        return lookup.decision
    }

    /// As ``ask(_:completion:)`` for a thing that showed who it is when it connected.
    public func ask(
        _ thing: ThingIdentity, on channel: ChannelAddress, right: AccessRight,
        completion: @escaping @Sendable (Result<Grant, ServiceError>) -> Void
    ) {
        askRight(RightKey(thing: thing.thing, channel: channel)) { [self] result in
            completion(result.flatMap { grant(thing.thing, right: right, known: $0) })
        }
    }

    /// Requests that wait for `things` now.
    var waiters: Int { identities.waiters + rights.waiters }

    func question(_ credential: Credential) -> IdentityQuestion {
        .key(fingerprinter.fingerprint(credential.key), KeyHash(of: credential.key))
    }

    func question(_ thing: ThingID) -> IdentityQuestion { .thing(fingerprinter.fingerprint(thing), thing) }

    func question(_ key: PreSharedKey) -> IdentityQuestion {
        .preSharedKey(
            fingerprinter.fingerprint(key.thing, preSharedKey: key.version), key.thing, version: key.version)
    }

    private func grant(
        _ thing: ThingID, right: AccessRight, known: KnownRight
    ) -> Result<Grant, ServiceError> {
        guard known.allows(right) else { return .failure(.notAllowed(right)) }
        return .success(
            Grant(thing: thing, domain: known.domain, channel: known.channel, right: right, epoch: known.epoch))
    }

    /// Asks anew for what memory still answers; the answer goes to memory only.
    private func refresh(_ request: AccessRequest) {
        let credential = request.credential
        let channel = request.channel
        askWho(question(credential)) { [self] result in
            guard case .success(let identity) = result else { return }
            askRight(RightKey(thing: identity.thing, channel: channel)) { _ in }
        }
    }
}

// Questions to `things`, each asked once however many wait for it.
extension ThingAuthenticator {
    /// How often a question is put again because a change came while it was answered; beyond that the answer is used and not remembered.
    private static let maximumAttempts = 3

    func askWho(
        _ question: IdentityQuestion, completion: @escaping @Sendable (Result<ThingIdentity, ServiceError>) -> Void
    ) {
        let key = question.fingerprint
        switch identities.join(key, completion) {
        case .full: completion(.failure(.tooManyQuestions))
        case .joined: break
        case .first:
            // One task for a question that memory cannot answer, never for a message; the coalescer bounds how many.
            Task { identities.complete(key, with: await who(question)) }
        }
    }

    func askRight(_ key: RightKey, completion: @escaping @Sendable (Result<KnownRight, ServiceError>) -> Void) {
        switch rights.join(key, completion) {
        case .full: completion(.failure(.tooManyQuestions))
        case .joined: break
        case .first:
            // As above.
            Task { rights.complete(key, with: await right(key)) }
        }
    }

    private func who(_ question: IdentityQuestion) async -> Result<ThingIdentity, ServiceError> {
        let key = question.fingerprint
        for attempt in 1... {
            let epoch = cache.epoch
            let answer: Result<IdentifyResponse.Thing, ServiceError>
            do throws(ServiceError) {
                answer = try await self.answer(to: question)
            } catch {
                return .failure(.unanswered(error))
            }
            switch answer {
            case .failure(let error):
                cache.rememberUnknown(key, asked: epoch)
                return .failure(error)
            case .success(let thing):
                let isCurrent = cache.remember(thing.id, domain: thing.domain, at: key, asked: epoch)
                if isCurrent || attempt == Self.maximumAttempts {
                    return .success(ThingIdentity(thing: thing.id, domain: thing.domain, epoch: epoch))
                }
            }
        }
        return .failure(.tooManyQuestions)
    }

    /// - Returns: who it is, or why it is nobody.
    /// - Throws: when there is no answer.
    private func answer(
        to question: IdentityQuestion
    ) async throws(ServiceError) -> Result<IdentifyResponse.Thing, ServiceError> {
        switch question {
        case .key(_, let hash):
            guard let thing = try await things.identify(keyHash: hash.hexadecimal) else { return .failure(.unknownKey) }
            return .success(thing)
        case .thing(_, let thing):
            return switch try await things.lookUp(thing: thing) {
            case .known(let domain): .success(IdentifyResponse.Thing(id: thing, domain: domain))
            case .unknown: .failure(.unknownThing)
            case .disabledDomain: .failure(.disabledDomain)
            }
        case .preSharedKey(_, let thing, let version):
            let response = try await things.response(about: thing)
            return switch response.outcome {
            case .known(let domain) where response.preSharedKeyVersion == version:
                .success(IdentifyResponse.Thing(id: thing, domain: domain))
            case .known, .unknown: .failure(.unknownPreSharedKey)
            case .disabledDomain: .failure(.disabledDomain)
            }
        }
    }

    private func right(_ key: RightKey) async -> Result<KnownRight, ServiceError> {
        for attempt in 1... {
            let epoch = cache.epoch
            let outcome: AuthorizeResponse.Outcome
            do throws(ServiceError) {
                outcome = try await things.authorize(thing: key.thing, channel: key.channel)
            } catch {
                return .failure(.unanswered(error))
            }
            switch outcome {
            case .known(let rights):
                let known = KnownRight(
                    channel: rights.channel, domain: rights.domain, publish: rights.publish,
                    subscribe: rights.subscribe, epoch: epoch)
                if cache.remember(known, at: key, asked: epoch) || attempt == Self.maximumAttempts {
                    return .success(known)
                }
            case .unknownChannel:
                cache.rememberUnknown(key, asked: epoch)
                return .failure(.unknownChannel)
            case .disabledDomain:
                cache.rememberDisabledDomain(key, asked: epoch)
                return .failure(.disabledDomain)
            case .unknownThing:
                // The key was good a moment ago: whatever is remembered of the thing is out of date.
                cache.apply(RightsChange(scope: .thing(key.thing), endsSessions: false))
                return .failure(.unknownKey)
            }
        }
        return .failure(.tooManyQuestions)
    }
}
