// SPDX-License-Identifier: Apache-2.0
import Core
import Messaging
import Testing

@testable import AdapterKit

/// What is known of pre-shared keys, input by input.
@Suite struct PreSharedKeyMemoryTests {
    private let domain = DomainID.new()

    private func key(
        _ thing: ThingID = .new(), in domain: DomainID? = nil, version: Int64 = 1
    ) -> PreSharedKey {
        PreSharedKey(
            thing: thing, domain: domain ?? self.domain, secret: Array(repeating: 7, count: 16), version: version)
    }

    private func found(_ key: PreSharedKey) -> (identity: [UInt8], key: PreSharedKey) { (bytes("\(key.thing)"), key) }

    private func bytes(_ text: String) -> [UInt8] { Array(text.utf8) }

    /// A memory that has been loaded with these keys.
    private func memory(_ keys: [PreSharedKey], room: Int = 100) throws -> PreSharedKeyMemory {
        var memory = PreSharedKeyMemory(maximumEntries: room)
        memory.listen(true)
        try load(keys, into: &memory)
        return memory
    }

    private func load(_ keys: [PreSharedKey], into memory: inout PreSharedKeyMemory) throws {
        let generation = try beginLoad(of: &memory)
        _ = memory.take(keys.map(found), of: generation)
        memory.finishLoad(generation)
    }

    private func beginLoad(of memory: inout PreSharedKeyMemory) throws -> UInt64 {
        guard case .load(let generation)? = memory.nextJob() else {
            throw ServiceError(.internalFailure, reason: "no-load", "nothing is to be loaded")
        }
        return generation
    }

    private func event(
        _ entity: String, _ what: String, _ thing: ThingID? = nil, _ domain: DomainID? = nil
    ) -> PreSharedKeyChange {
        PreSharedKeyChange(
            event: EntityEvent(
                id: .new(), at: 0, service: "things", entity: entity, what: what, domain: domain ?? self.domain,
                thing: thing))
    }

    @Test func nothingIsLoadedBeforeChangesAreHeard() throws {
        var memory = PreSharedKeyMemory(maximumEntries: 10)
        memory.apply(.everything)
        #expect(memory.nextJob() == nil)
        memory.listen(true)
        let known = key()
        let generation = try beginLoad(of: &memory)
        #expect(!memory.isReady)
        #expect(memory.take([found(known)], of: generation) == .goesOn)
        // It is found as soon as it is here.
        #expect(memory.find(bytes("\(known.thing)")).key == known)
        memory.finishLoad(generation)
        #expect(memory.isReady && memory.isComplete)
        #expect(memory.nextJob() == nil)
        // Whoever is not here is nobody.
        #expect(memory.find(bytes("nobody")) == (nil, false))
        #expect(memory.counts.unknown == 1)
        memory.empty()
        #expect(memory.find(bytes("\(known.thing)")).key == nil)
        #expect(!memory.isReady)
    }

    @Test func formerKeysAreFoundUntilTheNewOnesAreWhole() throws {
        let (kept, gone) = (key(), key())
        var memory = try memory([kept, gone])
        memory.apply(.everything)
        let generation = try beginLoad(of: &memory)
        let replaced = key(kept.thing, version: 2)
        #expect(memory.take([found(replaced)], of: generation) == .goesOn)
        #expect(memory.find(bytes("\(kept.thing)")).key == replaced)
        #expect(memory.find(bytes("\(gone.thing)")).key == gone)
        #expect(memory.isReady)
        memory.finishLoad(generation)
        #expect(memory.find(bytes("\(gone.thing)")).key == nil)
        #expect(memory.table.count == 1)
    }

    @Test func aLoadThatFailsLeavesWhatIsKnownAndComesAgain() throws {
        let known = key()
        var memory = try memory([known])
        memory.apply(.everything)
        memory.failLoad(try beginLoad(of: &memory))
        #expect(memory.find(bytes("\(known.thing)")).key == known)
        #expect(memory.isReady)
        try load([], into: &memory)
        #expect(memory.find(bytes("\(known.thing)")).key == nil)
        #expect(memory.counts.failures == 1)
    }

    @Test(arguments: ["disabled", "removed", "psk-removed"])
    func whatEndsAKeyTakesItOutAtOnce(what: String) throws {
        let (ended, other) = (key(), key())
        var memory = try memory([ended, other])
        memory.apply(event("thing", what, ended.thing))
        #expect(memory.find(bytes("\(ended.thing)")).key == nil)
        #expect(memory.find(bytes("\(other.thing)")).key == other)
        #expect(memory.nextJob() == nil)
    }

    @Test func aReplacedKeyIsOutAtOnceAndTheNewOneIsAskedFor() throws {
        let former = key()
        var memory = try memory([former])
        memory.apply(event("thing", "psk-changed", former.thing))
        #expect(memory.find(bytes("\(former.thing)")).key == nil)
        guard case .ask(let questions, let epoch)? = memory.nextJob() else {
            Issue.record("nothing is asked")
            return
        }
        #expect(questions == [.thing(former.thing)])
        let new = key(former.thing, version: 2)
        memory.take((bytes("an identity"), new), to: .thing(former.thing), epoch: epoch)
        memory.finishAsking()
        #expect(memory.find(bytes("an identity")).key == new)
        #expect(memory.find(bytes("\(former.thing)")).key == nil)
        #expect(memory.nextJob() == nil)
    }

    @Test(arguments: [
        ("thing", "created"), ("thing", "updated"), ("thing", "key-rotated"), ("channel", "removed"),
        ("connection", "removed"), ("group", "removed"), ("grant", "removed"), ("domain", "updated"),
    ])
    func whatHasNothingToDoWithKeysLeavesThemAlone(entity: String, what: String) throws {
        let known = key()
        var memory = try memory([known])
        memory.apply(event(entity, what, known.thing))
        #expect(memory.find(bytes("\(known.thing)")).key == known)
        #expect(memory.nextJob() == nil)
    }

    @Test func aThingThatIsEnabledIsAskedAbout() throws {
        let known = key()
        var memory = try memory([])
        memory.apply(event("thing", "enabled", known.thing))
        guard case .ask([.thing(known.thing)], let epoch)? = memory.nextJob() else {
            Issue.record("nothing is asked")
            return
        }
        memory.take(found(known), to: .thing(known.thing), epoch: epoch)
        #expect(memory.find(bytes("\(known.thing)")).key == known)
    }

    @Test func aDomainGoesAndComesBackAsAWhole() throws {
        let (ended, other) = (key(), key(in: .new()))
        var memory = try memory([ended, other])
        memory.apply(event("domain", "disabled"))
        #expect(memory.find(bytes("\(ended.thing)")).key == nil)
        #expect(memory.find(bytes("\(other.thing)")).key == other)
        memory.apply(event("domain", "enabled"))
        try load([ended, other], into: &memory)
        #expect(memory.find(bytes("\(ended.thing)")).key == ended)
    }

    @Test func whatIsNotUnderstoodHasAllLoadedAnew() throws {
        for change in [event("domain", "merged"), event("weather", "changed"), event("thing", "removed")] {
            var memory = try memory([key()])
            memory.apply(change)
            _ = try beginLoad(of: &memory)
        }
    }

    /// An answer may be older than a change that was heard while it was on its way.
    @Test func changesWhileAnswersAreOnTheirWayWin() throws {
        // A page of a load.
        let (replaced, disabled, stranger) = (key(), key(), key(in: .new()))
        var memory = try memory([replaced, disabled, stranger])
        memory.apply(.everything)
        let generation = try beginLoad(of: &memory)
        memory.apply(event("thing", "psk-changed", replaced.thing))
        memory.apply(event("thing", "disabled", disabled.thing))
        memory.apply(event("domain", "disabled", nil, stranger.domain))
        _ = memory.take([replaced, disabled, stranger].map(found), of: generation)
        memory.finishLoad(generation)
        for key in [replaced, disabled, stranger] { #expect(memory.find(bytes("\(key.thing)")).key == nil) }
        // The things are asked about behind it.
        guard case .ask(let questions, let epoch)? = memory.nextJob() else {
            Issue.record("nothing is asked")
            return
        }
        #expect(Set(questions) == [.thing(replaced.thing), .thing(disabled.thing)])

        // An answer about one thing.
        memory.apply(event("thing", "psk-removed", replaced.thing))
        memory.take(found(replaced), to: .thing(replaced.thing), epoch: epoch)
        #expect(memory.find(bytes("\(replaced.thing)")).key == nil)
        memory.apply(event("domain", "disabled"))
        memory.take(found(disabled), to: .thing(disabled.thing), epoch: epoch)
        memory.finishAsking()
        for key in [replaced, disabled] { #expect(memory.find(bytes("\(key.thing)")).key == nil) }
        guard case .ask(let again, let next)? = memory.nextJob() else {
            Issue.record("nothing is asked again")
            return
        }
        #expect(Set(again) == [.thing(replaced.thing), .thing(disabled.thing)])
        for thing in [replaced.thing, disabled.thing] { memory.take(nil, to: .thing(thing), epoch: next) }
        memory.finishAsking()
        #expect(memory.nextJob() == nil)
        #expect(memory.table.count == 0)
    }

    @Test func aQuestionWithoutAnAnswerIsPutAgain() throws {
        let known = key()
        var memory = try memory([])
        memory.apply(event("thing", "psk-changed", known.thing))
        _ = memory.nextJob()
        memory.failAsking(.thing(known.thing))
        memory.finishAsking()
        guard case .ask([.thing(known.thing)], _)? = memory.nextJob() else {
            Issue.record("nothing is asked again")
            return
        }
    }

    /// With more keys than there is room for, those who come and are not found are asked about.
    @Test func whoIsNotKeptIsFoundTheSecondTime() throws {
        let kept = (0..<3).map { _ in key() }
        let late = key()
        var memory = PreSharedKeyMemory(maximumEntries: 3)
        memory.listen(true)
        let generation = try beginLoad(of: &memory)
        #expect(memory.take((kept + [late]).map(found), of: generation) == .isFull)
        memory.finishLoad(generation)
        #expect(memory.isReady && !memory.isComplete)
        let identity = bytes("\(late.thing)")
        #expect(memory.find(identity) == (nil, true))
        #expect(memory.find(identity) == (nil, false), "it is asked about already")
        guard case .ask([.identity(identity)], let epoch)? = memory.nextJob() else {
            Issue.record("nothing is asked")
            return
        }
        memory.take(found(late), to: .identity(identity), epoch: epoch)
        memory.finishAsking()
        #expect(memory.find(identity).key == late)
        #expect(memory.table.count == 3)
        // As long as it is not replaced meanwhile.
        memory.apply(event("thing", "psk-changed", late.thing))
        memory.take(found(late), to: .identity(identity), epoch: epoch)
        #expect(memory.find(identity).key == nil)
    }

    @Test func everythingThatWaitsIsBounded() throws {
        var memory = PreSharedKeyMemory(maximumEntries: 1)
        memory.listen(true)
        let generation = try beginLoad(of: &memory)
        #expect(memory.take([found(key()), found(key())], of: generation) == .isFull)
        memory.finishLoad(generation)
        for number in 0..<PreSharedKeyMemory.maximumMissed + 5 { _ = memory.find(bytes("guess \(number)")) }
        #expect(memory.waiting == PreSharedKeyMemory.maximumMissed)
        #expect(memory.counts.dropped == 5)

        var busy = try self.memory([])
        busy.apply(.everything)
        let abandoned = try beginLoad(of: &busy)
        for _ in 0...PreSharedKeyMemory.maximumChanged { busy.apply(event("thing", "psk-changed", .new())) }
        #expect(busy.waiting == 0)
        // What the load would find may be older than what was forgotten.
        #expect(busy.take([found(key())], of: abandoned) == .isAbandoned)
        busy.finishLoad(abandoned)
        #expect(busy.table.count == 0)
        _ = try beginLoad(of: &busy)
    }

    @Test func anIdentityAndAThingAreOneToOne() throws {
        let (first, second) = (key(), key())
        var table = PreSharedKeyTable(maximumEntries: 10)
        table.put(first, identity: bytes("a"))
        table.put(second, identity: bytes("a"))
        table.remove(thing: first.thing)
        #expect(table.find(bytes("a")) == second)
        #expect(table.count == 1)
        table.put(second, identity: bytes("b"))
        #expect(table.find(bytes("a")) == nil)
        table.remove(thing: first.thing)
        #expect(table.find(bytes("b")) == second)
        // Composed and decomposed are two identities.
        table.put(first, identity: bytes("\u{E9}"))
        #expect(table.find(bytes("e\u{301}")) == nil)
    }

    @Test func theSecretIsNotShown() {
        let key = PreSharedKey(thing: .new(), domain: .new(), secret: Array("correct horse battery".utf8), version: 3)
        var dumped = ""
        dump(key, to: &dumped)
        for text in ["\(key)", String(reflecting: key), dumped, "\([key])", "\(Optional(key) as Any)"] {
            #expect(!text.contains("114, 114") && !text.contains("secret:"), "\(text)")
        }
    }

    @Test func aRecordThatHoldsNoSecretIsNone() {
        func record(_ secret: String) -> PreSharedKeyRecord {
            PreSharedKeyRecord(thing: .new(), domain: .new(), identity: "a", secret: secret, version: 1)
        }
        #expect(PreSharedKey(record("AAAAAAAAAAAAAAAAAAAAAA=="))?.secret == Array(repeating: 0, count: 16))
        for secret in ["", "AAAA", "not base64 at all", String(repeating: "AAAA", count: 22)] {
            #expect(PreSharedKey(record(secret)) == nil, "\(secret)")
        }
    }
}
