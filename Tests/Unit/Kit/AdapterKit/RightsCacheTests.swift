// SPDX-License-Identifier: Apache-2.0
import Core
import Messaging
import Testing

@testable import AdapterKit

@Suite struct RightsCacheTests {
    private let time = VirtualClock()
    private let fingerprinter = KeyFingerprinter()
    private let domain = DomainID.new()
    private let thing = ThingID.new()
    private let channel = ChannelID.new()

    private func cache(_ configuration: RightsCache.Configuration = .init()) -> RightsCache {
        let cache = RightsCache(configuration: configuration, clock: time.clock)
        cache.empty(isListening: true)
        return cache
    }

    private func request(
        _ right: AccessRight = .publish, key: String = "the key", claimed: ThingID? = nil, on channel: ChannelID? = nil
    ) -> AccessRequest {
        AccessRequest(
            credential: Credential(key: key, claimedThing: claimed), channel: ChannelAddress(channel ?? self.channel),
            right: right)
    }

    private func decide(_ cache: RightsCache, _ request: AccessRequest) -> RightsCache.Lookup {
        cache.decide(key: fingerprinter.fingerprint(request.credential.key), request: request)
    }

    private func remember(
        in cache: RightsCache, thing: ThingID? = nil, key: String = "the key", publish: Bool = true,
        subscribe: Bool = false, on channel: ChannelID? = nil
    ) {
        let thing = thing ?? self.thing
        let channel = channel ?? self.channel
        let epoch = cache.epoch
        cache.remember(thing, domain: domain, at: fingerprinter.fingerprint(key[...]), asked: epoch)
        cache.remember(
            KnownRight(channel: channel, domain: domain, publish: publish, subscribe: subscribe, epoch: epoch),
            at: RightKey(thing: thing, channel: ChannelAddress(channel)), asked: epoch)
    }

    @Test func anUnknownKeyIsAskedFor() {
        #expect(decide(cache(), request()).decision == .ask)
    }

    @Test func whatIsRememberedIsDecided() throws {
        let cache = cache()
        remember(in: cache)
        guard case .allowed(let grant) = decide(cache, request()).decision else {
            Issue.record("publish is not allowed")
            return
        }
        #expect(grant.thing == thing)
        #expect(grant.channel == channel)
        #expect(grant.domain == domain)
        #expect(decide(cache, request(.subscribe)).decision == .refused(.notAllowed(.subscribe)))
        #expect(decide(cache, request(key: "another key")).decision == .ask)
        #expect(decide(cache, request(on: .new())).decision == .ask)
    }

    @Test func aKeyProvesNobodyElse() {
        let cache = cache()
        remember(in: cache)
        #expect(decide(cache, request(claimed: .new())).decision == .refused(.keyOfAnotherThing))
        guard case .allowed = decide(cache, request(claimed: thing)).decision else {
            Issue.record("the key's owner is refused")
            return
        }
    }

    @Test func refusalsAreForgottenSoonAndWithEveryChange() {
        let cache = cache()
        let key = fingerprinter.fingerprint("the key")
        cache.rememberUnknown(key, asked: cache.epoch)
        #expect(decide(cache, request()).decision == .refused(.unknownKey))
        time.advance(by: .seconds(3))
        #expect(decide(cache, request()).decision == .ask)

        cache.rememberUnknown(key, asked: cache.epoch)
        #expect(decide(cache, request()).decision == .refused(.unknownKey))
        cache.apply(RightsChange(scope: .thing(.new()), endsSessions: false))
        #expect(decide(cache, request()).decision == .ask)
    }

    @Test func aDisabledDomainIsRefusedForAMomentAndTakesWhatTheThingMayDo() {
        let cache = cache()
        let (elsewhere, bystander) = (ChannelID.new(), ThingID.new())
        remember(in: cache, subscribe: true)
        remember(in: cache, on: elsewhere)
        remember(in: cache, thing: bystander, key: "another key")
        let key = RightKey(thing: thing, channel: ChannelAddress(channel))
        cache.rememberDisabledDomain(key, asked: cache.epoch)
        #expect(decide(cache, request()).decision == .refused(.disabledDomain))
        #expect(decide(cache, request(.subscribe)).decision == .refused(.disabledDomain))
        // All of the thing's channels are in the domain, and each is asked for; others are not touched.
        #expect(decide(cache, request(on: elsewhere)).decision == .ask)
        guard case .allowed = decide(cache, request(key: "another key")).decision else {
            Issue.record("another thing is refused")
            return
        }
        time.advance(by: .seconds(3))
        #expect(decide(cache, request()).decision == .ask)
    }

    @Test func aDisabledDomainIsForgottenWithEveryChange() {
        let cache = cache()
        let key = RightKey(thing: thing, channel: ChannelAddress(channel))
        remember(in: cache)
        cache.rememberDisabledDomain(key, asked: cache.epoch)
        #expect(decide(cache, request()).decision == .refused(.disabledDomain))
        cache.apply(RightsChange(scope: .thing(.new()), endsSessions: false))
        #expect(decide(cache, request()).decision == .ask)

        // An answer from before a change takes rights all the same, and is not remembered: the domain may have been enabled meanwhile.
        let asked = cache.epoch
        remember(in: cache)
        cache.apply(RightsChange(scope: .thing(.new()), endsSessions: false))
        cache.rememberDisabledDomain(key, asked: asked)
        #expect(decide(cache, request()).decision == .ask)
        #expect(cache.counts.refusals == 0)
    }

    @Test func aDisabledDomainTakesRightsThatWereNotUsedForLongToo() {
        let cache = cache(.init(maximumEntries: 8, maximumRefusals: 100))
        remember(in: cache)
        // Until they are in the older half.
        for number in 0..<2 { remember(in: cache, thing: .new(), key: "key \(number)") }
        cache.rememberDisabledDomain(RightKey(thing: thing, channel: ChannelAddress(.new())), asked: cache.epoch)
        #expect(decide(cache, request()).decision == .ask)
    }

    @Test func aRightThatWasNotGivenIsAskedForAgainSoon() {
        let cache = cache()
        remember(in: cache, publish: false)
        #expect(decide(cache, request()).decision == .refused(.notAllowed(.publish)))
        time.advance(by: .seconds(3))
        #expect(decide(cache, request()).decision == .ask)
    }

    @Test func aStaleRightGoesOnWorkingAndIsAskedForOnce() {
        let cache = cache()
        remember(in: cache)
        time.advance(by: .seconds(61))
        let first = decide(cache, request())
        #expect(first.refreshes)
        guard case .allowed = first.decision else {
            Issue.record("a stale right is refused")
            return
        }
        #expect(!decide(cache, request()).refreshes)
        time.advance(by: .seconds(6))
        #expect(decide(cache, request()).refreshes)
    }

    @Test(arguments: [
        ("thing", "updated"), ("thing", "disabled"), ("thing", "removed"), ("thing", "key-rotated"),
        ("channel", "updated"), ("channel", "disabled"), ("channel", "removed"), ("connection", "created"),
        ("connection", "updated"), ("connection", "removed"),
    ])
    func everyChangeTakesBackWhatItTouchesAndNothingElse(entity: String, what: String) {
        let cache = cache()
        let (otherThing, otherChannel) = (ThingID.new(), ChannelID.new())
        remember(in: cache)
        remember(in: cache, thing: otherThing, key: "other", on: otherChannel)
        let event = EntityEvent(
            id: .new(), at: 0, service: "things", entity: entity, what: what, domain: domain,
            thing: entity == "channel" ? nil : thing, channel: entity == "thing" ? nil : channel)
        cache.apply(RightsChange(event: event))
        #expect(decide(cache, request()).decision == .ask)
        guard case .allowed = decide(cache, request(key: "other", on: otherChannel)).decision else {
            Issue.record("\(entity).\(what) took back what it does not touch")
            return
        }
    }

    @Test func anAnswerThatAChangeOvertookIsNotRemembered() {
        let cache = cache()
        let epoch = cache.epoch
        let key = fingerprinter.fingerprint("the key")
        cache.apply(RightsChange(scope: .thing(thing), endsSessions: true))
        #expect(!cache.remember(thing, domain: domain, at: key, asked: epoch))
        #expect(decide(cache, request()).decision == .ask)

        let second = cache.epoch
        cache.apply(RightsChange(scope: .channel(channel), endsSessions: true))
        #expect(cache.remember(thing, domain: domain, at: key, asked: second))
        let right = KnownRight(channel: channel, domain: domain, publish: true, subscribe: true, epoch: second)
        let rightKey = RightKey(thing: thing, channel: ChannelAddress(channel))
        #expect(!cache.remember(right, at: rightKey, asked: second))

        // A change of something else does not stand in the way, however many there were, as long as they are remembered.
        let third = cache.epoch
        for _ in 0..<500 { cache.apply(RightsChange(scope: .thing(.new()), endsSessions: false)) }
        #expect(cache.remember(right, at: rightKey, asked: third))
        let fourth = cache.epoch
        for _ in 0..<5_000 { cache.apply(RightsChange(scope: .thing(.new()), endsSessions: false)) }
        #expect(!cache.remember(right, at: rightKey, asked: fourth))
    }

    @Test func aRefusalThatAChangeOvertookIsNotRemembered() {
        let cache = cache()
        let epoch = cache.epoch
        cache.apply(RightsChange(scope: .thing(.new()), endsSessions: false))
        cache.rememberUnknown(fingerprinter.fingerprint("the key"), asked: epoch)
        #expect(decide(cache, request()).decision == .ask)
    }

    @Test func nothingIsRememberedWhileChangesAreNotHeard() {
        let cache = RightsCache(clock: time.clock)
        remember(in: cache)
        #expect(decide(cache, request()).decision == .ask)
        cache.empty(isListening: true)
        remember(in: cache)
        #expect(decide(cache, request()).decision != .ask)
        cache.empty(isListening: nil)
        #expect(decide(cache, request()).decision == .ask)
        remember(in: cache)
        cache.empty(isListening: false)
        remember(in: cache)
        #expect(decide(cache, request()).decision == .ask)
    }

    @Test func itStaysWithinItsLimitsAndKeepsWhatIsUsed() {
        let limit = 2_000
        let cache = cache(.init(maximumEntries: limit, maximumRefusals: 100))
        remember(in: cache)
        for number in 0..<20_000 {
            remember(in: cache, thing: .new(), key: "key \(number)", on: .new())
            // Used all the time: the least recently used goes, not this one.
            guard case .allowed = decide(cache, request()).decision else {
                Issue.record("an entry in use was forgotten after \(number) others")
                return
            }
            cache.rememberUnknown(fingerprinter.fingerprint("guess \(number)"), asked: cache.epoch)
        }
        #expect(cache.counts.entries <= limit + 2)
        #expect(cache.counts.refusals <= 100)
    }

    @Test func aKeyThatChangedHandsForgetsItsFormerThing() {
        let cache = cache()
        remember(in: cache)
        let heir = ThingID.new()
        remember(in: cache, thing: heir)
        cache.apply(RightsChange(scope: .thing(thing), endsSessions: true))
        guard case .allowed(let grant) = decide(cache, request()).decision else {
            Issue.record("the key's new owner was forgotten with the former one")
            return
        }
        #expect(grant.thing == heir)
    }
}
