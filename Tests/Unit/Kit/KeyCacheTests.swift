// SPDX-License-Identifier: Apache-2.0
import Core
import Messaging
import Testing

@testable import Identity

/// What is remembered of keys, and what takes it back.
@Suite struct KeyCacheTests {
    private let now: Int64 = 1_800_000_000_000_000_000

    private func key(user: UserID = .new(), domain: DomainID = .new()) -> KeyIdentification.Key {
        KeyIdentification.Key(
            id: .new(), user: user, domain: domain, role: .viewer, grants: nil, expiresAt: nil)
    }

    private func event(_ entity: String, domain: DomainID? = nil, user: UserID? = nil) -> EntityEvent {
        EntityEvent(
            id: .new(), at: now, service: "users", entity: entity, what: "changed", domain: domain, user: user)
    }

    @Test func goodAndBadKeysAreRememberedForATime() {
        let cache = KeyCache()
        #expect(cache.find("a", now: now) == nil)
        cache.insert(key(), for: "a", generation: cache.generation, now: now)
        cache.insert(nil, for: "b", generation: cache.generation, now: now)
        #expect(cache.find("a", now: now)?.key != nil)
        #expect(cache.find("b", now: now) != nil && cache.find("b", now: now)?.key == nil)
        #expect(cache.find("b", now: now + KeyCache.badNanoseconds) == nil)
        #expect(cache.find("a", now: now + KeyCache.goodNanoseconds - 1)?.key != nil)
        #expect(cache.find("a", now: now + KeyCache.goodNanoseconds) == nil)
    }

    @Test func anEventTakesBackWhatItIsAbout() {
        let cache = KeyCache()
        let (user, domain) = (UserID.new(), DomainID.new())
        func fill() {
            cache.insert(key(user: user), for: "user", generation: cache.generation, now: now)
            cache.insert(key(domain: domain), for: "domain", generation: cache.generation, now: now)
            cache.insert(key(), for: "other", generation: cache.generation, now: now)
        }
        fill()
        cache.take(event("session", user: user))
        #expect(cache.count == 3, "sessions come and go without keys")
        cache.take(event("membership", domain: domain, user: user))
        #expect(cache.find("user", now: now) == nil && cache.find("other", now: now) != nil)
        fill()
        cache.take(event("role", domain: domain))
        #expect(cache.find("domain", now: now) == nil && cache.find("user", now: now) != nil)
        cache.take(event("something"))
        #expect(cache.count == 0)
        fill()
        cache.clear()
        #expect(cache.count == 0)
    }

    /// The answer may be from before the change that was announced while it was on its way.
    @Test func anAnswerFromBeforeAnEventIsNotKept() {
        let cache = KeyCache()
        let before = cache.generation
        cache.take(event("key", user: UserID.new()))
        cache.insert(key(), for: "a", generation: before, now: now)
        #expect(cache.find("a", now: now) == nil)
        let again = cache.generation
        cache.clear()
        cache.insert(key(), for: "a", generation: again, now: now)
        #expect(cache.find("a", now: now) == nil)
    }

    @Test func itsSizeIsBounded() {
        let cache = KeyCache()
        for index in 0..<(2 * KeyCache.maximumEntries + 5) {
            cache.insert(nil, for: "bad \(index)", generation: 0, now: now)
            cache.insert(key(), for: "good \(index)", generation: 0, now: now)
        }
        #expect(cache.count <= 2 * KeyCache.maximumEntries)
        #expect(cache.find("good \(2 * KeyCache.maximumEntries + 4)", now: now) != nil)
    }

    @Test func keysAreKnownByTheirForm() {
        for kind in KeyToken.allCases {
            let key = kind.generate()
            #expect(KeyToken.isKey(key) && KeyToken.isWellFormed(key) && key.hasPrefix(kind.rawValue))
            #expect(!KeyToken.isWellFormed(key + "x") && !KeyToken.isWellFormed(String(key.dropLast())))
        }
        #expect(!KeyToken.isKey("eyJhbGciOiJFZERTQSJ9.e30.x") && !KeyToken.isWellFormed("martlet_x"))
        #expect(KeyToken.personal.generate() != KeyToken.personal.generate())
    }
}
