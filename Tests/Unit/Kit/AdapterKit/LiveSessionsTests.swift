// SPDX-License-Identifier: Apache-2.0
import Core
import Messaging
import Synchronization
import Testing

@testable import AdapterKit

@Suite struct LiveSessionsTests {
    private final class Endings: Sendable {
        private let reasons = Mutex<[String: String]>([:])

        func add(_ name: String, _ error: ServiceError) { reasons.withLock { $0[name] = error.reason } }
        var all: [String: String] { reasons.withLock { $0 } }
    }

    private let sessions = LiveSessions()
    private let endings = Endings()
    private let thing = ThingID.new()
    private let channel = ChannelID.new()

    @discardableResult
    private func open(_ name: String, _ thing: ThingID? = nil, on channel: ChannelID? = nil) -> LiveSession {
        let endings = endings
        return sessions.insert(
            LiveSessions.Session(
                proof: nil, thing: thing ?? self.thing,
                channel: channel.map {
                    LiveSessions.Session.Channel(id: $0, reference: ChannelAddress($0), right: .subscribe)
                }
            ) { endings.add(name, $0) })
    }

    private func change(_ scope: RightsChange.Scope, endsSessions: Bool = true) {
        sessions.apply(RightsChange(scope: scope, endsSessions: endsSessions))
    }

    /// All that are due, taken a few at a time.
    private func takeAllDue(_ limit: Int = 3) -> [LiveSessions.Session] {
        var taken: [LiveSessions.Session] = []
        while true {
            let part = sessions.takeDue(limit: limit)
            #expect(part.count <= limit)
            if part.isEmpty { return taken }
            taken += part
        }
    }

    @Test func aThingThatIsGoneEndsWhatItHasAndNothingElse() {
        open("connection")
        open("subscription", on: channel)
        open("another", ThingID.new(), on: channel)
        change(.thing(thing))
        #expect(endings.all == ["connection": "unknown-key", "subscription": "unknown-key"])
        #expect(sessions.count == 1)
        // Once.
        change(.channel(channel))
        #expect(endings.all["subscription"] == "unknown-key")
        #expect(endings.all["another"] == "unknown-channel")
        #expect(sessions.count == 0)
    }

    @Test func aConnectionThatIsRemovedEndsTheThingsSessionsOnThatChannel() {
        open("connection")
        open("here", on: channel)
        open("here as well", on: channel)
        open("elsewhere", on: ChannelID.new())
        open("another's", ThingID.new(), on: channel)
        change(.connection(thing, channel))
        #expect(endings.all == ["here": "disconnected-from-channel", "here as well": "disconnected-from-channel"])
        #expect(sessions.count == 3)
    }

    @Test func whatIsCancelledDoesNotEnd() {
        let first = open("first")
        let second = open("second")
        let third = open("third")
        second.cancel()
        second.cancel()
        #expect(sessions.count == 2)
        change(.thing(thing))
        #expect(Set(endings.all.keys) == ["first", "third"])
        first.cancel()
        third.cancel()
        #expect(sessions.count == 0)
    }

    @Test func whatACallbackHoldsIsLetGoOfWithTheSession() {
        final class Connection: Sendable {
            let watch = Mutex<LiveSession?>(nil)
        }
        func watched() -> Connection {
            let connection = Connection()
            let session = LiveSessions.Session(proof: nil, thing: thing) { _ in connection.watch.withLock { _ in } }
            connection.watch.withLock { $0 = sessions.insert(session) }
            return connection
        }
        weak let cancelled: Connection? = {
            let connection = watched()
            connection.watch.withLock { $0 }?.cancel()
            return connection
        }()
        #expect(cancelled == nil)
        weak let ended: Connection? = watched()
        #expect(ended != nil)
        change(.thing(thing))
        #expect(ended == nil)
    }

    @Test func whatMayHaveEndedIsDueOnce() {
        let all = (0..<10).map { open("\($0)", $0 < 5 ? thing : ThingID.new()) }
        change(.everything, endsSessions: false)
        change(.thing(thing), endsSessions: false)
        sessions.markDue(all[7].entry)
        #expect(endings.all.isEmpty)
        let taken = takeAllDue()
        #expect(taken.count == 10)
        #expect(Set(taken) == Set(all.map(\.entry)))
        // Taken, it may become due again.
        sessions.markDue(all[7].entry)
        #expect(takeAllDue() == [all[7].entry])
    }

    @Test func thoseThatWereDueFirstAreTakenFirst() {
        let all = (0..<100).map { open("\($0)") }
        for session in all { sessions.markDue(session.entry) }
        let first = sessions.takeDue(limit: 60)
        // There was no answer: they wait behind the others.
        for session in first { sessions.markDue(session) }
        #expect(takeAllDue(64) == all[60...].map(\.entry) + first)
    }

    @Test func whatEndedIsNotDue() {
        let all = (0..<6).map { open("\($0)") }
        change(.everything, endsSessions: false)
        all[0].cancel()
        sessions.end(all[1].entry, because: .unknownKey)
        sessions.markDue(all[0].entry)
        #expect(Set(takeAllDue()) == Set(all[2...].map(\.entry)))
        #expect(endings.all == ["1": "unknown-key"])
        // Nothing is left of those that ended while they were asked about.
        sessions.end(all[1].entry, because: .unknownChannel)
        #expect(endings.all == ["1": "unknown-key"])
    }
}
