// SPDX-License-Identifier: Apache-2.0
import AdapterKit
import Bus
import Core
import Foundation
import HTTPKit
import Logging
import Messaging
import NIOCore
import Synchronization
import TestKit
import Testing

/// The memory of an adapter that serves DTLS, against the real `things` over the real bus with its roles.
@Suite struct PreSharedKeyAdapterTests {
    /// A directory and an authenticator of the adapter of CoAP.
    private struct Adapter {
        let bus: SocketBus
        let directory: PreSharedKeyDirectory
        let authenticator: ThingAuthenticator
        private let running: Task<Void, any Error>

        init(_ stack: ThingsStack) async throws {
            bus = try await stack.bus(named: "coap-adapter")
            let directory = PreSharedKeyDirectory(bus: bus, logger: Logger(label: "psk"))
            let authenticator = ThingAuthenticator(bus: bus, logger: Logger(label: "rights"))
            self.directory = directory
            self.authenticator = authenticator
            running = Task {
                try await withThrowingTaskGroup(of: Void.self) { group in
                    group.addTask { try await directory.run() }
                    group.addTask { await authenticator.run() }
                    try await group.waitForAll()
                }
            }
            try await eventually("the keys are loaded") { directory.isReady }
        }

        func find(_ identity: String) -> PreSharedKey? {
            Array(identity.utf8).withUnsafeBytes { directory.find(identity: $0) }
        }

        func identify(_ key: PreSharedKey) async -> Result<ThingIdentity, ServiceError> {
            await withCheckedContinuation { continuation in
                authenticator.identify(preShared: key) { continuation.resume(returning: $0) }
            }
        }

        func reason(_ key: PreSharedKey) async -> String? {
            if case .failure(let error) = await identify(key) { error.reason } else { nil }
        }

        func stop() async {
            running.cancel()
            await bus.close()
        }
    }

    /// Tells of a domain as `users` does.
    private func announce(_ what: String, _ domain: DomainID, _ stack: ThingsStack) async throws {
        let users = try await stack.usersBus()
        let event = EntityEvent(
            id: .new(), at: WallClock.system.now(), service: "users", entity: "domain", what: what, domain: domain,
            actor: .new())
        _ = try await users.publishDurably(
            BusMessage(subject: event.subject, payload: ByteBuffer(bytes: JSONEncoder().encode(event))))
        await users.close()
    }

    @Test func onlyTheAdapterOfCoAPMayAsk() async throws {
        try await SharedStack.with { stack in
            let person = try await stack.person(in: .new())
            let thing = try await person.makeThing().id
            #expect(try await person.put("/things/\(thing)/psk", [:]).status == 200)
            for role in ["mqtt-adapter", "http-adapter", "mqtt-bridge", "users", "reader-postgres", "journal"] {
                let bus = try await stack.bus(named: role)
                do throws(ServiceError) {
                    let _: PreSharedKeyLookupResponse = try await bus.call(
                        Subjects.lookUpPreSharedKey, PreSharedKeyLookupRequest(thing: thing), timeout: .seconds(2))
                    Issue.record("\(role) was told a secret")
                } catch {}
                do throws(ServiceError) {
                    let _: PreSharedKeysResponse = try await bus.call(
                        Subjects.preSharedKeys, PreSharedKeysRequest(), timeout: .seconds(2))
                    Issue.record("\(role) was told all secrets")
                } catch {}
                // What it hears of others' answers is nothing, either.
                await #expect(throws: BusError.self) {
                    try await bus.subscribe(Subjects.lookUpPreSharedKey, queueGroup: nil)
                }
                // It may still ask what it needs.
                let known: ThingLookupResponse = try await bus.call(
                    Subjects.lookUpThing, ThingLookupRequest(thing: thing))
                #expect(known.outcome != .unknown)
                await bus.close()
            }
        }
    }

    @Test func keysComeAndGoWithWhatOperatorsDo() async throws {
        try await withThings { stack in
            let domain = DomainID.new()
            let person = try await stack.person(in: domain)
            let (early, thing) = (try await person.makeThing().id, try await person.makeThing().id)
            #expect(try await person.put("/things/\(early)/psk", ["identity": "early"]).status == 200)
            let adapter = try await Adapter(stack)
            #expect(adapter.find("early")?.thing == early)
            #expect(adapter.find("early")?.domain == domain)

            let made = try await person.put("/things/\(thing)/psk", [:])
            try await eventually("the new key is known") { adapter.find("\(thing)") != nil }
            let key = try #require(adapter.find("\(thing)"))
            #expect(key.thing == thing && key.domain == domain)
            #expect(key.secret.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined() == made.text("secret"))
            #expect(try await adapter.identify(key).get().thing == thing)

            // Replaced: another version, by which alone one is let in.
            _ = try await person.put("/things/\(thing)/psk", ["identity": "late"])
            try await eventually("the replaced one is known") { adapter.find("late") != nil }
            #expect(adapter.find("\(thing)") == nil)
            let replaced = try #require(adapter.find("late"))
            #expect(replaced.version > key.version)
            try await eventually("the former one is nobody's") { await adapter.reason(key) == "unknown-psk" }
            #expect(await adapter.reason(replaced) == nil)

            _ = try await person.post("/things/\(thing)/disable")
            try await eventually("it is gone") { adapter.find("late") == nil }
            try await eventually("it is refused") { await adapter.reason(replaced) == "unknown-psk" }
            _ = try await person.post("/things/\(thing)/enable")
            try await eventually("it is back") { adapter.find("late") == replaced }

            try await announce("disabled", domain, stack)
            try await eventually("the domain's are gone") {
                adapter.find("late") == nil && adapter.find("early") == nil
            }
            #expect(await adapter.reason(replaced) == "domain-disabled")
            try await announce("enabled", domain, stack)
            try await eventually("they are back") { adapter.find("late") != nil && adapter.find("early") != nil }

            #expect(try await person.delete("/things/\(thing)/psk").status == 204)
            try await eventually("it is gone") { adapter.find("late") == nil }
            #expect(try await person.delete("/things/\(early)").status == 204)
            try await eventually("it is gone with the thing") { adapter.find("early") == nil }
            await adapter.stop()
        }
    }

    @Test func whoIsInIsPutOutWithTheKey() async throws {
        try await withThings { stack in
            let domain = DomainID.new()
            let person = try await stack.person(in: domain)
            let thing = try await person.makeThing().id
            let channel = try await person.makeChannel()
            _ = try await person.connect(thing, channel)
            let adapter = try await Adapter(stack)
            let ended = Mutex<[String]>([])
            func endings() -> [String] { ended.withLock { $0 } }

            /// Makes a key, and lets the thing in by it.
            func enter(remembered isRemembered: Bool = false) async throws {
                let former = adapter.find("\(thing)")?.version ?? 0
                _ = try await person.put("/things/\(thing)/psk", [:])
                try await eventually("the key is known") {
                    adapter.find("\(thing)").map { $0.version > former } ?? false
                }
                let key = try #require(adapter.find("\(thing)"))
                let identity =
                    isRemembered
                    ? ThingIdentity(remembered: key.thing, domain: key.domain) : try await adapter.identify(key).get()
                _ = adapter.authenticator.watch(preShared: key, identity: identity) { error in
                    ended.withLock { $0.append(error.reason) }
                }
                // It may what the thing may.
                let grant = await withCheckedContinuation { continuation in
                    adapter.authenticator.ask(identity, on: ChannelAddress(channel), right: .publish) {
                        continuation.resume(returning: $0)
                    }
                }
                #expect(try grant.get().thing == thing)
                guard
                    case .allowed = adapter.authenticator.decide(
                        identity, on: ChannelAddress(channel), right: .publish)
                else {
                    Issue.record("the right is not remembered")
                    return
                }
            }

            try await enter()
            // What does not touch the key leaves the session alone: all of it was heard before the replacement.
            _ = try await person.patch("/things/\(thing)", ["name": "another"])
            _ = try await person.patch("/things/\(thing)/secret", [:])
            // Entering again replaces the key.
            try await enter(remembered: true)
            try await eventually("the first session is ended") { endings() == ["unknown-psk"] }
            #expect(try await person.delete("/things/\(thing)/psk").status == 204)
            try await eventually("the second one, too") { endings() == ["unknown-psk", "unknown-psk"] }

            try await enter()
            try await announce("disabled", domain, stack)
            try await eventually("it ends with the domain") { endings().last == "domain-disabled" }
            try await announce("enabled", domain, stack)
            try await eventually("it is let in again") { adapter.find("\(thing)") != nil }
            try await enter()
            _ = try await person.post("/things/\(thing)/disable")
            try await eventually("it ends with the thing") { endings().count == 4 }
            #expect(endings().last == "unknown-key")
            await adapter.stop()
        }
    }

    @Test func restartsLoseNothing() async throws {
        try await withThings { stack in
            let person = try await stack.person(in: .new())
            let (first, second) = (try await person.makeThing().id, try await person.makeThing().id)
            _ = try await person.put("/things/\(first)/psk", ["identity": "first"])
            _ = try await person.put("/things/\(second)/psk", ["identity": "second"])
            let adapter = try await Adapter(stack)
            // With things away, what is known is found.
            await stack.things.kill()
            #expect(adapter.find("first")?.thing == first)
            let things = try stack.things.startAgain()
            try await things.wait("things is healthy") { try await stack.isHealthy() }
            // With the bus restarted, all is loaded anew.
            await stack.daemon.kill()
            let daemon = try stack.daemon.startAgain()
            try await daemon.wait("the bus is there") { try await stack.isHealthy() }
            try await eventually("a change is made") {
                try await person.put("/things/\(first)/psk", ["identity": "third"]).status == 200
            }
            try await eventually("the change is known") {
                adapter.find("third")?.thing == first && adapter.find("first") == nil
            }
            #expect(adapter.find("second")?.thing == second)
            await adapter.stop()
            await things.kill()
            await daemon.kill()
        }
    }

    /// More than a page, also where some of it cannot be told.
    @Test func aFleetIsLoadedPageByPage() async throws {
        try await withThings { stack in
            let person = try await stack.person(in: .new())
            let bus = try await stack.bus(named: "coap-adapter")
            var things: Set<ThingID> = []
            for number in 0..<7 {
                let thing = try await person.makeThing().id
                _ = try await person.put("/things/\(thing)/psk", ["identity": .string("\(number)")])
                things.insert(thing)
            }
            let disabled = try #require(things.first)
            _ = try await person.post("/things/\(disabled)/disable")
            for limit in [1, 2, 6, 7, 1_000] {
                var told: [ThingID] = []
                var after: ThingID?
                repeat {
                    let page: PreSharedKeysResponse = try await bus.call(
                        Subjects.preSharedKeys, PreSharedKeysRequest(after: after, limit: limit))
                    #expect(page.keys.count <= limit)
                    told += page.keys.map(\.thing)
                    after = page.next
                } while after != nil
                #expect(told == things.subtracting([disabled]).sorted(), "\(limit)")
            }
            for limit in [0, 1_001, -1] {
                await #expect(throws: ServiceError.self) {
                    let _: PreSharedKeysResponse = try await bus.call(
                        Subjects.preSharedKeys, PreSharedKeysRequest(limit: limit))
                }
            }
            for identity in ["", "nobody", "\u{0}", "'; DROP TABLE thing_psks; --"] {
                let answer: PreSharedKeyLookupResponse = try await bus.call(
                    Subjects.lookUpPreSharedKey, PreSharedKeyLookupRequest(identity: identity))
                #expect(answer.key == nil)
            }
            await bus.close()
        }
    }
}
