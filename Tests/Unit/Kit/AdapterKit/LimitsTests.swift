// SPDX-License-Identifier: Apache-2.0
import Core
import Testing

@testable import AdapterKit

@Suite struct AdapterLimitsTests {
    private let time = VirtualClock()
    private func grant(thing: ThingID = .new(), domain: DomainID = .new()) -> Grant {
        Grant(thing: thing, domain: domain, channel: .new(), right: .publish, epoch: 0)
    }

    @Test func aBucketLetsABurstThroughAndThenItsRate() throws {
        let limiter = RateLimiter<Int>(try #require(RateLimit(perSecond: 2, burst: 5)), clock: time.clock)
        for _ in 0..<5 { #expect(limiter.draw(1) == nil) }
        #expect(limiter.draw(1) == 1)
        #expect(limiter.draw(2) == nil)
        time.advance(by: .milliseconds(499))
        #expect(limiter.draw(1) == 1)
        time.advance(by: .milliseconds(2))
        #expect(limiter.draw(1) == nil)
        #expect(limiter.draw(1) == 1)
        time.advance(by: .seconds(3_600))
        for _ in 0..<5 { #expect(limiter.draw(1) == nil) }
        #expect(limiter.draw(1) == 1)
    }

    @Test func whatASlowRateTakesIsSaid() throws {
        let limiter = RateLimiter<Int>(try #require(RateLimit(perSecond: 0.1, burst: 1)), clock: time.clock)
        #expect(limiter.draw(1) == nil)
        #expect(limiter.draw(1) == 10)
    }

    @Test func theTableIsBounded() throws {
        let limiter = RateLimiter<Int>(
            try #require(RateLimit(perSecond: 1, burst: 1)), capacity: 100, clock: time.clock)
        for key in 0..<10_000 { _ = limiter.draw(key) }
        #expect(limiter.count <= 100)
    }

    @Test func aLimitMustBeUsable() {
        #expect(RateLimit(perSecond: 0, burst: 1) == nil)
        #expect(RateLimit(perSecond: 1, burst: 0.5) == nil)
        #expect(RateLimit(perSecond: .infinity, burst: 1) == nil)
        #expect(RateLimit(perSecond: .nan, burst: 1) == nil)
    }

    @Test func thingAndDomainAreLimitedWithReasons() throws {
        let policy = IngestPolicy(
            maximumPayloadBytes: 100, perThing: RateLimit(perSecond: 1, burst: 2),
            perDomain: RateLimit(perSecond: 1, burst: 3), clock: time.clock)
        let domain = DomainID.new()
        let first = grant(domain: domain)
        try policy.checkRate(first)
        try policy.checkRate(first)
        #expect(throws: ServiceError.self) { try policy.checkRate(first) }
        let second = grant(domain: domain)
        try policy.checkRate(second)
        do throws(ServiceError) {
            try policy.checkRate(second)
            Issue.record("the domain's limit does not hold")
        } catch {
            #expect(error.reason == "domain-rate-limit")
            #expect(error.kind == .tooManyRequests)
            #expect(error.retryAfterSeconds == 1)
        }
        try policy.checkRate(grant())
        try policy.checkSize(100)
        #expect(throws: ServiceError.self) { try policy.checkSize(101) }
    }
}
