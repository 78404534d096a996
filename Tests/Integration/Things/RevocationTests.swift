// SPDX-License-Identifier: Apache-2.0
import AdapterKit
import Bus
import Core
import HTTPKit
import Logging
import Messaging
import Synchronization
import TestKit
import Testing

/// An adapter's memory against the real `things` over the real bus.
@Suite struct RevocationTests {
    /// An authenticator that hears changes, and what one thing asks of it.
    private struct Adapter {
        let bus: SocketBus
        let authenticator: ThingAuthenticator
        let running: Task<Void, Never>

        init(_ stack: ThingsStack) async throws {
            bus = try await stack.adapterBus()
            let authenticator = ThingAuthenticator(bus: bus, logger: Logger(label: "rights"))
            self.authenticator = authenticator
            running = Task { await authenticator.run() }
        }

        func request(_ key: String, _ channel: ChannelID, _ right: AccessRight = .publish) -> AccessRequest {
            AccessRequest(credential: Credential(key: key), channel: ChannelAddress(channel), right: right)
        }

        /// The reason of a refusal; nil when allowed.
        func refusal(_ key: String, _ channel: ChannelID, _ right: AccessRight = .publish) async -> String? {
            do throws(ServiceError) {
                _ = try await authenticator.authorize(request(key, channel, right))
                return nil
            } catch {
                return error.reason
            }
        }

        /// Until memory alone says yes.
        func warm(_ key: String, _ channel: ChannelID, _ right: AccessRight = .publish) async throws {
            try await eventually("the right is remembered") {
                _ = await refusal(key, channel, right)
                if case .allowed = authenticator.decide(request(key, channel, right)) { return true }
                return false
            }
        }

        func stop() async {
            running.cancel()
            await bus.close()
        }
    }

    /// Runs `body` with a connected thing whose right an adapter remembers.
    private func withConnectedThing(
        _ body: (ThingsStack, Person, Adapter, (id: ThingID, key: String), ChannelID) async throws -> Void
    ) async throws {
        try await withThings { stack in
            let person = try await stack.person(in: .new())
            let thing = try await person.makeThing()
            let channel = try await person.makeChannel()
            #expect(try await person.connect(thing.id, channel).status == 200)
            let adapter = try await Adapter(stack)
            try await adapter.warm(thing.key, channel)
            try await body(stack, person, adapter, thing, channel)
            await adapter.stop()
        }
    }

    /// The promise: refused within a second of the answer. Generous machines do it in milliseconds; the clock says what this one did.
    private func expectRefusedWithinASecond(
        _ reason: String, _ refusal: () async throws -> String?
    ) async throws {
        let start = ContinuousClock.now
        try await eventually("refused with \(reason)", interval: .milliseconds(1)) { try await refusal() == reason }
        #expect(ContinuousClock.now - start < .seconds(1), "\(reason)")
    }

    @Test func whatPeopleMayDoIsNothingToAdapters() async throws {
        try await withConnectedThing { _, person, adapter, thing, channel in
            let other = try await person.makeThing()
            _ = try await person.connect(other.id, channel)
            try await adapter.warm(other.key, channel)
            let group = try await person.post("/groups", ["name": "g"])
            #expect(group.status == 201)
            // Heard after the group's event, so that one has had its effect.
            _ = try await person.disconnect(other.id, channel)
            try await eventually("the disconnection is heard") {
                await adapter.refusal(other.key, channel) == "publish-not-allowed"
            }
            guard case .allowed = adapter.authenticator.decide(adapter.request(thing.key, channel)) else {
                Issue.record("a new group took a thing's right from an adapter's memory")
                return
            }
        }
    }

    @Test func everyRightIsTakenBackWithinASecond() async throws {
        try await withConnectedThing { _, person, adapter, thing, channel in
            _ = try await person.disconnect(thing.id, channel, types: ["publish"])
            try await expectRefusedWithinASecond("publish-not-allowed") { await adapter.refusal(thing.key, channel) }
            #expect(await adapter.refusal(thing.key, channel, .subscribe) == nil)
            _ = try await person.connect(thing.id, channel)
            try await adapter.warm(thing.key, channel)

            _ = try await person.disconnect(thing.id, channel)
            try await expectRefusedWithinASecond("publish-not-allowed") { await adapter.refusal(thing.key, channel) }
            _ = try await person.connect(thing.id, channel)
            try await adapter.warm(thing.key, channel)

            _ = try await person.post("/channels/\(channel)/disable")
            try await expectRefusedWithinASecond("unknown-channel") { await adapter.refusal(thing.key, channel) }
            _ = try await person.post("/channels/\(channel)/enable")
            try await adapter.warm(thing.key, channel)

            _ = try await person.post("/things/\(thing.id)/disable")
            try await expectRefusedWithinASecond("unknown-key") { await adapter.refusal(thing.key, channel) }
            _ = try await person.post("/things/\(thing.id)/enable")
            try await adapter.warm(thing.key, channel)

            let rotated = try await person.patch("/things/\(thing.id)/secret", [:])
            guard case .string(let key)? = rotated["credentials", "secret"] else {
                Issue.record("no new key")
                return
            }
            #expect(await adapter.refusal(key, channel) == nil)
            try await expectRefusedWithinASecond("unknown-key") { await adapter.refusal(thing.key, channel) }
            try await adapter.warm(key, channel)

            #expect(try await person.delete("/things/\(thing.id)").status == 204)
            try await expectRefusedWithinASecond("unknown-key") { await adapter.refusal(key, channel) }
        }
    }

    @Test func directionsAndRoutesDecide() async throws {
        try await withThings { stack in
            let domain = DomainID.new()
            let person = try await stack.person(in: domain)
            let thing = try await person.makeThing()
            let channel = try await person.makeChannel(["route": "hall"])
            let foreign = try await stack.person(in: .new()).makeChannel()
            _ = try await person.connect(thing.id, channel, types: ["subscribe"])
            let adapter = try await Adapter(stack)

            #expect(await adapter.refusal(thing.key, channel, .subscribe) == nil)
            #expect(await adapter.refusal(thing.key, channel) == "publish-not-allowed")
            #expect(await adapter.refusal(thing.key, foreign) == "unknown-channel")
            #expect(await adapter.refusal(thing.key, .new()) == "unknown-channel")
            #expect(await adapter.refusal("no such key of anyone", channel) == "unknown-key")

            func ask(_ address: ChannelAddress, claimed: ThingID? = nil) async throws(ServiceError) -> Grant {
                try await adapter.authenticator.authorize(
                    AccessRequest(
                        credential: Credential(key: thing.key, claimedThing: claimed), channel: address,
                        right: .subscribe))
            }
            let byRoute = try await ask(ChannelAddress(.route("hall")))
            #expect(byRoute.channel == channel)
            #expect(byRoute.domain == domain)
            #expect(try await ask(ChannelAddress(.route("hall"), domain: .identifier(domain))).channel == channel)
            await #expect(throws: ServiceError.self) {
                try await ask(ChannelAddress(.identifier(channel), domain: .identifier(.new())))
            }
            await #expect(throws: ServiceError.self) {
                try await ask(ChannelAddress(channel), claimed: .new())
            }
            await adapter.stop()
        }
    }

    @Test func withThingsAwayWhatIsKnownWorksAndNothingNewIsLetIn() async throws {
        try await withConnectedThing { stack, person, adapter, thing, channel in
            let other = try await person.makeThing()
            _ = try await person.connect(other.id, channel)
            // What was just connected is not remembered yet; the first thing's right is, again.
            try await adapter.warm(thing.key, channel)
            await stack.things.kill()

            #expect(await adapter.refusal(thing.key, channel) == nil)
            do throws(ServiceError) {
                _ = try await adapter.authenticator.authorize(adapter.request(other.key, channel))
                Issue.record("a right that is not known was let in")
            } catch {
                #expect(error.kind == .unavailable)
                #expect(error.reason == "things-unavailable")
                #expect(error.retryAfterSeconds != nil)
            }

            let again = try stack.things.startAgain()
            try await again.wait("things is back") { try await stack.isHealthy() }
            try await eventually("the other thing is let in") { await adapter.refusal(other.key, channel) == nil }
            await again.kill()
        }
    }

    @Test func aRestartOfTheBusEmptiesTheMemory() async throws {
        try await withConnectedThing { stack, _, adapter, thing, channel in
            await stack.daemon.kill()
            let again = try stack.daemon.startAgain()
            try await eventually("the adapter is connected again") { adapter.bus.statistics.connections >= 2 }
            await stack.things.kill()
            // Whatever was remembered rested on events that may have been missed: with things away it is not let in.
            try await eventually("nothing is remembered") {
                await adapter.refusal(thing.key, channel) == "things-unavailable"
            }
            await again.kill()
        }
    }

    @Test func liveSessionsEndWithTheirRight() async throws {
        try await withConnectedThing { _, person, adapter, thing, channel in
            let credential = Credential(key: thing.key)
            let ended = Mutex<[String: String]>([:])
            func watch(_ name: String, _ right: AccessRight) async throws -> LiveSession {
                let grant = try await adapter.authenticator.authorize(adapter.request(thing.key, channel, right))
                return adapter.authenticator.watch(grant, credential: credential, reference: ChannelAddress(channel)) {
                    error in ended.withLock { $0[name] = error.reason }
                }
            }
            func endings() -> [String: String] { ended.withLock { $0 } }

            _ = try await watch("publisher", .publish)
            _ = try await watch("subscriber", .subscribe)
            let cancelled = try await watch("cancelled", .subscribe)
            cancelled.cancel()
            // A change that takes nothing of theirs ends nobody; the narrowed right ends the one that rests on it.
            _ = try await person.patch("/things/\(thing.id)", ["name": "renamed"])
            _ = try await person.disconnect(thing.id, channel, types: ["publish"])
            try await expectRefusedWithinASecond("publish-not-allowed") { endings()["publisher"] }
            #expect(endings()["subscriber"] == nil)

            _ = try await person.patch("/things/\(thing.id)/secret", [:])
            try await expectRefusedWithinASecond("unknown-key") { endings()["subscriber"] }
            #expect(endings()["cancelled"] == nil)
        }
    }

    @Test func liveSessionsEndAtOnceWithWhatTheyRestOn() async throws {
        try await withConnectedThing { _, person, adapter, thing, channel in
            let endings = Mutex<[String]>([])
            func watch() async throws {
                try await adapter.warm(thing.key, channel)
                let grant = try await adapter.authenticator.authorize(adapter.request(thing.key, channel))
                _ = adapter.authenticator.watch(
                    grant, credential: Credential(key: thing.key), reference: ChannelAddress(channel)
                ) { error in endings.withLock { $0.append(error.reason) } }
            }
            func last() -> String? { endings.withLock { $0.last } }

            try await watch()
            _ = try await person.disconnect(thing.id, channel)
            try await expectRefusedWithinASecond("disconnected-from-channel") { last() }
            _ = try await person.connect(thing.id, channel)
            try await watch()
            _ = try await person.post("/channels/\(channel)/disable")
            try await expectRefusedWithinASecond("unknown-channel") { last() }
            _ = try await person.post("/channels/\(channel)/enable")
            try await watch()
            _ = try await person.post("/things/\(thing.id)/disable")
            try await expectRefusedWithinASecond("unknown-key") { last() }
            // Each ended once.
            #expect(endings.withLock { $0.count } == 3)
        }
    }
}
