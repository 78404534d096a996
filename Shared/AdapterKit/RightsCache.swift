// SPDX-License-Identifier: Apache-2.0
import Core
import Synchronization

/// What an adapter remembers of keys and rights: searched synchronously, from any thread, under one short lock.
///
/// Bounded: `maximumEntries` positive entries in two halves (policy: least recently used goes) and `maximumRefusals` refusals
/// (policy: when full, all are forgotten). An entry older than `freshness` goes on being used while it is asked for anew, so that a
/// device works on with `things` away; a refusal is forgotten after `refusalMemory`.
final class RightsCache: Sendable {
    struct Configuration: Sendable {
        /// Keys and rights together; about 400 bytes each with their indexes.
        var maximumEntries = 200_000
        var maximumRefusals = 20_000
        /// A safety net only: changes are announced.
        var freshness: Duration = .seconds(60)
        /// Blunts guessing without making a device wait that was just allowed in.
        var refusalMemory: Duration = .seconds(2)
    }

    /// An answer from memory, and whether it is due to be asked for anew.
    struct Lookup: Sendable {
        var decision: AccessDecision
        var refreshes: Bool = false
    }

    private enum RefusalKey: Hashable, Sendable {
        case key(KeyFingerprint)
        case channel(RightKey)
        case domain(RightKey)
    }

    private struct State: Sendable {
        var young = RightsGeneration()
        var old = RightsGeneration()
        var refusals: [RefusalKey: Int64] = [:]
        /// Grows with every change that is heard of.
        var epoch: UInt64 = 1
        /// The latest changes, oldest first: `changes[i]` made the epoch `epoch - changes.count + 1 + i`.
        var changes: [RightsChange] = []
        /// False until changes are heard: nothing may be remembered before that.
        var isListening = false
    }

    /// Changes that are remembered to judge answers that were on their way; twice as many are kept at most.
    private static let rememberedChanges = 1024

    private let state = Mutex(State())
    private let configuration: Configuration
    private let clock: WallClock
    private let halfCapacity: Int
    private let freshness: Int64
    private let refusalMemory: Int64

    init(configuration: Configuration = Configuration(), clock: WallClock = .monotonic) {
        self.configuration = configuration
        self.clock = clock
        halfCapacity = max(1, configuration.maximumEntries / 2)
        freshness = configuration.freshness.nanoseconds
        refusalMemory = configuration.refusalMemory.nanoseconds
    }

    /// Entries and refusals now, for a gauge.
    var counts: (entries: Int, refusals: Int) {
        state.withLock { ($0.young.count + $0.old.count, $0.refusals.count) }
    }

    /// What asks are compared with when their answers come.
    var epoch: UInt64 { state.withLock { $0.epoch } }

    func decide(key: KeyFingerprint, request: AccessRequest) -> Lookup {
        let now = clock.now()
        var forgotten: RightsGeneration?
        defer { withExtendedLifetime(forgotten) {} }
        return state.withLock { state in
            guard let known = find(key, in: &state, forgotten: &forgotten) else {
                if let until = state.refusals[.key(key)], until > now { return Lookup(decision: .refused(.unknownKey)) }
                return Lookup(decision: .ask)
            }
            if let claimed = request.credential.claimedThing, claimed != known.thing {
                return Lookup(decision: .refused(.keyOfAnotherThing))
            }
            let rightKey = RightKey(thing: known.thing, channel: request.channel)
            var lookup = decide(rightKey, request.right, now, in: &state, forgotten: &forgotten)
            if known.freshUntil <= now, case .allowed = lookup.decision {
                state.young.postpone(key, until: now + freshness / 12)
                lookup.refreshes = true
            }
            return lookup
        }
    }

    /// As ``decide(key:request:)`` for a thing whose identity was established before.
    func decide(_ key: RightKey, right: AccessRight) -> Lookup {
        let now = clock.now()
        var forgotten: RightsGeneration?
        defer { withExtendedLifetime(forgotten) {} }
        return state.withLock { decide(key, right, now, in: &$0, forgotten: &forgotten) }
    }

    private func decide(
        _ key: RightKey, _ right: AccessRight, _ now: Int64, in state: inout State,
        forgotten: inout RightsGeneration?
    ) -> Lookup {
        guard let known = find(key, in: &state, forgotten: &forgotten) else {
            if let until = state.refusals[.channel(key)], until > now {
                return Lookup(decision: .refused(.unknownChannel))
            }
            if let until = state.refusals[.domain(key)], until > now {
                return Lookup(decision: .refused(.disabledDomain))
            }
            return Lookup(decision: .ask)
        }
        guard known.allows(right) else {
            return Lookup(decision: known.freshUntil > now ? .refused(.notAllowed(right)) : .ask)
        }
        let isStale = known.freshUntil <= now
        // One asks for all; should the answer not come, the next is due in a twelfth of the usual time.
        if isStale { state.young.postpone(key, until: now + freshness / 12) }
        let grant = Grant(
            thing: key.thing, domain: known.domain, channel: known.channel, right: right, epoch: state.epoch)
        return Lookup(decision: .allowed(grant), refreshes: isStale)
    }

    /// Whose key it is, if remembered.
    func thing(for key: KeyFingerprint) -> KnownThing? {
        var forgotten: RightsGeneration?
        defer { withExtendedLifetime(forgotten) {} }
        return state.withLock { find(key, in: &$0, forgotten: &forgotten) }
    }

    private func find(
        _ key: KeyFingerprint, in state: inout State, forgotten: inout RightsGeneration?
    ) -> KnownThing? {
        if let known = state.young.things[key] { return known }
        guard let known = state.old.things[key] else { return nil }
        makeRoom(in: &state, forgotten: &forgotten)
        state.young.insert(known, at: key)
        return known
    }

    private func find(_ key: RightKey, in state: inout State, forgotten: inout RightsGeneration?) -> KnownRight? {
        if let known = state.young.rights[key] { return known }
        guard let known = state.old.rights[key] else { return nil }
        makeRoom(in: &state, forgotten: &forgotten)
        state.young.insert(known, at: key)
        return known
    }

    /// `forgotten` takes what falls out, so that freeing a hundred thousand entries happens outside the lock.
    private func makeRoom(in state: inout State, forgotten: inout RightsGeneration?) {
        guard state.young.count >= halfCapacity else { return }
        forgotten = state.old
        state.old = state.young
        state.young = RightsGeneration()
    }
}

extension RightsCache {
    /// Remembers whose key it is, unless something that touches the thing has changed since the question was put.
    /// - Returns: false when the answer may be out of date.
    @discardableResult
    func remember(_ thing: ThingID, domain: DomainID, at key: KeyFingerprint, asked epoch: UInt64) -> Bool {
        let freshUntil = clock.now() + freshness
        var forgotten: RightsGeneration?
        defer { withExtendedLifetime(forgotten) {} }
        return state.withLock { state in
            guard isCurrent(thing: thing, channel: nil, since: epoch, in: state) else { return false }
            guard state.isListening else { return true }
            makeRoom(in: &state, forgotten: &forgotten)
            state.refusals[.key(key)] = nil
            state.young.insert(KnownThing(thing: thing, domain: domain, freshUntil: freshUntil), at: key)
            return true
        }
    }

    @discardableResult
    func remember(_ known: KnownRight, at key: RightKey, asked epoch: UInt64) -> Bool {
        var known = known
        known.freshUntil = clock.now() + (known.publish || known.subscribe ? freshness : refusalMemory)
        var forgotten: RightsGeneration?
        defer { withExtendedLifetime(forgotten) {} }
        return state.withLock { state in
            guard isCurrent(thing: key.thing, channel: known.channel, since: epoch, in: state) else { return false }
            guard state.isListening else { return true }
            makeRoom(in: &state, forgotten: &forgotten)
            state.refusals[.channel(key)] = nil
            state.young.insert(known, at: key)
            return true
        }
    }

    /// Remembers for a moment that nobody has this key, and forgets whose it was.
    func rememberUnknown(_ key: KeyFingerprint, asked epoch: UInt64) {
        remember(refusal: .key(key), asked: epoch) { state in
            state.young.remove(key: key)
            state.old.remove(key: key)
        }
    }

    func rememberUnknown(_ key: RightKey, asked epoch: UInt64) {
        remember(refusal: .channel(key), asked: epoch) { _ in }
    }

    /// Remembers for a moment that the thing's domain is switched off, and forgets what the thing may do.
    func rememberDisabledDomain(_ key: RightKey, asked epoch: UInt64) {
        remember(refusal: .domain(key), asked: epoch) { state in
            state.young.remove(rightsOf: key.thing)
            state.old.remove(rightsOf: key.thing)
        }
    }

    private func remember(refusal: RefusalKey, asked epoch: UInt64, forget: (inout State) -> Void) {
        let until = clock.now() + refusalMemory
        state.withLock { state in
            forget(&state)
            // Any change since may have made a right of it.
            guard state.isListening, state.epoch == epoch else { return }
            if state.refusals.count >= configuration.maximumRefusals { state.refusals.removeAll(keepingCapacity: true) }
            state.refusals[refusal] = until
        }
    }

    /// Takes back what a change touches.
    func apply(_ change: RightsChange) {
        if case .everything = change.scope { return empty(isListening: nil) }
        state.withLock { state in
            state.epoch += 1
            state.changes.append(change)
            if state.changes.count >= 2 * Self.rememberedChanges {
                state.changes.removeFirst(state.changes.count - Self.rememberedChanges)
            }
            state.refusals.removeAll(keepingCapacity: true)
            forget(change.scope, in: &state.young)
            forget(change.scope, in: &state.old)
        }
    }

    private func forget(_ scope: RightsChange.Scope, in generation: inout RightsGeneration) {
        switch scope {
        case .thing(let thing): generation.remove(thing: thing)
        case .channel(let channel): generation.remove(channel: channel)
        case .connection(let thing, let channel): generation.remove(thing: thing, channel: channel)
        case .everything: break
        }
    }

    /// Forgets everything: changes may have been missed.
    /// - Parameter isListening: whether changes are heard from now on; nil leaves it as it is.
    func empty(isListening: Bool?) {
        let forgotten = state.withLock { state in
            let former = (state.young, state.old)
            state.young = RightsGeneration()
            state.old = RightsGeneration()
            state.refusals = [:]
            state.epoch += 1
            state.changes = [.everything]
            if let isListening { state.isListening = isListening }
            return former
        }
        withExtendedLifetime(forgotten) {}
    }

    /// Whether nothing that touches the pair has changed since `epoch`.
    func isCurrent(thing: ThingID, channel: ChannelID?, since epoch: UInt64) -> Bool {
        state.withLock { isCurrent(thing: thing, channel: channel, since: epoch, in: $0) }
    }

    private func isCurrent(thing: ThingID, channel: ChannelID?, since epoch: UInt64, in state: State) -> Bool {
        guard epoch < state.epoch else { return true }
        let missed = state.epoch - epoch
        guard missed <= UInt64(state.changes.count) else { return false }
        return !state.changes.suffix(Int(missed)).contains { $0.touches(thing: thing, channel: channel) }
    }
}

extension Duration {
    /// Whole nanoseconds, clamped to what 64 bits hold.
    var nanoseconds: Int64 {
        let (seconds, attoseconds) = components
        let (product, overflow) = seconds.multipliedReportingOverflow(by: 1_000_000_000)
        guard !overflow else { return seconds < 0 ? .min : .max }
        return product.addingReportingOverflow(attoseconds / 1_000_000_000).partialValue
    }
}
