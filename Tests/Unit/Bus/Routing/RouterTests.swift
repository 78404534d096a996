// SPDX-License-Identifier: Apache-2.0
import Messaging
import TestKit
import Testing

@testable import BusService

/// Everybody may publish everything; `s.>` is captured.
private struct OpenPolicy: RoutePolicy {
    func publishers(of subject: UnsafeRawBufferPointer) -> UInt64 { .max }
    func stream(capturing subject: UnsafeRawBufferPointer) -> Int32 { subject.starts(with: "s.".utf8) ? 3 : -1 }
}

@Suite struct RouterTests {
    private let router = Router(policy: OpenPolicy(), capacity: 64)

    private func subscribe(_ slot: Int32, _ filter: String, group: String = "", identifier: UInt32 = 1) -> Subscription
    {
        let subscription = Subscription(slot: slot, identifier: identifier, filter: filter, queueGroup: group)
        router.subscribe(subscription)
        return subscription
    }

    private func route(_ subject: String) -> Route {
        var subject = subject
        return subject.withUTF8 { bytes in
            withUnsafeTemporaryAllocation(byteCount: max(bytes.count, 1), alignment: 1) { copy in
                copy.copyBytes(from: bytes)
                return router.route(UnsafeRawPointer(copy.baseAddress.unsafelyUnwrapped), bytes.count).pointee
            }
        }
    }

    private func receivers(_ subject: String) -> [Int32] {
        Array(router.targets(route(subject).targets).connections)
    }

    @Test func aConnectionIsATargetOnceHoweverManyOfItsSubscriptionsMatch() {
        _ = subscribe(1, "a.b", identifier: 1)
        _ = subscribe(1, "a.*", identifier: 2)
        _ = subscribe(2, "a.>", identifier: 1)
        #expect(receivers("a.b") == [1, 2])
        #expect(receivers("a.b.c") == [2])
        #expect(receivers("a") == [])
    }

    @Test func subjectsWithTheSameReceiversShareASet() {
        _ = subscribe(1, "a.>")
        #expect(route("a.b").targets == route("a.c.d").targets)
        #expect(route("a.b").isPlain)
    }

    @Test func aNewOrEndedSubscriptionChangesWhatIsCached() {
        #expect(receivers("a.b") == [])
        let literal = subscribe(1, "a.b")
        #expect(receivers("a.b") == [1])
        let wild = subscribe(2, "*.b")
        #expect(receivers("a.b") == [1, 2])
        router.unsubscribe(literal)
        #expect(receivers("a.b") == [2])
        router.unsubscribe(wild)
        #expect(receivers("a.b") == [])
        #expect(router.subscriptionCount == 0)
    }

    @Test func aLiteralSubscriptionLeavesOtherRoutesCached() {
        _ = route("a.b")
        _ = route("c.d")
        let misses = router.misses
        _ = subscribe(1, "a.b")
        _ = route("c.d")
        #expect(router.misses == misses)
        _ = route("a.b")
        #expect(router.misses == misses + 1)
    }

    @Test func queueGroupsAndCapturedSubjectsAreNotPlain() {
        _ = subscribe(1, "q.x", group: "workers")
        #expect(!route("q.x").isPlain)
        #expect(!route("s.x").isPlain)
        #expect(route("s.x").stream == 3)
        #expect(route("t.x").stream == -1)
    }

    @Test(arguments: ["", ".", "a.", ".a", "a..b", "a b", "a.*", "a.>", "*", "a\u{1}b"])
    func malformedSubjectsLeadNowhere(_ subject: String) {
        _ = subscribe(1, ">")
        let route = route(subject)
        #expect(!route.isWellFormed)
        #expect(!route.isPlain)
        #expect(route.publishers == 0)
    }

    @Test func oneMemberOfEachGroupIsChosenInTurn() {
        _ = subscribe(1, "q.x", group: "g", identifier: 7)
        _ = subscribe(2, "q.*", group: "g", identifier: 8)
        _ = subscribe(3, "q.>", group: "h", identifier: 9)
        let set = router.targets(route("q.x").targets)
        #expect(set.groups.map(\.name) == ["g", "h"])
        let chosen = (0..<10).compactMap { _ in set.groups[0].choose(tolerance: 0) { _ in 0 }?.slot }
        #expect(chosen.count { $0 == 1 } == 5)
        #expect(chosen.count { $0 == 2 } == 5)
    }

    @Test func aMemberWithALargeBacklogIsPassedOver() {
        _ = subscribe(1, "q.x", group: "g")
        _ = subscribe(2, "q.x", group: "g")
        let group = router.targets(route("q.x").targets).groups[0]
        let chosen = (0..<10).compactMap { _ in
            group.choose(tolerance: 1000) { $0 == 1 ? 100_000 : 10 }?.slot
        }
        #expect(chosen == Array(repeating: 2, count: 10))
    }

    /// The trie and the cache against the plain definition of matching, with a cache far too small for the subjects.
    @Test(arguments: [1, 2, 3, 4, 5] as [UInt64])
    func randomSubscriptionsRouteAsMatchingSays(_ seed: UInt64) {
        var random = SeededGenerator(seed: seed)
        let tokens = ["a", "b", "c", "dd", "eeeeeeeee"]
        func subject() -> String {
            (0..<Int.random(in: 1...4, using: &random)).map { _ in tokens.randomElement(using: &random)! }
                .joined(separator: ".")
        }
        func filter() -> String {
            var parts = subject().split(separator: ".").map(String.init)
            for index in parts.indices where Int.random(in: 0..<4, using: &random) == 0 { parts[index] = "*" }
            if Int.random(in: 0..<4, using: &random) == 0 { parts[parts.count - 1] = ">" }
            return parts.joined(separator: ".")
        }
        var live: [Subscription] = []
        for round in 0..<2000 {
            if live.count < 40, Bool.random(using: &random) {
                live.append(subscribe(Int32.random(in: 0..<6, using: &random), filter(), identifier: UInt32(round)))
            } else if let victim = live.indices.randomElement(using: &random) {
                router.unsubscribe(live.remove(at: victim))
            }
            let subject = subject()
            let expected = Set(
                live.filter { SubjectFilter.matches(filter: $0.filter, subject: subject) }.map(\.slot))
            #expect(receivers(subject) == expected.sorted(), "seed \(seed), subject \(subject)")
        }
    }
}
